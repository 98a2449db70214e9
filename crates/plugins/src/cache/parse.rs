//! The Corefile side: the words of the directive, with CoreDNS's texts for what is wrong.

use std::time::Duration;

use anyhow::{anyhow, bail};
use dunlin_core::Directive;
use dunlin_core::corefile::go::{GoDuration, atoi, parse_duration};
use dunlin_core::zones::{Zone, Zones};

use super::config::{Bounds, Config, Prefetch, Refresh, Stale};

/// What the block has said so far.
struct Draft {
    config: Config,
    prefetch: Prefetch,
    prefers_positive: bool,
    serves_stale: bool,
}

/// Reads the directive.
///
/// # Errors
/// CoreDNS's texts.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut draft = Draft::new(Config::new(directive.zones()));
    let mut is_first = true;
    while directive.next() {
        if !std::mem::take(&mut is_first) {
            directive.only_once()?;
        }
        let arguments = directive.remaining_args();
        draft.config.zones = draft.zones(directive, &arguments)?;
        while directive.next_block() {
            let property = directive.val();
            if !PROPERTIES.contains(&property) {
                return Err(directive.arg_error().into());
            }
            let arguments = directive.remaining_args();
            match draft.property(property, &arguments) {
                Ok(()) => {}
                Err(Mistake::Arguments) => return Err(directive.arg_error().into()),
                Err(Mistake::Other(error)) => return Err(error),
            }
        }
    }
    draft.finish()
}

const PROPERTIES: [&str; 8] = [
    "success",
    "denial",
    "prefetch",
    "serve_stale",
    "serve_stale_policy",
    "servfail",
    "disable",
    "keepttl",
];

/// What is wrong with a property.
enum Mistake {
    /// The wrong number of arguments, or an unknown word.
    Arguments,
    Other(anyhow::Error),
}

impl Draft {
    fn new(config: Config) -> Self {
        let prefetch = Prefetch { amount: 0, gap: Duration::from_mins(1), percentage: 10 };
        Self { config, prefetch, prefers_positive: false, serves_stale: false }
    }

    /// `cache [TTL] [ZONES...]`: only the first argument can be the TTL.
    fn zones(&mut self, directive: &Directive<'_>, arguments: &[&str]) -> anyhow::Result<Zones> {
        let Some((first, rest)) = arguments.split_first() else { return Ok(directive.zones()) };
        let Ok(ttl) = atoi(first) else { return Ok(directive.zones_or_block(arguments)) };
        let ttl = max_ttl(ttl)?;
        self.config.success.max_ttl = ttl;
        self.config.denial.max_ttl = ttl;
        Ok(directive.zones_or_block(rest))
    }

    fn property(&mut self, property: &str, arguments: &[&str]) -> Result<(), Mistake> {
        match property {
            "success" => set_bounds(&mut self.config.success, arguments),
            "denial" => set_bounds(&mut self.config.denial, arguments),
            "prefetch" => self.prefetch(arguments),
            "serve_stale" => {
                self.config.stale = serve_stale(arguments)?;
                self.serves_stale = true;
                Ok(())
            }
            "serve_stale_policy" => self.policy(arguments),
            "servfail" => {
                self.config.servfail = servfail(one(arguments)?)?;
                Ok(())
            }
            "disable" => self.disable(arguments),
            "keepttl" if arguments.is_empty() => {
                self.config.keep_ttl = true;
                Ok(())
            }
            _ => Err(Mistake::Arguments),
        }
    }

    fn prefetch(&mut self, arguments: &[&str]) -> Result<(), Mistake> {
        let (amount, rest) = match arguments {
            [amount, rest @ ..] if rest.len() <= 2 => (*amount, rest),
            _ => return Err(Mistake::Arguments),
        };
        let amount = integer(amount)?;
        self.prefetch.amount = u64::try_from(amount)
            .map_err(|_| anyhow!("prefetch amount should be positive: {amount}"))?;
        if let Some(gap) = rest.first() {
            // In CoreDNS a negative duration starts the count anew at each hit; so does zero.
            self.prefetch.gap = duration(gap)?.positive().unwrap_or_default();
        }
        if let Some(percentage) = rest.get(1) {
            self.prefetch.percentage = parse_percentage(percentage)?;
        }
        Ok(())
    }

    fn policy(&mut self, arguments: &[&str]) -> Result<(), Mistake> {
        if self.prefers_positive {
            return Err(anyhow!("serve_stale_policy can only be specified once").into());
        }
        let policy = one(arguments)?;
        if !policy.eq_ignore_ascii_case("prefer_positive") {
            return Err(anyhow!("invalid serve_stale_policy: {policy}").into());
        }
        self.prefers_positive = true;
        Ok(())
    }

    fn disable(&mut self, arguments: &[&str]) -> Result<(), Mistake> {
        let Some((kind, zones)) = arguments.split_first() else { return Err(Mistake::Arguments) };
        let zones = match zones {
            [] => vec![Zone::root()],
            zones => zones.iter().filter_map(|zone| Zone::new(zone).ok()).collect(),
        };
        match *kind {
            "success" => self.config.no_success = Zones::new(zones),
            "denial" => self.config.no_denial = Zones::new(zones),
            _ => {
                let text = "cache type for disable must be \"success\" or \"denial\"";
                return Err(anyhow!(text).into());
            }
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Config> {
        if self.prefers_positive && !self.serves_stale {
            bail!("serve_stale_policy requires serve_stale");
        }
        if let Some(stale) = &mut self.config.stale {
            stale.prefer_positive = self.prefers_positive;
        }
        self.config.prefetch = (self.prefetch.amount > 0).then_some(self.prefetch);
        Ok(self.config)
    }
}

/// `success CAPACITY [TTL] [MINTTL]`: only what is given is changed, and more is ignored.
fn set_bounds(bounds: &mut Bounds, arguments: &[&str]) -> Result<(), Mistake> {
    let capacity = integer(arguments.first().ok_or(Mistake::Arguments)?)?;
    bounds.capacity = usize::try_from(capacity).unwrap_or(0);
    if let Some(ttl) = arguments.get(1) {
        bounds.max_ttl = max_ttl(integer(ttl)?)?;
    }
    if let Some(ttl) = arguments.get(2) {
        let ttl = integer(ttl)?;
        if ttl < 0 {
            return Err(anyhow!("cache min TTL can not be negative: {ttl}").into());
        }
        bounds.min_ttl = u32::try_from(ttl).unwrap_or(u32::MAX);
    }
    Ok(())
}

fn max_ttl(ttl: i64) -> anyhow::Result<u32> {
    if ttl <= 0 {
        bail!("cache TTL can not be zero or negative: {ttl}");
    }
    Ok(u32::try_from(ttl).unwrap_or(u32::MAX))
}

fn parse_percentage(text: &str) -> anyhow::Result<u32> {
    let Some(number) = text.strip_suffix('%') else {
        let last = text.bytes().last().map_or('\0', char::from);
        bail!("last character of percentage should be `%`, but is: '{last}'");
    };
    let number = atoi(number).map_err(anyhow::Error::msg)?;
    let percentage = u32::try_from(number).ok().filter(|number| (10..=90).contains(number));
    percentage.ok_or_else(|| anyhow!("percentage should fall in range [10, 90]: {number}"))
}

/// `serve_stale [DURATION [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]]`;
/// `None` for a duration of 0.
fn serve_stale(arguments: &[&str]) -> Result<Option<Stale>, Mistake> {
    if arguments.len() > 5 {
        return Err(Mistake::Arguments);
    }
    let up_to = match arguments.first() {
        None => Duration::from_hours(1),
        Some(up_to) => duration(up_to)?
            .positive()
            .ok_or_else(|| anyhow!("invalid negative duration for serve_stale"))?,
    };
    let mode = arguments.get(1).map_or_else(|| "immediate".to_owned(), |mode| mode.to_lowercase());
    let rest = arguments.get(2..).unwrap_or_default();
    let (refresh, rest) = match (mode.as_str(), rest) {
        ("immediate", [_, _, _, ..]) => return Err(Mistake::Arguments),
        ("immediate", rest) => (Refresh::Immediate, rest),
        ("verify", []) => (Refresh::Verify, rest),
        ("verify", [timeout, rest @ ..]) => (verify_within(timeout)?, rest),
        _ => return Err(anyhow!("invalid value for serve_stale refresh mode: {mode}").into()),
    };
    let ttl = rest.first().map_or(Ok(0), |ttl| response_ttl(ttl))?;
    let recheck = rest.get(1).map_or(Ok(Duration::ZERO), |recheck| failure_recheck(recheck))?;
    let stale = Stale { up_to, refresh, ttl, recheck, prefer_positive: false };
    Ok((!up_to.is_zero()).then_some(stale))
}

fn verify_within(text: &str) -> anyhow::Result<Refresh> {
    let timeout = parse_duration(text)
        .map_err(|error| anyhow!("invalid serve_stale verify timeout: {error}"))?
        .positive()
        .ok_or_else(|| anyhow!("invalid negative timeout for serve_stale verify"))?;
    Ok(if timeout.is_zero() { Refresh::Verify } else { Refresh::VerifyWithin(timeout) })
}

fn response_ttl(text: &str) -> anyhow::Result<u32> {
    let ttl = parse_duration(text)
        .map_err(|error| anyhow!("invalid serve_stale response TTL: {error}"))?
        .positive()
        .ok_or_else(|| anyhow!("invalid negative response TTL for serve_stale"))?;
    if ttl.subsec_nanos() != 0 {
        bail!("serve_stale response TTL must be a whole number of seconds");
    }
    u32::try_from(ttl.as_secs())
        .map_err(|_| anyhow!("serve_stale response TTL exceeds the DNS TTL range"))
}

fn failure_recheck(text: &str) -> anyhow::Result<Duration> {
    let recheck = parse_duration(text)
        .map_err(|error| anyhow!("invalid serve_stale failure recheck: {error}"))?
        .positive()
        .ok_or_else(|| anyhow!("invalid negative failure recheck for serve_stale"))?;
    if recheck > MAX_FAILURE {
        bail!("serve_stale failure recheck cannot exceed 5 minutes");
    }
    Ok(recheck)
}

fn servfail(text: &str) -> anyhow::Result<u32> {
    let ttl = parse_duration(text)
        .map_err(anyhow::Error::msg)?
        .positive()
        .ok_or_else(|| anyhow!("invalid negative ttl for servfail"))?;
    if ttl > MAX_FAILURE {
        bail!("caching SERVFAIL responses over 5 minutes is not permitted");
    }
    Ok(u32::try_from(ttl.as_secs())?)
}

/// RFC 2308 §7.1 and RFC 8767 §5 agree on five minutes.
const MAX_FAILURE: Duration = Duration::from_mins(5);

fn one<'a>(arguments: &[&'a str]) -> Result<&'a str, Mistake> {
    let [argument] = arguments else { return Err(Mistake::Arguments) };
    Ok(argument)
}

fn integer(text: &str) -> anyhow::Result<i64> {
    atoi(text).map_err(anyhow::Error::msg)
}

fn duration(text: &str) -> anyhow::Result<GoDuration> {
    parse_duration(text).map_err(anyhow::Error::msg)
}

impl From<anyhow::Error> for Mistake {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
