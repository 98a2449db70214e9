#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// The part of a view that stands in the chain: the engine asks the expressions before that.
#[derive(Debug)]
struct View {
    name: String,
}

#[async_trait]
impl Plugin for View {
    fn name(&self) -> &'static str {
        "view"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        next.run(query).await
    }

    fn describe(&self, query: &Query) {
        if let Some(metadata) = query.metadata() {
            metadata.set("view/name", self.name.as_str());
        }
    }
}
