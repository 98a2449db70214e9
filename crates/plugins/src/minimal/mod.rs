#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use std::time::{SystemTime, UNIX_EPOCH};

use dunlin_core::classify::Kind;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Leaves of answers what was asked for. Denials, referrals and failures are made of the rest, and stay.
#[derive(Debug)]
struct Minimal;

#[async_trait]
impl Plugin for Minimal {
    fn name(&self) -> &'static str {
        "minimal"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let qtype = query.qtype_code();
        let mut reply = next.run(query).await?;
        if !reply.is_silence() && is_answer(&mut reply, qtype)? {
            reply.keep_answers()?;
        }
        Ok(reply)
    }
}

/// Whether it is an answer that has more than that.
fn is_answer(reply: &mut Reply, qtype: u16) -> Result<bool> {
    let (bytes, summary) = reply.wire()?;
    if matches!(summary.records, [_, 0, 0]) && summary.opt.is_none() {
        // There is nothing that could be left out.
        return Ok(false);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u32::try_from(now.as_secs() & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    Ok(Kind::of(bytes, summary, qtype, now) == Kind::NoError)
}
