//! What is known of one upstream's state, shared by all workers. Pure: the clock comes from outside.
//!
//! Two opinions live here. *Down* is CoreDNS's: more than `max_fails` probes failed in a row; such
//! an upstream is skipped. *Suspect* is quicker: it was silent to several different questions in a
//! row; such an upstream is asked last. One name that its servers never answer makes nobody suspect
//! (security.md FW-30).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The state of one upstream.
#[derive(Debug, Default)]
pub struct Health {
    /// Probes that failed in a row.
    failed_probes: AtomicU32,
    /// Whether a probe loop is running.
    probing: AtomicBool,
    /// Smoothed round-trip time in microseconds; 0 if unknown.
    rtt: AtomicU32,
    /// How many of `silences` there are, to be read without the lock.
    silent_names: AtomicU32,
    silences: Mutex<Silences>,
}

#[derive(Debug, Default)]
struct Silences {
    /// Hashes of different questions that were not answered, in a row.
    names: Vec<u64>,
    last: Option<Instant>,
}

/// Different questions without an answer that make an upstream suspect.
const SUSPECT_NAMES: usize = 3;
/// A suspicion that no probe will ever clear ends by itself.
const SUSPICION: Duration = Duration::from_secs(5);

impl Health {
    /// An exchange was answered after `rtt`, or a probe was.
    pub fn succeeded(&self, rtt: Option<Duration>) {
        self.failed_probes.store(0, Relaxed);
        if let Some(rtt) = rtt {
            self.learn_rtt(rtt);
        }
        if self.silent_names.load(Relaxed) != 0 {
            let mut silences = self.silences.lock();
            silences.names.clear();
            self.silent_names.store(0, Relaxed);
        }
    }

    /// A question, given by its hash, was not answered when it should have been. Says whether the
    /// upstream is suspect.
    pub fn was_silent(&self, question: u64, now: Instant) -> bool {
        let mut silences = self.silences.lock();
        silences.last = Some(now);
        if silences.names.len() < SUSPECT_NAMES && !silences.names.contains(&question) {
            silences.names.push(question);
        }
        let names = silences.names.len();
        self.silent_names.store(u32::try_from(names).unwrap_or(u32::MAX), Relaxed);
        names >= SUSPECT_NAMES
    }

    /// A probe failed.
    pub fn probe_failed(&self) {
        let more = |fails: u32| fails.checked_add(1);
        let _saturated = self.failed_probes.fetch_update(Relaxed, Relaxed, more);
    }

    /// Whether the upstream is to be skipped. `max_fails` 0 means never.
    #[must_use]
    pub fn is_down(&self, max_fails: u32) -> bool {
        max_fails != 0 && self.failed_probes.load(Relaxed) > max_fails
    }

    /// Whether the upstream is to be asked last.
    #[must_use]
    pub fn is_suspect(&self, now: Instant) -> bool {
        if self.silent_names.load(Relaxed) < u32::try_from(SUSPECT_NAMES).unwrap_or(u32::MAX) {
            return false;
        }
        let probed = self.probing.load(Relaxed);
        let last = self.silences.lock().last;
        probed || last.is_some_and(|last| now.saturating_duration_since(last) < SUSPICION)
    }

    /// The smoothed round-trip time; `None` before the first answer.
    #[must_use]
    pub fn smoothed_rtt(&self) -> Option<Duration> {
        let micros = self.rtt.load(Relaxed);
        (micros != 0).then(|| Duration::from_micros(u64::from(micros)))
    }

    /// Claims the one probe loop; false if it is running.
    #[must_use]
    pub fn start_probing(&self) -> bool {
        !self.probing.swap(true, Relaxed)
    }

    /// Gives the probe loop back.
    pub fn stop_probing(&self) {
        self.probing.store(false, Relaxed);
    }

    /// RFC 6298 §2 with a gain of 1/8. Two workers may overwrite each other: it is an estimate.
    fn learn_rtt(&self, rtt: Duration) {
        let sample = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        let old = self.rtt.load(Relaxed);
        let new = if old == 0 { sample } else { old - old / 8 + sample / 8 };
        self.rtt.store(new.max(1), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_silent_name_makes_nobody_suspect() {
        let health = Health::default();
        for _ in 0..100 {
            assert!(!health.was_silent(7, Instant::now()));
        }
        assert!(!health.is_suspect(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn three_silent_names_in_a_row_make_suspect_until_an_answer_or_for_a_while() {
        let health = Health::default();
        for (question, suspect) in [(1, false), (2, false), (3, true)] {
            assert_eq!(health.was_silent(question, Instant::now()), suspect);
        }
        assert!(health.is_suspect(Instant::now()));
        tokio::time::advance(SUSPICION).await;
        assert!(!health.is_suspect(Instant::now()));
        assert!(health.start_probing());
        assert!(health.is_suspect(Instant::now()), "a probe will tell");
        health.succeeded(None);
        assert!(!health.is_suspect(Instant::now()));
    }

    #[test]
    fn an_upstream_is_down_after_more_than_max_fails_probes() {
        let health = Health::default();
        for fails in 1..=3 {
            health.probe_failed();
            assert_eq!(health.is_down(2), fails > 2, "{fails}");
            assert!(!health.is_down(0));
        }
        health.succeeded(None);
        assert!(!health.is_down(2));
    }

    #[test]
    fn the_round_trip_time_is_smoothed() {
        let health = Health::default();
        assert_eq!(health.smoothed_rtt(), None);
        health.succeeded(Some(Duration::from_micros(800)));
        health.succeeded(Some(Duration::from_micros(1600)));
        assert_eq!(health.smoothed_rtt(), Some(Duration::from_micros(900)));
    }

    #[test]
    fn there_is_one_probe_loop_at_a_time() {
        let health = Health::default();
        assert!(health.start_probing());
        assert!(!health.start_probing());
        health.stop_probing();
        assert!(health.start_probing());
    }
}
