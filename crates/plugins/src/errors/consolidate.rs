//! Many failures of one kind told in one line: `consolidate DURATION REGEXP [LEVEL] [show_first]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use dunlin_core::corefile::go::GoDuration;
use dunlin_core::tasks::Tasks;
use regex::Regex;
use tracing::Level;

/// What counts failures whose text matches, and tells their number at the end of each period.
#[derive(Debug)]
pub(super) struct Consolidation {
    settings: Settings,
    /// Failures in this period; the period begins with the first.
    count: AtomicU64,
}

/// The arguments of `consolidate`.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) period: GoDuration,
    pub(super) pattern: Regex,
    pub(super) level: Level,
    /// Whether the first failure of a period is logged at once.
    pub(super) show_first: bool,
}

impl Consolidation {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, count: AtomicU64::new(0) }
    }

    /// Whether a failure with this text is to be counted here.
    pub(super) fn takes(&self, text: &str) -> bool {
        self.settings.pattern.is_match(text)
    }

    /// Where its lines go.
    pub(super) fn level(&self) -> Level {
        self.settings.level
    }

    /// Counts a failure. False if it is to be logged all the same: as the first one, or because
    /// this generation is ending.
    pub(super) fn count(self: &Arc<Self>, tasks: &Tasks) -> bool {
        if tasks.token().is_cancelled() {
            return false;
        }
        if self.count.fetch_add(1, SeqCst) > 0 {
            return true;
        }
        let consolidation = Arc::clone(self);
        let period = self.settings.period.positive().unwrap_or_default();
        let timer = async move {
            tokio::time::sleep(period).await;
            consolidation.flush();
        };
        if tasks.spawn(timer).is_err() {
            self.flush();
        }
        !self.settings.show_first
    }

    /// Tells the number, if there is one to tell, and begins again at 0. A failure that was shown
    /// at once is not told a second time.
    pub(super) fn flush(&self) {
        let Settings { period, pattern, level, show_first } = &self.settings;
        let count = self.count.swap(0, SeqCst);
        if count > u64::from(*show_first) {
            super::write(
                *level,
                &format!("{count} errors like '{pattern}' occurred in last {period}"),
            );
        }
    }
}
