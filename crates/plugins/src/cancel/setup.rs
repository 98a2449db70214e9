//! The Corefile side: `cancel [DURATION]`.

use std::time::Duration;

use dunlin_core::corefile::go;
use dunlin_core::{Directive, Entry};

use super::Cancel;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "cancel", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let patience = parse(directive)?;
    let cancelled = directive.metrics().counter(
        "dunlin_cancel_cancelled_total",
        "Queries that took too long and got SERVFAIL.",
        &[],
    );
    directive.add(Cancel { patience, cancelled: cancelled.with(&[]) });
    Ok(())
}

/// The last occurrence counts.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Duration> {
    let mut patience = DEFAULT_PATIENCE;
    while directive.next() {
        patience = match directive.remaining_args().as_slice() {
            [] => DEFAULT_PATIENCE,
            [text] => duration(text)?,
            _ => return Err(directive.arg_error().into()),
        };
    }
    Ok(patience)
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    let duration = go::parse_duration(text)
        .map_err(|_| anyhow::anyhow!("invalid duration: {}", go::quote(text)))?;
    let duration = duration.positive().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| anyhow::anyhow!("invalid negative duration: {}", go::quote(text)))
}

/// Just above the five seconds after which clients ask again.
const DEFAULT_PATIENCE: Duration = Duration::from_millis(5001);
