#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::edns::options;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Tells who we are to those who ask for it.
#[derive(Debug)]
struct Nsid {
    data: Box<[u8]>,
}

#[async_trait]
impl Plugin for Nsid {
    fn name(&self) -> &'static str {
        "nsid"
    }

    fn ignores(&self, query: &Query) -> bool {
        !asks(query)
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        // What the option holds in a query means nothing (RFC 5001 §2.1).
        if asks(query) {
            query.add_reply_option(options::NSID, &self.data);
        }
        next.run(query).await
    }
}

fn asks(query: &Query) -> bool {
    query.edns_options().any(|(code, _)| code == options::NSID)
}
