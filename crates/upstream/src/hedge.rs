//! When silence is worth a second send, and how many of those are allowed. Pure: durations in,
//! decisions out.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Extra sends allowed, in tenths: every query earns one, a hedge costs ten. So a slow group of
/// upstreams is never asked more than a tenth too much.
#[derive(Debug)]
pub(crate) struct HedgeBudget(AtomicU32);

/// What a hedge costs.
const PRICE: u32 = 10;
/// What is saved at most: hedges that may come at once, when an upstream falls silent.
const SAVED: u32 = 20 * PRICE;

impl HedgeBudget {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(SAVED / 2))
    }

    /// A query came.
    pub(crate) fn earn(&self) {
        if self.0.load(Relaxed) < SAVED {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// Takes a hedge out of the budget, if there is one left.
    pub(crate) fn spend(&self) -> bool {
        let paid = |left: u32| left.checked_sub(PRICE);
        self.0.fetch_update(Relaxed, Relaxed, paid).is_ok()
    }
}

/// How long an upstream may be silent before the next one is asked as well.
pub(crate) fn hedge_after(smoothed_rtt: Option<Duration>) -> Duration {
    smoothed_rtt.map_or(UNKNOWN_RTT_PATIENCE, |rtt| rtt.saturating_mul(3).max(MIN_PATIENCE))
}

/// How long an upstream may be silent before it is asked again from another port, if there is no
/// other upstream. Longer than a hedge: the same server may be at work on the answer.
pub(crate) fn repeat_after(smoothed_rtt: Option<Duration>) -> Duration {
    hedge_after(smoothed_rtt).max(REPEAT_PATIENCE)
}

const MIN_PATIENCE: Duration = Duration::from_millis(50);
const UNKNOWN_RTT_PATIENCE: Duration = Duration::from_millis(150);
/// A lost datagram, or a stale NAT entry for our port, shall cost less than half a second.
const REPEAT_PATIENCE: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_three_round_trips_but_at_least_50_ms() {
        let table = [(None, 150), (Some(1), 50), (Some(20), 60), (Some(200), 600)];
        for (rtt, patience) in table {
            let rtt = rtt.map(Duration::from_millis);
            assert_eq!(hedge_after(rtt), Duration::from_millis(patience), "{rtt:?}");
        }
        assert_eq!(repeat_after(Some(Duration::from_millis(1))), Duration::from_millis(400));
    }

    #[test]
    fn at_most_a_tenth_of_all_queries_is_hedged() {
        let budget = HedgeBudget::new();
        let mut hedges = 0;
        for _ in 0..1000 {
            budget.earn();
            hedges += u32::from(budget.spend());
        }
        assert!((100..=110).contains(&hedges), "{hedges}");
    }
}
