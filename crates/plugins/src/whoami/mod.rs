#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::rr::rdata::SRV;
use dunlin_core::rr::{Name, RData};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Answers every query itself; nothing below it in the chain is ever asked.
#[derive(Debug)]
struct Whoami;

#[async_trait]
impl Plugin for Whoami {
    fn name(&self) -> &'static str {
        "whoami"
    }

    async fn serve(&self, query: &mut Query, _next: Next<'_>) -> Result<Reply> {
        let client = query.client();
        let service = query.name().prepend_label(format!("_{}", query.transport().label()))?;
        Ok(query
            .reply()
            .authoritative()
            .additional(query.name().clone(), TTL, RData::from(client.ip()))
            .additional(service, TTL, RData::SRV(SRV::new(0, 0, client.port(), Name::root()))))
    }
}

/// Seconds. The answer depends on who asks, so nobody may cache it.
const TTL: u32 = 0;
