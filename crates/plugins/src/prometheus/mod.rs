#![doc = include_str!("README.md")]

mod setup;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use dunlin_core::metrics::{DnsMetrics, Outcome, SiteSeries};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use tokio::time::Instant;

pub use self::setup::ENTRY;

/// Counts every query of its server block and what became of it.
#[derive(Debug)]
struct Prometheus {
    metrics: DnsMetrics,
    /// By the index of the site; the start hook knows the sites.
    sites: Arc<OnceLock<Box<[SiteSeries]>>>,
}

#[async_trait]
impl Plugin for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let query_len = query.len();
        let mut result = next.run(query).await;
        let outcome = Outcome {
            query_len,
            duration: Instant::now().saturating_duration_since(query.received()),
            ..Outcome::of(&mut result)
        };
        match self.sites.get().and_then(|sites| sites.get(query.site().index)) {
            Some(series) => series.count(query, &outcome),
            // Before the start, and for work that belongs to no server block.
            None => SiteSeries::new(&self.metrics, query.site()).count(query, &outcome),
        }
        result
    }
}
