#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::rr::rdata::HINFO;
use dunlin_core::rr::{RData, Record};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Answers ANY with one small record; everything else passes.
#[derive(Debug)]
struct Any;

#[async_trait]
impl Plugin for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    fn ignores(&self, query: &Query) -> bool {
        query.qtype_code() != ANY
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if query.qtype_code() != ANY {
            return next.run(query).await;
        }
        let text = HINFO::new("ANY obsoleted".to_owned(), "See RFC 8482".to_owned());
        // In class IN whatever was asked, as in CoreDNS.
        let record = Record::from_rdata(query.name().clone(), TTL, RData::HINFO(text));
        let mut reply = query.reply();
        reply.message_mut()?.answers.push(record);
        Ok(reply)
    }
}

/// QTYPE `*` (RFC 1035 §3.2.3).
const ANY: u16 = 255;

/// Seconds.
const TTL: u32 = 8482;
