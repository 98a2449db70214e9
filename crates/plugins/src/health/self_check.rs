//! Asking our own endpoint every second: how long that takes tells how overloaded the process is.

use std::future::Future;
use std::io;
use std::time::Duration;

use dunlin_core::corefile::go::{GoDuration, quote};
use dunlin_core::directive::host_and_port;
use dunlin_core::metrics::{Counter, Histogram, Metrics, SLIM_TIME_BUCKETS};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// Our own endpoint, seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `HOST:PORT`.
    pub(super) authority: String,
    /// Where to connect to: the first that takes the connection.
    pub(super) addresses: Vec<String>,
}

/// The check and what it counts.
#[derive(Debug)]
pub(super) struct SelfCheck {
    target: Target,
    url: String,
    duration: Histogram,
    failures: Counter,
}

impl Target {
    /// What listens on all addresses is asked on the loopback addresses; no name server is needed
    /// for that.
    pub(super) fn new(address: &str) -> Self {
        match host_and_port(address) {
            Ok(("", port)) => Self {
                authority: format!("localhost:{port}"),
                addresses: vec![format!("127.0.0.1:{port}"), format!("[::1]:{port}")],
            },
            _ => Self { authority: address.to_owned(), addresses: vec![address.to_owned()] },
        }
    }
}

impl SelfCheck {
    pub(super) fn new(target: Target, metrics: &Metrics) -> Self {
        let duration = metrics.histogram(
            "coredns_health_request_duration_seconds",
            "Histogram of the time (in seconds) each request took.",
            &[],
            &SLIM_TIME_BUCKETS,
        );
        let failures = metrics.counter(
            "coredns_health_request_failures_total",
            "The number of times the health check failed.",
            &[],
        );
        let url = format!("http://{}/health", target.authority);
        Self { target, url, duration: duration.with(&[]), failures: failures.with(&[]) }
    }

    /// Checks for ever; `get` asks a target.
    pub(super) async fn run<F>(self, get: impl Fn(Target) -> F)
    where
        F: Future<Output = io::Result<()>>,
    {
        let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let start = Instant::now();
            let result = timeout(PATIENCE, get(self.target.clone())).await;
            let error = result.unwrap_or_else(|late| Err(late.into())).err();
            if let Some(warning) = self.judge(start.elapsed(), error) {
                tracing::warn!(target: "plugin/health", "{warning}");
            }
        }
    }

    /// Counts one answer, and says what is to be said about it.
    pub(super) fn judge(&self, elapsed: Duration, error: Option<io::Error>) -> Option<String> {
        self.duration.observe_duration(elapsed);
        let url = quote(&self.url);
        if let Some(error) = error {
            self.failures.inc();
            return Some(format!("Local health request to {url} failed: Get {url}: {error}"));
        }
        let shown = GoDuration::from(elapsed);
        (elapsed > SLOW)
            .then(|| format!("Local health request to {url} took more than 1s: {shown}"))
    }
}

const PERIOD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3);
/// A request that stays on the machine should not take longer.
const SLOW: Duration = Duration::from_secs(1);
