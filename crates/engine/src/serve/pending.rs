//! How many queries may wait for something at a time: memory is bounded, whatever upstreams do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dunlin_core::metrics::{Counter, Gauge, Metrics};

/// The count and its limit, for the whole process.
#[derive(Debug)]
pub(super) struct Pending {
    count: Arc<Count>,
    limit: usize,
    refused: Counter,
    given_up: Counter,
}

#[derive(Debug)]
struct Count {
    now: AtomicUsize,
    shown: Gauge,
}

/// A waiting query. It leaves when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Count>);

/// What a waiting query costs at most, buffers and tasks included, in octets.
const QUERY_COST: u64 = 8 * 1024;
const MOST: usize = 65_536;
const LEAST: usize = 256;

impl Pending {
    /// At most 65,536 queries, and no more than fit in 15 % of the memory limit in octets.
    pub(super) fn new(metrics: &Metrics, memory_limit: Option<u64>) -> Self {
        let affordable = memory_limit.map_or(u64::MAX, |limit| limit / 100 * 15 / QUERY_COST);
        let limit = usize::try_from(affordable).unwrap_or(MOST).clamp(LEAST, MOST);
        let gauge = |name, help| metrics.gauge(name, help, &[]).with(&[]);
        let shown = gauge("dunlin_pending_queries", "Queries that wait for somebody else's reply.");
        gauge("dunlin_pending_queries_limit", "How many queries may wait at a time.")
            .set(i64::try_from(limit).unwrap_or(i64::MAX));
        let counter = |name, help| metrics.counter(name, help, &[]).with(&[]);
        let refused = counter(
            "dunlin_pending_queries_refused_total",
            "Queries answered SERVFAIL because too many others were waiting.",
        );
        let given_up = counter(
            "dunlin_pending_queries_given_up_total",
            "Queries answered SERVFAIL because they had waited for too long.",
        );
        let count = Arc::new(Count { now: AtomicUsize::new(0), shown });
        Self { count, limit, refused, given_up }
    }

    /// Lets one more query wait, unless the limit is reached.
    pub(super) fn enter(&self) -> Option<Permit> {
        if self.count.now.fetch_add(1, Relaxed) >= self.limit {
            self.count.now.fetch_sub(1, Relaxed);
            self.refused.inc();
            return None;
        }
        self.count.shown.add(1);
        Some(Permit(Arc::clone(&self.count)))
    }

    /// A query has waited for too long.
    pub(super) fn count_given_up(&self) {
        self.given_up.inc();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Relaxed);
        self.0.shown.add(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_memory_and_permits_come_back() {
        let limit = |memory| Pending::new(&Metrics::new(0), memory).limit;
        assert_eq!(limit(None), 65_536);
        assert_eq!(limit(Some(64 << 20)), 1228);
        assert_eq!(limit(Some(1)), 256);
        let pending = Pending::new(&Metrics::new(0), Some(1));
        let held: Vec<_> = (0..256).map(|_| pending.enter().unwrap()).collect();
        assert!(pending.enter().is_none());
        assert_eq!(pending.refused.value(), 1);
        drop(held);
        assert!(pending.enter().is_some());
    }
}
