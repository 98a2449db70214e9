//! The Corefile side: `hosts [FILE [ZONES...]] { … }`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::corefile::go;
use dunlin_core::directive::parse_zones;
use dunlin_core::error::in_gos_words;
use dunlin_core::zones::{Fallthrough, Zones};
use dunlin_core::{Directive, Entry};
use tokio::time::{MissedTickBehavior, interval};

use super::file::HostsFile;
use super::table::Table;
use super::text::{BadText, Direction, Options, address};
use super::{Hosts, Unsupported};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "hosts", setup };

/// What the directive says.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) path: PathBuf,
    pub(super) zones: Zones,
    pub(super) ttl: u32,
    /// Between two looks at the file; none for a file that is read once.
    pub(super) reload: Option<Duration>,
    pub(super) reverse: Direction,
    pub(super) fallthrough: Option<Fallthrough>,
    pub(super) unsupported: Unsupported,
    pub(super) inline: Vec<String>,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    let options = Options { zones: config.zones.clone(), reverse: config.reverse };
    let inline = inline_table(&config.inline, &options)?;
    let file = HostsFile::new(config.path, options, inline.len(), directive.metrics());
    let file = Arc::new(file);
    directive.add(Hosts {
        zones: config.zones,
        ttl: config.ttl,
        fallthrough: config.fallthrough.unwrap_or_else(Fallthrough::never),
        unsupported: config.unsupported,
        file: Arc::clone(&file),
        inline,
    });
    let tasks = directive.tasks(1);
    directive.parts().hooks.on_start(async move |_context| {
        refresh(&file).await;
        if let Some(period) = config.reload {
            tasks.spawn(watch(file, period))?;
        }
        Ok(())
    });
    Ok(())
}

/// Looks at the file again and again.
async fn watch(file: Arc<HostsFile>, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await; // the first one is at once, and the start has just looked
    loop {
        ticks.tick().await;
        refresh(&file).await;
    }
}

/// Files are read on a thread where that may take its time.
async fn refresh(file: &Arc<HostsFile>) {
    let file = Arc::clone(file);
    if let Err(error) = tokio::task::spawn_blocking(move || file.refresh()).await {
        tracing::error!(target: "plugin/hosts", "reading the hosts file has failed: {error}");
    }
}

fn inline_table(lines: &[String], options: &Options) -> anyhow::Result<Table> {
    let strange = lines.iter().filter(|line| line.split(' ').next().and_then(address).is_none());
    for line in strange {
        tracing::warn!(
            target: "plugin/hosts",
            "{} is neither a property nor an entry, and is ignored",
            go::quote(line)
        );
    }
    match Table::read(lines.join("\n").as_bytes(), options) {
        Err(BadText::NoEntries) => Ok(Table::default()),
        table => Ok(table?),
    }
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config {
        path: DEFAULT_PATH.into(),
        zones: directive.zones(),
        ttl: DEFAULT_TTL,
        reload: Some(DEFAULT_RELOAD),
        reverse: Direction::default(),
        fallthrough: None,
        unsupported: Unsupported::default(),
        inline: Vec::new(),
    };
    let mut is_first = true;
    while directive.next() {
        if !std::mem::take(&mut is_first) {
            directive.only_once()?;
        }
        let arguments = directive.remaining_args();
        if let [path, zones @ ..] = arguments.as_slice() {
            config.path = directive.file(path);
            inspect(directive, &config.path)?;
            config.zones = directive.zones_or_block(zones);
        }
        while directive.next_block() {
            property(directive, &mut config)?;
        }
    }
    if config.unsupported == Unsupported::Fallthrough && config.fallthrough.is_none() {
        return Err(directive.error("fallthrough_unsupported requires fallthrough").into());
    }
    Ok(config)
}

fn property(directive: &mut Directive<'_>, config: &mut Config) -> anyhow::Result<()> {
    match directive.val() {
        "fallthrough" => {
            let arguments = directive.remaining_args();
            let zones = parse_zones(&arguments);
            // Arguments that cannot be zones are no zones at all, as in CoreDNS.
            config.fallthrough =
                (arguments.is_empty() || !zones.is_empty()).then(|| Fallthrough::below(zones));
        }
        "fallthrough_unsupported" => {
            if directive.next_arg() {
                return Err(directive.arg_error().into());
            }
            config.unsupported = Unsupported::Fallthrough;
        }
        "no_reverse" => config.reverse = Direction::Forward,
        "ttl" => config.ttl = ttl(directive)?,
        "reload" => config.reload = reload(directive)?,
        other if config.fallthrough.is_some() => {
            return Err(directive.error(format!("unknown property '{other}'")).into());
        }
        first => {
            let line = [vec![first], directive.remaining_args()].concat().join(" ");
            config.inline.push(line);
        }
    }
    Ok(())
}

/// As in CoreDNS, what follows the first argument is not looked at.
fn ttl(directive: &mut Directive<'_>) -> anyhow::Result<u32> {
    let Some(text) = directive.remaining_args().first().copied() else {
        return Err(directive.error("ttl needs a time in second").into());
    };
    let seconds = go::atoi(text).map_err(|_| directive.error("ttl needs a number of second"))?;
    let seconds = u32::try_from(seconds).ok().filter(|seconds| TTLS.contains(seconds));
    Ok(seconds.ok_or_else(|| directive.error("ttl provided is invalid"))?)
}

fn reload(directive: &mut Directive<'_>) -> anyhow::Result<Option<Duration>> {
    let arguments = directive.remaining_args();
    let [text] = arguments.as_slice() else {
        let error = directive.error("reload needs a duration (zero seconds to disable)");
        return Err(error.into());
    };
    let period = go::parse_duration(text)
        .map_err(|_| directive.error(format!("invalid duration for reload '{text}'")))?;
    let period = period
        .positive()
        .ok_or_else(|| directive.error(format!("invalid negative duration for reload '{text}'")))?;
    Ok((!period.is_zero()).then(|| period.max(SHORTEST_RELOAD)))
}

/// A file that is not there may come later; anything else that keeps us out is an error.
fn inspect(directive: &Directive<'_>, path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let path = go::quote(&shown.to_string());
            tracing::warn!(target: "plugin/hosts", "Hosts file {path} is a directory");
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tracing::warn!(target: "plugin/hosts", "File does not exist: {shown}");
        }
        Err(error) => {
            let reason = in_gos_words(&error);
            let text = format!("unable to access hosts file '{shown}': stat {shown}: {reason}");
            return Err(directive.error(text).into());
        }
    }
    Ok(())
}

const DEFAULT_PATH: &str = "/etc/hosts";
const DEFAULT_TTL: u32 = 3600;
const TTLS: std::ops::RangeInclusive<u32> = 1..=65_535;
const DEFAULT_RELOAD: Duration = Duration::from_secs(5);
/// A look at a file costs little, but not nothing.
const SHORTEST_RELOAD: Duration = Duration::from_millis(100);
