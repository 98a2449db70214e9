#![doc = include_str!("README.md")]

mod choice;
mod connect;
mod disk;
mod endpoint;
#[cfg(test)]
mod fake;
mod file;
mod frames;
mod listen;
mod outlet;
mod parse;
mod pump;
mod record;
mod setup;
mod stream;
mod tap;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;
use std::time::SystemTime;

use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::record::Kind;
pub use self::setup::ENTRY;
use self::tap::Tap;

/// Records each query on its way in, and its reply on the way out.
#[derive(Debug)]
struct Dnstap {
    /// One for each line of the directive that is about queries or replies, in their order.
    taps: Arc<[Arc<Tap>]>,
}

#[async_trait]
impl Plugin for Dnstap {
    fn name(&self) -> &'static str {
        "dnstap"
    }

    /// What no plugin behind this one replies to has no response here: the engine's own replies are
    /// made further out, as in CoreDNS.
    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if self.taps.iter().all(|tap| tap.is_idle()) {
            return self.lose(query, next).await;
        }
        let asked = SystemTime::now();
        for tap in self.taps.iter() {
            tap.client_query(query, asked);
        }
        let mut reply = next.run(query).await?;
        let wanted = self.taps.iter().any(|tap| tap.takes(query, Kind::ClientResponse));
        if reply.is_silence() || !wanted {
            return Ok(reply);
        }
        // What is recorded is what goes out: cut to size, and with our own OPT.
        let taps = Arc::clone(&self.taps);
        reply.watch(move |query, message| {
            let answered = SystemTime::now();
            for tap in taps.iter() {
                tap.client_response(query, message, (asked, answered));
            }
        });
        Ok(reply)
    }
}

impl Dnstap {
    /// Nobody is there: what would have been recorded is counted, and nothing else done.
    async fn lose(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        self.taps.iter().for_each(|tap| tap.lose(query, Kind::ClientQuery));
        let reply = next.run(query).await?;
        if !reply.is_silence() {
            self.taps.iter().for_each(|tap| tap.lose(query, Kind::ClientResponse));
        }
        Ok(reply)
    }
}
