//! The Corefile side: `loadbalance [round_robin | weighted WEIGHTFILE] [{ prefer CIDR… | reload
//! DURATION }]`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use arc_swap::ArcSwap;
use dunlin_core::corefile::go::{parse_duration, quote};
use dunlin_core::{Directive, Entry};
use ipnet::IpNet;

use super::watch::WeightFile;
use super::{LoadBalance, Policy};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "loadbalance", setup };

/// What all `loadbalance` of a server block say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// File and time between two looks at it; round robin without.
    pub(super) weights: Option<(PathBuf, Duration)>,
    pub(super) preferred: Vec<IpNet>,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let Config { weights, preferred } = parse(directive)?;
    let Some((path, reload)) = weights else {
        directive.add(LoadBalance { policy: Policy::RoundRobin, preferred });
        return Ok(());
    };
    let failures = directive.metrics().counter(
        "dunlin_loadbalance_weight_file_failures_total",
        "Contents of a weight file that could not be used.",
        &["file"],
    );
    let failures = failures.with(&[&path.display().to_string()]);
    let weights = Arc::new(ArcSwap::default());
    let policy = Policy::Weighted(Arc::clone(&weights));
    directive.add(LoadBalance { policy, preferred });
    let tasks = directive.tasks(1);
    let mut file = WeightFile { path, reload, weights, failures, seen: None };
    directive.parts().hooks.on_start(async move |_| {
        file.first_look().await?;
        if !file.reload.is_zero() {
            tasks.spawn(file.watch())?;
        }
        Ok(())
    });
    Ok(())
}

/// The last policy counts. Preferences add up; a line with `weighted` forgets them, as in CoreDNS.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config::default();
    while directive.next() {
        match directive.remaining_args().as_slice() {
            [] | ["round_robin"] => {
                config.weights = None;
                while directive.next_block() {
                    prefer(directive, &mut config.preferred)?;
                }
            }
            ["round_robin", ..] => {
                return Err(directive.error("unknown property for round_robin").into());
            }
            ["weighted"] => return Err(directive.error("missing weight file argument").into()),
            ["weighted", file] => {
                let path = directive.file(file);
                config = Config { weights: Some((path, reload(directive)?)), ..Config::default() };
            }
            ["weighted", ..] => return Err(directive.error("unexpected argument(s)").into()),
            [other, ..] => return Err(anyhow!("unknown policy: {other}")),
        }
    }
    Ok(config)
}

fn prefer(directive: &mut Directive<'_>, preferred: &mut Vec<IpNet>) -> anyhow::Result<()> {
    if directive.val() != "prefer" {
        return Err(unknown(directive));
    }
    for text in directive.remaining_args() {
        let network = text.parse::<IpNet>().map_err(|_| {
            let quoted = quote(text);
            directive.error(format!("invalid CIDR {quoted}: invalid CIDR address: {text}"))
        })?;
        preferred.push(network);
    }
    Ok(())
}

fn reload(directive: &mut Directive<'_>) -> anyhow::Result<Duration> {
    let mut reload = DEFAULT_RELOAD;
    while directive.next_block() {
        if directive.val() != "reload" {
            return Err(unknown(directive));
        }
        reload = match directive.remaining_args().as_slice() {
            [] => return Err(directive.error("reload duration value is missing").into()),
            [text] => {
                let duration = parse_duration(text).ok().and_then(|duration| duration.positive());
                duration
                    .ok_or_else(|| directive.error(format!("invalid reload duration '{text}'")))?
            }
            _ => return Err(directive.error("unexpected argument").into()),
        };
    }
    Ok(reload)
}

fn unknown(directive: &Directive<'_>) -> anyhow::Error {
    directive.error(format!("unknown property '{}'", directive.val())).into()
}

const DEFAULT_RELOAD: Duration = Duration::from_secs(30);
