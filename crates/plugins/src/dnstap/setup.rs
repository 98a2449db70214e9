//! The Corefile side: one or more lines `dnstap [listen] SOCKET [full] [WRITEBUFFER] [QUEUE]`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use dunlin_core::corefile::go::{atoi, quote};
use dunlin_core::release::VERSION;
use dunlin_core::replacer::Format;
use dunlin_core::{Directive, Entry};

use super::Dnstap;
use super::connect::Collector;
use super::endpoint::Endpoint;
use super::listen::Listener;
use super::outlet::{Numbers, Outlet, Pace, Side};
use super::tap::{Style, Tap};
use super::tls::{Client, ServerFiles};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "dnstap", setup };

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) side: Side,
    pub(super) style: Style,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let configs = parse(directive)?;
    let mut outlets = Vec::new();
    let mut taps = Vec::new();
    for (number, Config { side, style }) in configs.into_iter().enumerate() {
        let endpoint = side.endpoint().to_string();
        let key = format!("{number} {side:?} {}", fingerprint(&side));
        let metrics = directive.metrics().clone();
        let numbers = || Numbers::of(&metrics, &endpoint);
        let outlet = directive.retain(&key, || Outlet::new(side, Pace::default(), numbers()));
        taps.push(Arc::new(Tap::new(style, Arc::clone(&outlet), &metrics, &endpoint)));
        outlets.push(outlet);
    }
    let for_upstreams = taps.iter().map(|tap| Arc::clone(tap) as Arc<dyn dunlin_core::tap::Tap>);
    directive.parts().taps.extend(for_upstreams);
    directive.add(Dnstap { taps: taps.into() });
    hook(directive, outlets);
    Ok(())
}

/// A generation that did not get as far as this start hook has no part in the outlets, although its
/// stop hooks run.
fn hook(directive: &mut Directive<'_>, outlets: Vec<Arc<Outlet>>) {
    let entered: Arc<parking_lot::Mutex<Vec<Arc<Outlet>>>> = Arc::default();
    let left = Arc::clone(&entered);
    let hooks = &mut directive.parts().hooks;
    hooks.on_start(async move |_| {
        outlets.iter().for_each(Outlet::enter);
        *entered.lock() = outlets;
        Ok(())
    });
    hooks.on_stop(async move || {
        let outlets = std::mem::take(&mut *left.lock());
        let mut leaving = tokio::task::JoinSet::new();
        for outlet in outlets {
            leaving.spawn(async move { outlet.leave().await });
        }
        while leaving.join_next().await.is_some() {}
    });
}

/// What the TLS files hold, so that a renewed certificate makes a new listener.
fn fingerprint(side: &Side) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Side::Listen(Listener { tls: Some(files), .. }) = side {
        for path in [Some(&files.certificate), Some(&files.key), files.authorities.as_ref()] {
            path.and_then(|path| std::fs::read(path).ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

impl Side {
    fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Connect(collector) => &collector.endpoint,
            Self::Listen(listener) => &listener.endpoint,
        }
    }
}

/// All lines, in their order.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Vec<Config>> {
    let mut configs = Vec::new();
    while directive.next() {
        configs.push(parse_line(directive)?);
    }
    Ok(configs)
}

fn parse_line(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let arguments = directive.remaining_args();
    let (listens, arguments) = match arguments.as_slice() {
        [] => return Err(directive.arg_error().into()),
        ["listen"] => {
            let text = "dnstap listen requires an endpoint argument";
            return Err(directive.error(text).into());
        }
        ["listen", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (socket, options) = arguments.split_first().ok_or_else(|| directive.arg_error())?;
    let endpoint = Endpoint::parse(socket).map_err(|error| directive.error(error))?;
    let sizes = Sizes::parse(options).map_err(|text| directive.error(text))?;
    let mut style = Style {
        full: !options.is_empty(),
        identity: directive.host_name(),
        version: format!("Dunlin-{VERSION}"),
        extra: None,
    };
    let tls = parse_block(directive, listens, &mut style)?;
    let side = if listens {
        let files = tls.files.map(|(certificate, key, authorities)| ServerFiles {
            certificate,
            key,
            authorities,
            optional: tls.skip_verify,
        });
        Side::Listen(Listener { endpoint, tls: files })
    } else {
        let tls = if tls.skip_verify { Client::Trusting } else { Client::Verifying(None) };
        let Sizes { send_buffer, queue } = sizes;
        Side::Connect(Collector { endpoint, tls, send_buffer, queue })
    };
    Ok(Config { side, style })
}

/// The two numbers.
struct Sizes {
    send_buffer: u32,
    queue: usize,
}

impl Sizes {
    /// What stands behind the socket; more than three words mean nothing, as in CoreDNS.
    fn parse(options: &[&str]) -> Result<Self, String> {
        let multiple = |at: usize, name: &str, limit: u32, unit: &str| {
            let Some(text) = options.get(at) else { return Ok(1) };
            let number = atoi(text)
                .map_err(|error| format!("dnstap: invalid {name} {}: {error}", quote(text)))?;
            let within = u32::try_from(number).ok().filter(|count| (1..=limit).contains(count));
            within.ok_or_else(|| {
                format!("dnstap: {name} must be between 1 and {limit} ({unit}): {number}")
            })
        };
        let buffer = multiple(1, "MultipleTcpWriteBuf", 1024, "MiB units")?;
        let queue = multiple(2, "MultipleQueue", 4096, "x10k messages")?;
        if let Some(other) = options.first().filter(|word| **word != "full") {
            return Err(format!("dnstap: invalid option {}, expected \"full\"", quote(other)));
        }
        let queue = usize::try_from(queue).unwrap_or(1).saturating_mul(QUEUE_UNIT);
        Ok(Self { send_buffer: buffer.saturating_mul(1 << 20), queue })
    }
}

const QUEUE_UNIT: usize = 10_000;

/// What the block says about TLS.
#[derive(Default)]
struct Tls {
    files: Option<(PathBuf, PathBuf, Option<PathBuf>)>,
    skip_verify: bool,
}

fn parse_block(
    directive: &mut Directive<'_>,
    listens: bool,
    style: &mut Style,
) -> anyhow::Result<Tls> {
    let mut tls = Tls::default();
    while directive.next_block() {
        match directive.val() {
            "skipverify" => tls.skip_verify = true,
            "tls" if !listens => {
                return Err(directive.error("tls directive only valid for listeners").into());
            }
            "tls" => {
                let files = directive.remaining_args();
                let [certificate, key, rest @ ..] = files.as_slice() else {
                    return Err(directive.error("tls requires cert and key file paths").into());
                };
                let authorities = rest.first().map(PathBuf::from);
                tls.files = Some((certificate.into(), key.into(), authorities));
            }
            "identity" => style.identity = value(directive)?,
            "version" => style.version = value(directive)?,
            "extra" => {
                let format = value(directive)?;
                style.extra = (!format.is_empty()).then(|| Format::compile(&format));
            }
            other => return Err(directive.error(format!("unknown property '{other}'")).into()),
        }
    }
    Ok(tls)
}

fn value(directive: &mut Directive<'_>) -> anyhow::Result<String> {
    Ok(directive.arg().ok_or_else(|| directive.arg_error())?.to_owned())
}
