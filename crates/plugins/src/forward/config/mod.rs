//! What a `forward` says, read from its tokens. Pure: no file, no name is looked up here.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use dunlin_core::Directive;
use dunlin_core::corefile::go::{GoDuration, atoi, parse_duration, parse_uint32};
use dunlin_core::corefile::normalize_zone;
use dunlin_core::directive::parse_zones;
use dunlin_core::zones::{Zone, Zones};
use dunlin_upstream::rcode::rcode_named;
use dunlin_upstream::tls::TlsFiles;
use dunlin_upstream::{Policy, Probe, Settings, StreamLimits, Target, TransportRule};

use super::Handover;

/// One `forward`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) from: Zone,
    pub(super) except: Zones,
    pub(super) targets: Vec<Target>,
    pub(super) settings: Settings,
    pub(super) limits: StreamLimits,
    pub(super) probe: Probe,
    pub(super) handover: Handover,
    /// `None` without a `tls` property: then system authorities are read only if needed.
    pub(super) tls: Option<TlsFiles>,
    pub(super) tls_name: Option<String>,
    pub(super) source: Option<IpAddr>,
    /// Sockets per upstream and worker that queries over UDP draw one from; 0: no pool.
    pub(super) udp_pool: usize,
    pub(super) resolvers: Vec<SocketAddr>,
}

/// TO arguments of one `forward`.
const MAX_TARGETS: usize = 15;

/// Sockets in a pool (security.md FW-02).
const UDP_POOL: RangeInclusive<usize> = 1024..=16_384;

/// Reads all occurrences, in file order.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Vec<Config>> {
    let mut configs = Vec::new();
    while directive.next() {
        configs.push(parse_one(directive)?);
    }
    Ok(configs)
}

fn parse_one(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let from = parse_from(directive)?;
    let to = directive.remaining_args();
    if to.is_empty() {
        return Err(directive.arg_error().into());
    }
    ensure!(to.len() <= MAX_TARGETS, "more than {MAX_TARGETS} TOs configured: {}", to.len());
    let targets = to.into_iter().map(Target::parse).collect::<Result<_, _>>()?;
    let mut config = Config {
        from,
        except: Zones::default(),
        targets,
        settings: Settings::default(),
        limits: StreamLimits::default(),
        probe: Probe::default(),
        handover: Handover::default(),
        tls: None,
        tls_name: None,
        source: None,
        udp_pool: 0,
        resolvers: Vec::new(),
    };
    while directive.next_block() {
        parse_property(directive, &mut config)?;
    }
    config.check()?;
    Ok(config)
}

fn parse_from(directive: &mut Directive<'_>) -> anyhow::Result<Zone> {
    let Some(text) = directive.arg() else { return Err(directive.arg_error().into()) };
    let zones = normalize_zone(text);
    let unusable = || anyhow!("unable to normalize '{text}'");
    let first = zones.first().ok_or_else(unusable)?;
    if zones.len() > 1 {
        tracing::warn!(
            target: "plugin/forward",
            "Unsupported CIDR notation: '{text}' expands to multiple zones. Using only '{first}'."
        );
    }
    Zone::new(first).map_err(|_| unusable())
}

fn parse_property(directive: &mut Directive<'_>, config: &mut Config) -> anyhow::Result<()> {
    let settings = &mut config.settings;
    match directive.val() {
        "except" => {
            let names = some_arguments(directive)?;
            let more = parse_zones(&names);
            config.except = Zones::new(config.except.iter().chain(more.iter()).cloned().collect());
        }
        "max_fails" => settings.max_fails = parse_uint32(argument(directive)?).map_err(own)?,
        "max_connect_attempts" => {
            settings.max_attempts = Some(parse_uint32(argument(directive)?).map_err(own)?);
        }
        "health_check" => parse_health_check(directive, config)?,
        // Both together mean TCP, in whatever order.
        "force_tcp" => no_argument(directive, || settings.transport = TransportRule::ForceTcp)?,
        "prefer_udp" => no_argument(directive, || {
            if settings.transport != TransportRule::ForceTcp {
                settings.transport = TransportRule::PreferUdp;
            }
        })?,
        "failfast_all_unhealthy_upstreams" => no_argument(directive, || settings.failfast = true)?,
        "next_on_nodata" => no_argument(directive, || config.handover.on_nodata = true)?,
        "policy" => settings.policy = parse_policy(directive)?,
        "max_concurrent" => settings.max_concurrent = parse_count(directive, "max_concurrent")?,
        "max_idle_conns" => config.limits.max_idle = parse_count(directive, "max_idle_conns")?,
        "udp_pool" => config.udp_pool = parse_udp_pool(directive)?,
        "next" => config.handover.rcodes.extend(parse_rcodes(directive)?),
        "failover" => settings.failover.extend(parse_failover(directive)?),
        "expire" => config.limits.expire = parse_time(directive, "expire")?,
        "max_age" => config.limits.max_age = parse_time(directive, "max_age")?,
        "read_timeout" => {
            let duration = parse_go_duration(directive)?;
            let timeout = duration.positive().filter(|timeout| !timeout.is_zero());
            let error = || anyhow!("read_timeout must be positive: {duration}");
            settings.read_timeout = timeout.ok_or_else(error)?;
        }
        _ => return parse_network_property(directive, config),
    }
    Ok(())
}

fn parse_network_property(
    directive: &mut Directive<'_>,
    config: &mut Config,
) -> anyhow::Result<()> {
    match directive.val() {
        "tls" => config.tls = Some(parse_tls(directive)?),
        "tls_servername" => config.tls_name = Some(argument(directive)?.to_owned()),
        "source_address" => {
            let text = argument(directive)?;
            let address = text.parse().map_err(|_| anyhow!("invalid IP address: {text}"))?;
            config.source = Some(address);
        }
        "resolver" => {
            for text in some_arguments(directive)? {
                config.resolvers.push(parse_resolver(text)?);
            }
        }
        // Accepted for the day when `https://` upstreams are.
        "doh_method" => {
            let method = argument(directive)?.to_ascii_uppercase();
            ensure!(
                matches!(method.as_str(), "GET" | "POST"),
                "doh_method must be either POST or GET"
            );
        }
        other => return Err(directive.error(format!("unknown property '{other}'")).into()),
    }
    Ok(())
}

fn parse_health_check(directive: &mut Directive<'_>, config: &mut Config) -> anyhow::Result<()> {
    let interval = parse_go_duration(directive)?;
    let negative = || anyhow!("health_check can't be negative: {}", interval.nanoseconds());
    config.settings.health_interval = interval.positive().ok_or_else(negative)?;
    config.probe.name = Probe::default().name;
    while let Some(option) = directive.arg() {
        match option {
            "no_rec" => config.probe.recursion_desired = false,
            "domain" => {
                let name = argument(directive)?;
                let zone = Zone::new(name)
                    .map_err(|_| anyhow!("health_check: invalid domain name {name}"))?;
                config.probe.name = zone.as_wire().into();
            }
            other => bail!("health_check: unknown option {other}"),
        }
    }
    Ok(())
}

/// `tls`, `tls CA`, `tls CERT KEY`, `tls CERT KEY CA`.
fn parse_tls(directive: &mut Directive<'_>) -> anyhow::Result<TlsFiles> {
    let arguments = directive.remaining_args();
    let files: Vec<_> = arguments.iter().map(|path| directive.file(path)).collect();
    let (identity, authorities) = match files.as_slice() {
        [] => (None, None),
        [authorities] => (None, Some(authorities.clone())),
        [certificate, key] => (Some((certificate.clone(), key.clone())), None),
        [certificate, key, authorities] => {
            (Some((certificate.clone(), key.clone())), Some(authorities.clone()))
        }
        _ => return Err(directive.arg_error().into()),
    };
    Ok(TlsFiles { identity, authorities })
}

fn parse_policy(directive: &mut Directive<'_>) -> anyhow::Result<Policy> {
    match argument(directive)? {
        "random" => Ok(Policy::Random),
        "round_robin" => Ok(Policy::RoundRobin),
        "sequential" => Ok(Policy::Sequential),
        other => Err(directive.error(format!("unknown policy '{other}'")).into()),
    }
}

fn parse_rcodes(directive: &mut Directive<'_>) -> anyhow::Result<Vec<u16>> {
    let number = |name: &str| rcode_named(name).ok_or_else(|| not_an_rcode(name));
    some_arguments(directive)?.into_iter().map(number).collect()
}

fn parse_failover(directive: &mut Directive<'_>) -> anyhow::Result<Vec<u16>> {
    let rcodes = parse_rcodes(directive)?;
    ensure!(!rcodes.contains(&0), "NoError cannot be used in failover");
    Ok(rcodes)
}

fn not_an_rcode(name: &str) -> anyhow::Error {
    anyhow!("{name} is not a valid rcode")
}

/// `IP` or `IP:PORT`.
fn parse_resolver(text: &str) -> anyhow::Result<SocketAddr> {
    let address = text.parse().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, 53)));
    address.map_err(|_| anyhow!("resolver must be an IP address or IP:port: {text:?}"))
}

fn parse_go_duration(directive: &mut Directive<'_>) -> anyhow::Result<GoDuration> {
    parse_duration(argument(directive)?).map_err(own)
}

fn parse_time(directive: &mut Directive<'_>, property: &str) -> anyhow::Result<Duration> {
    let duration = parse_go_duration(directive)?;
    duration.positive().ok_or_else(|| anyhow!("{property} can't be negative: {duration}"))
}

fn parse_count(directive: &mut Directive<'_>, property: &str) -> anyhow::Result<usize> {
    let number = atoi(argument(directive)?).map_err(own)?;
    usize::try_from(number).map_err(|_| anyhow!("{property} can't be negative: {number}"))
}

/// Fewer sockets make a port that is worth guessing; more than ports make no sense.
fn parse_udp_pool(directive: &mut Directive<'_>) -> anyhow::Result<usize> {
    let count = parse_count(directive, "udp_pool")?;
    ensure!(
        UDP_POOL.contains(&count),
        "udp_pool must be between {} and {}: {count}",
        UDP_POOL.start(),
        UDP_POOL.end()
    );
    Ok(count)
}

fn argument<'a>(directive: &mut Directive<'a>) -> anyhow::Result<&'a str> {
    directive.arg().ok_or_else(|| directive.arg_error().into())
}

fn some_arguments<'a>(directive: &mut Directive<'a>) -> anyhow::Result<Vec<&'a str>> {
    let arguments = directive.remaining_args();
    if arguments.is_empty() { Err(directive.arg_error().into()) } else { Ok(arguments) }
}

fn no_argument(directive: &mut Directive<'_>, set: impl FnOnce()) -> anyhow::Result<()> {
    if directive.next_arg() {
        return Err(directive.arg_error().into());
    }
    set();
    Ok(())
}

fn own(text: String) -> anyhow::Error {
    anyhow!(text)
}

impl Config {
    fn check(&mut self) -> anyhow::Result<()> {
        let StreamLimits { expire, max_age, .. } = self.limits;
        ensure!(
            max_age.is_zero() || max_age >= expire,
            "max_age ({}) must not be less than expire ({})",
            GoDuration::from(max_age),
            GoDuration::from(expire)
        );
        self.probe.over_tcp = self.settings.transport == TransportRule::ForceTcp;
        let Some(name) = &self.tls_name else { return Ok(()) };
        for target in &self.targets {
            if let Target::Server(server) = target
                && let Some(own) = &server.tls_name
            {
                bail!(
                    "both forward ('{name}') and proxy level ('{own}') TLS servernames are set \
                     for upstream proxy '{server}'"
                );
            }
        }
        Ok(())
    }
}
