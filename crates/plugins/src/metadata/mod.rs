#![doc = include_str!("README.md")]

mod setup;

#[cfg(test)]
mod tests;

use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Only a name in the chain, for the metrics that list it: the engine attaches the store and has
/// it filled before the chain runs.
#[derive(Debug)]
struct Metadata;

#[async_trait]
impl Plugin for Metadata {
    fn name(&self) -> &'static str {
        "metadata"
    }

    /// All that it does is done by who asks for descriptions.
    fn ignores(&self, _query: &Query) -> bool {
        true
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        next.run(query).await
    }
}
