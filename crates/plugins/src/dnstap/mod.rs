#![doc = include_str!("README.md")]

mod connect;
mod endpoint;
#[cfg(test)]
mod fake;
mod frames;
mod listen;
mod outlet;
mod pump;
mod record;
mod setup;
mod tap;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::SystemTime;

use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;
use self::tap::Tap;

/// Records each query on its way in, and its reply on the way out.
#[derive(Debug)]
struct Dnstap {
    /// One for each line of the directive, in their order.
    taps: Vec<Arc<Tap>>,
}

#[async_trait]
impl Plugin for Dnstap {
    fn name(&self) -> &'static str {
        "dnstap"
    }

    /// What no plugin behind this one replies to has no response here: the engine's own replies are
    /// made further out, as in CoreDNS.
    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let asked = SystemTime::now();
        for tap in &self.taps {
            tap.client_query(query, asked);
        }
        let mut reply = next.run(query).await?;
        if reply.is_silence() {
            return Ok(reply);
        }
        let answered = SystemTime::now();
        for tap in &self.taps {
            tap.client_response(query, &mut reply, (asked, answered));
        }
        Ok(reply)
    }
}
