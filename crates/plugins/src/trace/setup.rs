//! The Corefile side: `trace [ENDPOINT-TYPE] [ENDPOINT] { … }`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{anyhow, ensure};
use dunlin_core::corefile::go::{atoi, parse_duration, parse_uint64, quote};
use dunlin_core::{Directive, Entry};

use super::Trace;
use super::connects::Connects;
use super::endpoint::Endpoint;
use super::exporter::{Exporter, Limits, Numbers, Pace};
use super::span::Service;
use super::traced::Traced;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "trace", setup };

/// All that the directive says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config {
    pub(super) endpoint: Endpoint,
    /// One of so many queries is traced; none if it is 0.
    pub(super) every: u64,
    pub(super) service: String,
    /// From 0 to 1, for Datadog.
    pub(super) analytics_rate: f64,
    pub(super) limits: Limits,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    let service = Service {
        name: config.service.clone(),
        address: address(directive),
        analytics_rate: config.analytics_rate,
    };
    let key = format!("{} {service:?} {:?}", config.endpoint, config.limits);
    let metrics = directive.metrics().clone();
    let Config { endpoint, every, limits, .. } = config;
    let exporter = directive.retain(&key, || {
        let numbers = Numbers::of(&metrics, &endpoint.to_string());
        Exporter::new(endpoint, service, limits, Pace::default(), numbers)
    });
    hook(directive, Arc::clone(&exporter));
    directive.parts().taps.push(Arc::new(Connects));
    directive.wrap_plugins(|plugin| Box::new(Traced(plugin)));
    directive.add(Trace { exporter, every, count: AtomicU64::new(0) });
    Ok(())
}

/// A generation that did not get as far as this start hook has no part in the exporter, although its
/// stop hook runs.
fn hook(directive: &mut Directive<'_>, exporter: Arc<Exporter>) {
    let has_entered = Arc::new(AtomicBool::new(false));
    let entered = Arc::clone(&has_entered);
    let entering = Arc::clone(&exporter);
    let hooks = &mut directive.parts().hooks;
    hooks.on_start(async move |context| {
        if !context.offline {
            entering.enter();
            entered.store(true, Ordering::Relaxed);
        }
        Ok(())
    });
    hooks.on_stop(async move || {
        if has_entered.swap(false, Ordering::Relaxed) {
            exporter.leave().await;
        }
    });
}

/// Who we are: the first address of `bind`, with the port of the server block. CoreDNS, too, says
/// nothing of a server that listens on all addresses.
fn address(directive: &mut Directive<'_>) -> Option<(std::net::IpAddr, u16)> {
    let port = directive.keys().first()?.port;
    let hosts = directive.parts().hosts.as_ref()?;
    let host = hosts.first()?;
    let host = host.split_once('%').map_or(host.as_str(), |(host, _scope)| host);
    Some((host.parse().ok()?, port))
}

/// The directive; of what is said twice, the last counts.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config {
        endpoint: Endpoint::parse(DEFAULT_KIND, "")?,
        every: 1,
        service: "coredns".to_owned(),
        analytics_rate: 0.0,
        limits: Limits::default(),
    };
    while directive.next() {
        config.endpoint = match directive.remaining_args().as_slice() {
            [] => Endpoint::parse(DEFAULT_KIND, ""),
            [endpoint] => Endpoint::parse(DEFAULT_KIND, endpoint),
            [kind, endpoint] => Endpoint::parse(kind, endpoint),
            _ => return Err(directive.arg_error().into()),
        }?;
        while directive.next_block() {
            property(directive, &mut config)?;
        }
    }
    Ok(config)
}

const DEFAULT_KIND: &str = "zipkin";

fn property(directive: &mut Directive<'_>, config: &mut Config) -> anyhow::Result<()> {
    let name = directive.val();
    match name {
        "every" => config.every = parse_uint64(value(directive)?).map_err(|text| anyhow!(text))?,
        "service" => config.service = value(directive)?.to_owned(),
        // What two ends of one call would share: no client sends us the span that it is in.
        "client_server" => {
            if let Some(text) = at_most_one(directive)? {
                boolean(text)?;
            }
        }
        "datadog_analytics_rate" => {
            config.analytics_rate = at_most_one(directive)?.map_or(Ok(0.0), rate)?;
        }
        "zipkin_max_backlog_size" => {
            config.limits.backlog = size(name, value(directive)?, Limits::default().backlog)?;
        }
        "zipkin_max_batch_size" => {
            config.limits.batch = size(name, value(directive)?, Limits::default().batch)?;
        }
        "zipkin_max_batch_interval" => {
            config.limits.interval = interval(name, value(directive)?)?;
        }
        other => return Err(directive.error(format!("unknown property '{other}'")).into()),
    }
    Ok(())
}

fn value<'a>(directive: &mut Directive<'a>) -> anyhow::Result<&'a str> {
    match directive.remaining_args().as_slice() {
        [value] => Ok(value),
        _ => Err(directive.arg_error().into()),
    }
}

fn at_most_one<'a>(directive: &mut Directive<'a>) -> anyhow::Result<Option<&'a str>> {
    match directive.remaining_args().as_slice() {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(directive.arg_error().into()),
    }
}

/// What Go's `strconv.ParseBool` takes.
fn boolean(text: &str) -> anyhow::Result<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(anyhow!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

fn rate(text: &str) -> anyhow::Result<f64> {
    let rate: f64 =
        text.parse().ok().filter(|rate: &f64| !rate.is_nan()).ok_or_else(|| {
            anyhow!("strconv.ParseFloat: parsing {}: invalid syntax", quote(text))
        })?;
    ensure!(
        (0.0..=1.0).contains(&rate),
        "datadog analytics rate must be between 0 and 1, '{rate:.6}' is not supported"
    );
    Ok(rate)
}

/// 0 stands for the default, as in CoreDNS.
fn size(name: &str, text: &str, default: usize) -> anyhow::Result<usize> {
    let number = atoi(text).map_err(|text| anyhow!(text))?;
    let size = usize::try_from(number);
    let size = size.map_err(|_| anyhow!("{name} must not be negative: '{text}'"))?;
    Ok(if size == 0 { default } else { size })
}

fn interval(name: &str, text: &str) -> anyhow::Result<Duration> {
    let interval = parse_duration(text).map_err(|text| anyhow!(text))?;
    let interval = interval.positive();
    let interval = interval.ok_or_else(|| anyhow!("{name} must not be negative: '{text}'"))?;
    Ok(if interval.is_zero() { Limits::default().interval } else { interval.max(SHORTEST) })
}

/// A shorter interval only makes work.
const SHORTEST: Duration = Duration::from_millis(1);
