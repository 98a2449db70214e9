//! The Corefile side: `timeouts { read|write|idle DURATION | maxtcpqueries NUMBER }`. The other side
//! is the engine's.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use dunlin_core::corefile::go::{GoDuration, atoi, parse_duration};
use dunlin_core::directive::{QueryLimit, Timeouts};
use dunlin_core::{Directive, Entry};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "timeouts", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.parts().timeouts = parse(directive)?;
    Ok(())
}

/// The last value of each property counts.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Timeouts> {
    let mut timeouts = Timeouts::default();
    while directive.next() {
        if !directive.remaining_args().is_empty() {
            return Err(directive.arg_error()).context(TWICE);
        }
        let mut is_empty = true;
        while directive.next_block() {
            property(directive, &mut timeouts)?;
            is_empty = false;
        }
        if is_empty {
            let error = directive.error("timeouts block with no timeouts specified");
            return Err(error).context(TWICE);
        }
    }
    Ok(timeouts)
}

fn property(directive: &mut Directive<'_>, timeouts: &mut Timeouts) -> anyhow::Result<()> {
    let name = directive.val();
    let &[value] = directive.remaining_args().as_slice() else {
        return Err(directive.arg_error().into());
    };
    if name == "maxtcpqueries" {
        timeouts.queries = Some(query_limit(directive, value)?);
        return Ok(());
    }
    // As in CoreDNS a bad value is told before a bad name.
    let timeout = Some(duration(directive, value)?);
    match name {
        "read" => timeouts.read = timeout,
        "write" => timeouts.write = timeout,
        "idle" => timeouts.idle = timeout,
        other => return Err(directive.error(format!("unknown option: '{other}'")).into()),
    }
    Ok(())
}

/// A bare number is seconds.
fn duration(directive: &Directive<'_>, text: &str) -> anyhow::Result<Duration> {
    let with_unit = match atoi(text) {
        Ok(_) => format!("{text}s"),
        Err(_) => text.to_owned(),
    };
    let duration = parse_duration(&with_unit)
        .map_err(|_| directive.error(format!("failed to parse duration '{text}'")))?;
    let known = duration.positive().filter(|time| (SHORTEST..=LONGEST).contains(time));
    known.ok_or_else(|| out_of_range(directive, duration))
}

fn out_of_range(directive: &Directive<'_>, duration: GoDuration) -> anyhow::Error {
    let text = format!("timeout provided '{duration}' needs to be between 1 second and 24 hours");
    directive.error(text).into()
}

fn query_limit(directive: &Directive<'_>, text: &str) -> anyhow::Result<QueryLimit> {
    let number = atoi(text).map_err(|error| {
        directive.error(format!("invalid value for maxtcpqueries '{text}': {error}"))
    })?;
    if number == -1 {
        return Ok(QueryLimit::Unlimited);
    }
    let count = usize::try_from(number).ok().and_then(NonZeroUsize::new);
    count.map(QueryLimit::AtMost).ok_or_else(|| {
        let text = format!(
            "maxtcpqueries provided '{number}' needs to be -1 (unlimited) or a positive integer"
        );
        directive.error(text).into()
    })
}

/// CoreDNS names the plugin twice in some of its messages.
const TWICE: &str = "plugin/timeouts";
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
