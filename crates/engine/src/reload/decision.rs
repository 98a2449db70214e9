//! What to do about what the files say, and when to look again: pure, with the time as an
//! argument.

use std::time::Duration;

use dunlin_core::directive::ReloadTimes;
use tokio::time::Instant;

/// What is known of the files.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// The content that runs.
    running: String,
    /// The content that was looked at last, good or bad.
    seen: String,
    /// What was said last of this content, so that it is not said again.
    told: String,
    times: Option<ReloadTimes>,
    next_poll: Option<Instant>,
    retry: Option<Retry>,
}

/// What to do after a look at the files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no news.
    Nothing,
    /// The files say again what runs.
    Settled,
    /// They say nothing that could be tried; this is to be told.
    Refuse(String),
    /// They are to be loaded.
    Load,
}

/// A load that failed for reasons that may lie outside of the files.
#[derive(Debug)]
struct Retry {
    at: Instant,
    pause: Duration,
}

/// A change is live by then, whatever interval was set.
const LONGEST_POLL: Duration = Duration::from_secs(120);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Decision {
    /// This content runs now; `times` says whether and how often to look at the files. `chance`,
    /// from -0.5 to 0.5, says where in its jitter the next poll lies.
    pub(super) fn arm(
        &mut self,
        running: String,
        times: Option<ReloadTimes>,
        now: Instant,
        chance: f64,
    ) {
        *self = Self { seen: running.clone(), running, times, ..Self::default() };
        self.plan_poll(now, chance);
    }

    /// Whether the files are to be looked at now; plans the next poll.
    pub(super) fn is_time(&mut self, now: Instant, chance: f64) -> bool {
        self.plan_poll(now, chance);
        self.watches() || self.is_retry_due(now)
    }

    /// Somebody looked: this is there, and for this reason it cannot be tried.
    pub(super) fn looked(&mut self, now: Instant, seen: String, unusable: Option<String>) -> Step {
        let is_new = seen != self.seen;
        if !is_new && !self.is_retry_due(now) {
            return Step::Nothing;
        }
        if is_new {
            self.forced(seen);
            if self.seen == self.running {
                return Step::Settled;
            }
        }
        let Some(text) = unusable else { return Step::Load };
        // Only another content helps, and that is noticed by itself.
        self.retry = None;
        if self.told == text {
            return Step::Nothing;
        }
        self.told.clone_from(&text);
        Step::Refuse(text)
    }

    /// This content is loaded because the operator said so.
    pub(super) fn forced(&mut self, seen: String) {
        self.seen = seen;
        self.told.clear();
        self.retry = None;
    }

    /// Loading failed; it is tried again later. True if this has not been told yet.
    pub(super) fn failed(&mut self, now: Instant, text: &str) -> bool {
        let pause = self.retry.as_ref().map_or(FIRST_RETRY, |retry| retry.pause * 2);
        let pause = pause.min(LONGEST_RETRY);
        self.retry = Some(Retry { at: now + pause, pause });
        let is_news = self.told != text;
        text.clone_into(&mut self.told);
        is_news
    }

    /// When to look next, if nobody tells of a change before.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next_poll.into_iter().chain(self.retry.as_ref().map(|retry| retry.at)).min()
    }

    /// Whether this content was tried before and has failed.
    pub(super) fn is_retry(&self) -> bool {
        self.retry.is_some()
    }

    /// Whether the files are watched.
    pub(super) fn watches(&self) -> bool {
        self.times.is_some()
    }

    fn plan_poll(&mut self, now: Instant, chance: f64) {
        self.next_poll = self.times.map(|ReloadTimes { interval, jitter }| {
            let shift = jitter.mul_f64(chance.abs());
            let wait = if chance < 0.0 {
                interval.saturating_sub(shift)
            } else {
                interval.saturating_add(shift)
            };
            now + wait.min(LONGEST_POLL)
        });
    }

    fn is_retry_due(&self, now: Instant) -> bool {
        self.retry.as_ref().is_some_and(|retry| retry.at <= now)
    }
}
