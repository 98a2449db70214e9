//! The Corefile side: `reload [INTERVAL] [JITTER]`. There is no other side here: the engine looks
//! at the files and changes generations.

use std::time::Duration;

use anyhow::bail;
use dunlin_core::corefile::go::{GoDuration, parse_duration};
use dunlin_core::directive::ReloadTimes;
use dunlin_core::{Directive, Entry};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "reload", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let times = parse(directive)?;
    directive.parts().reload = Some(times);
    Ok(())
}

/// The first occurrence alone counts; CoreDNS does not even look at the others, or at a block.
fn parse(directive: &mut Directive<'_>) -> anyhow::Result<ReloadTimes> {
    directive.next();
    let arguments = directive.remaining_args();
    let (interval, jitter) = match arguments.as_slice() {
        [] => (None, None),
        [interval] => (Some(interval), None),
        [interval, jitter] => (Some(interval), Some(jitter)),
        _ => return Err(directive.arg_error().into()),
    };
    let interval = duration_or(interval, DEFAULT_INTERVAL)?;
    if interval < MIN_INTERVAL.into() {
        bail!("interval value must be greater or equal to {}", GoDuration::from(MIN_INTERVAL));
    }
    let jitter = duration_or(jitter, DEFAULT_JITTER)?;
    if jitter != GoDuration::default() && jitter < MIN_JITTER.into() {
        bail!("jitter value must be 0 or greater or equal to {}", GoDuration::from(MIN_JITTER));
    }
    let interval = interval.positive().unwrap_or(DEFAULT_INTERVAL);
    let jitter = jitter.positive().unwrap_or(DEFAULT_JITTER);
    Ok(ReloadTimes { interval, jitter: jitter.min(interval / 2) })
}

fn duration_or(text: Option<&&str>, default: Duration) -> anyhow::Result<GoDuration> {
    match text {
        Some(text) => parse_duration(text).map_err(anyhow::Error::msg),
        None => Ok(default.into()),
    }
}

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_JITTER: Duration = Duration::from_secs(15);
const MIN_INTERVAL: Duration = Duration::from_secs(2);
const MIN_JITTER: Duration = Duration::from_secs(1);
