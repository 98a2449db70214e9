//! Which plugins are not ready yet.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// The readiness of one generation. Clones share it.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    checks: Vec<Check>,
    reported: BTreeSet<usize>,
    monitor: Monitor,
}

struct Check {
    block: usize,
    name: &'static str,
    is_ready: Arc<dyn Fn() -> bool + Send + Sync>,
    was_ready: bool,
}

/// How long a plugin is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Monitor {
    /// Until it says yes for the first time.
    #[default]
    UntilReady,
    /// Each time.
    Continuously,
}

impl Readiness {
    pub(super) fn add(
        &self,
        block: usize,
        name: &'static str,
        is_ready: Arc<dyn Fn() -> bool + Send + Sync>,
    ) {
        self.0.lock().checks.push(Check { block, name, is_ready, was_ready: false });
    }

    /// Reports the plugins of this server block from now on (`ready` stands in it).
    pub fn report(&self, block: usize, monitor: Monitor) {
        let mut inner = self.0.lock();
        inner.reported.insert(block);
        inner.monitor = monitor;
    }

    /// The plugins that are not ready, each name once, sorted.
    #[must_use]
    pub fn unready(&self) -> Vec<&'static str> {
        let mut inner = self.0.lock();
        let Inner { checks, reported, monitor } = &mut *inner;
        let mut unready = BTreeSet::new();
        for check in checks.iter_mut().filter(|check| reported.contains(&check.block)) {
            let latched = check.was_ready && *monitor == Monitor::UntilReady;
            check.was_ready = latched || (check.is_ready)();
            if !check.was_ready {
                unready.insert(check.name);
            }
        }
        unready.into_iter().collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readiness({} checks)", self.0.lock().checks.len())
    }
}
