#![doc = include_str!("README.md")]

mod connects;
mod current;
mod datadog;
mod endpoint;
mod exporter;
mod http;
mod otlp;
mod setup;
#[cfg(test)]
mod shapes;
mod span;
#[cfg(test)]
mod tests;
mod traced;
mod zipkin;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::current::{Open, current};
use self::exporter::Exporter;
pub use self::setup::ENTRY;

/// Traces one of so many queries. What the plugins do meanwhile is told by [`traced::Traced`].
#[derive(Debug)]
struct Trace {
    exporter: Arc<Exporter>,
    /// One of so many; none if it is 0.
    every: u64,
    count: AtomicU64,
}

impl Trace {
    /// Counts the query, and says whether it is one to trace: the last of each `every`.
    fn takes(&self) -> bool {
        self.every > 0
            && (self.count.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.every)
    }
}

#[async_trait]
impl Plugin for Trace {
    fn name(&self) -> &'static str {
        "trace"
    }

    /// A lookup of a plugin is part of the trace that the plugin is in.
    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if !self.takes() || current().is_some() {
            return next.run(query).await;
        }
        let mut span = Open::query(&self.exporter);
        if let Some(metadata) = query.metadata() {
            metadata.set("trace/traceid", span.context().trace.hex());
        }
        let result = span.scope(|| next.run(query)).await;
        span.served(query, &result);
        result
    }
}
