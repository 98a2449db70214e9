#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Caps the UDP payload size of queries that have one.
#[derive(Debug)]
struct Bufsize {
    /// Octets.
    size: u16,
}

#[async_trait]
impl Plugin for Bufsize {
    fn name(&self) -> &'static str {
        "bufsize"
    }

    fn ignores(&self, query: &Query) -> bool {
        query.edns().is_none()
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        query.cap_udp_size(self.size);
        next.run(query).await
    }
}
