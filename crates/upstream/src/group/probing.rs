//! Probes: started by a failed exchange, at most one loop per upstream, ended by the first response.

use std::sync::Arc;
use std::time::Duration;

use super::{Exchange, Group, Upstream};

/// Probes at the configured interval; later ones are spread out.
const EAGER_PROBES: u32 = 20;
/// Between two probes of an upstream that is down for long.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Between two probes, whatever the operator says: `health_check 0s` is no reason for a hot loop.
const MIN_PAUSE: Duration = Duration::from_millis(50);

impl<E: Exchange> Group<E> {
    /// Finds out whether an upstream lives, unless somebody is at it.
    pub(super) fn doubt(&self, upstream: &Arc<Upstream<E>>) {
        if self.settings.max_fails == 0 || !upstream.health.start_probing() {
            return;
        }
        let probing = Probing(Arc::clone(upstream));
        let interval = self.settings.health_interval;
        // The bound is the number of upstreams, so only a group that has ended refuses.
        let _ended = self.probes.spawn(async move { probing.run(interval).await });
    }
}

/// The one probe loop of an upstream; dropping it lets the next one start.
struct Probing<E: Exchange>(Arc<Upstream<E>>);

impl<E: Exchange> Probing<E> {
    async fn run(&self, interval: Duration) {
        let upstream = &self.0;
        let mut failures = 0;
        while let Err(error) = upstream.exchange.probe().await {
            tracing::debug!(target: "plugin/forward", upstream = upstream.name, %error, "probe failed");
            upstream.health.probe_failed();
            upstream.metrics.probe_failed();
            failures += 1;
            tokio::time::sleep(pause(interval, failures)).await;
        }
        upstream.health.succeeded(None);
    }
}

impl<E: Exchange> Drop for Probing<E> {
    fn drop(&mut self) {
        self.0.health.stop_probing();
    }
}

fn pause(interval: Duration, failures: u32) -> Duration {
    let doubled = failures.saturating_sub(EAGER_PROBES).min(16);
    let longest = MAX_PAUSE.max(interval);
    interval.max(MIN_PAUSE).saturating_mul(1 << doubled).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_keep_their_interval_then_back_off_to_ten_seconds() {
        let table = [
            (500, 1, 500),
            (500, 20, 500),
            (500, 21, 1000),
            (500, 1000, 10_000),
            (0, 1, 50),
            (30_000, 1000, 30_000),
        ];
        for (interval, failures, expected) in table {
            let pause = pause(Duration::from_millis(interval), failures);
            assert_eq!(pause, Duration::from_millis(expected), "{interval} {failures}");
        }
    }
}
