#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::metrics::Counter;
use dunlin_core::rr::rdata::TXT;
use dunlin_core::rr::{RData, RecordType};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub(crate) use self::setup::ENTRY;

/// Answers TXT queries; all others go on.
#[derive(Debug)]
struct Greeter {
    text: String,
    greeted: Counter,
}

#[async_trait]
impl Plugin for Greeter {
    fn name(&self) -> &'static str {
        "greeter"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if query.qtype() != RecordType::TXT {
            return next.run(query).await;
        }
        self.greeted.inc();
        let greeting = RData::TXT(TXT::new(vec![self.text.clone()]));
        Ok(query.reply().authoritative().answer(query.name().clone(), TTL, greeting))
    }
}

/// Seconds.
const TTL: u32 = 60;
