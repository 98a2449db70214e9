#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::metrics::CounterFamily;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Drops queries that come while the send queue of their socket is full. The queue is the engine's.
#[derive(Debug)]
struct Shed {
    dropped: CounterFamily,
}

#[async_trait]
impl Plugin for Shed {
    fn name(&self) -> &'static str {
        "shed"
    }

    fn ignores(&self, query: &Query) -> bool {
        !query.is_congested()
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if query.is_congested() {
            self.dropped.with(&[&query.site().server, "query"]).inc();
            return Ok(Reply::silence());
        }
        next.run(query).await
    }
}
