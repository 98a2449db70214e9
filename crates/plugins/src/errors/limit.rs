//! The built-in limit: of one and the same failure at most [`LINES`] lines a second are written,
//! and one more that tells how many there were beside them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::tasks::Tasks;
use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Level;

/// Lines of one text in one period.
pub(super) const LINES: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);
/// Texts that are told apart at a time. More than that, and the rest share one place.
pub(super) const TEXTS: usize = 256;

/// Counts per text. Failures are rare or many of a kind: a lock is good enough here.
#[derive(Debug, Default)]
pub(super) struct Limit {
    periods: Mutex<HashMap<u64, Period>>,
    hasher: foldhash::fast::RandomState,
}

/// What happened to one text since its first failure.
#[derive(Debug)]
struct Period {
    start: Instant,
    lines: u32,
    /// The rest, with the text of the first of them.
    held_back: Option<(u64, String)>,
}

impl Limit {
    /// Whether a failure with this text may be written. The first that may not starts a timer.
    pub(super) fn admits(self: &Arc<Self>, text: &str, tasks: &Tasks) -> bool {
        let now = Instant::now();
        let key = self.hasher.hash_one(without_port(text));
        let Some(end) = self.count(key, text, now) else { return true };
        if let Some(end) = end {
            let limit = Arc::clone(self);
            let timer = async move {
                tokio::time::sleep_until(end).await;
                limit.flush_ended(Instant::now());
            };
            // Without a timer the number is told by the next failure, or by the stop hook.
            _ = tasks.spawn(timer);
        }
        false
    }

    /// `None` if the failure may be written; else the end of the period, once.
    fn count(&self, key: u64, text: &str, now: Instant) -> Option<Option<Instant>> {
        let mut periods = self.periods.lock();
        if periods.get(&key).is_none_or(|period| period.has_ended(now)) {
            flush_if(&mut periods, |period| period.has_ended(now));
        }
        let key = if periods.len() < TEXTS || periods.contains_key(&key) { key } else { 0 };
        let period = periods.entry(key).or_insert(Period { start: now, lines: 0, held_back: None });
        if period.lines < LINES {
            period.lines += 1;
            return None;
        }
        if let Some((count, _)) = &mut period.held_back {
            *count += 1;
            return Some(None);
        }
        period.held_back = Some((1, text.to_owned()));
        Some(Some(period.start + PERIOD))
    }

    fn flush_ended(&self, now: Instant) {
        flush_if(&mut self.periods.lock(), |period| period.has_ended(now));
    }

    /// Tells all that was held back.
    pub(super) fn flush(&self) {
        flush_if(&mut self.periods.lock(), |_| true);
    }
}

fn flush_if(periods: &mut HashMap<u64, Period>, ends: impl Fn(&Period) -> bool) {
    periods.retain(|_, period| {
        let ends = ends(period);
        if let Some((count, text)) = period.held_back.take_if(|_| ends) {
            let text = format!("{count} more errors like '{text}' occurred in last 1s");
            super::write(Level::ERROR, &text);
        }
        !ends
    });
}

impl Period {
    fn has_ended(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.start) >= PERIOD
    }
}

/// The text without our port in `read udp 10.0.0.1:40123->10.0.0.2:53: i/o timeout`: it differs
/// each time.
pub(super) fn without_port(text: &str) -> (&str, &str) {
    let Some((from, to)) = text.split_once("->") else { return (text, "") };
    (from.trim_end_matches(|letter: char| letter.is_ascii_digit()), to)
}
