#![doc = include_str!("README.md")]

mod build;
mod config;
mod setup;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, OnceLock};

use dunlin_core::metrics::Counter;
use dunlin_core::op::ResponseCode;
use dunlin_core::tap::Tap;
use dunlin_core::wire::types;
use dunlin_core::zones::{Zone, Zones};
use dunlin_core::{Error, Next, Plugin, Query, Reply, Result, async_trait};
use dunlin_upstream::{Ask, Failure, Group, Remote, Response};

pub use self::setup::ENTRY;

/// Asks upstreams about names in one zone.
#[derive(Debug)]
struct Forward {
    from: Zone,
    except: Zones,
    handover: Handover,
    /// Filled at the latest when the generation starts: names of upstreams take time to resolve.
    group: Arc<OnceLock<Arc<Group<Remote>>>>,
    rejects: Counter,
    taps: Vec<Arc<dyn Tap>>,
}

/// When the `forward` behind this one is asked as well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Handover {
    rcodes: Vec<u16>,
    on_nodata: bool,
}

impl Handover {
    fn covers(&self, response: &Response) -> bool {
        let rcode = response.rcode();
        self.rcodes.contains(&rcode) || (self.on_nodata && rcode == 0 && !response.has_answers())
    }
}

#[async_trait]
impl Plugin for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn asks_upstreams(&self, query: &Query) -> bool {
        self.is_responsible(query) && refusal(query).is_none()
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if !self.is_responsible(query) {
            return next.run(query).await;
        }
        if let Some(rcode) = refusal(query) {
            return Ok(query.error(rcode));
        }
        let mut ask = Ask::of(query);
        let Some(group) = self.group.get() else { return Err(failed(&Failure::NoHealthy)) };
        let journal = watch::journal(&self.taps);
        if let Some(journal) = &journal {
            ask = ask.watched(Arc::clone(journal));
        }
        let outcome = group.ask(&ask, query.transport().is_stream()).await;
        if let (Some(metadata), Some(index)) = (query.metadata(), outcome.upstream)
            && let Some(upstream) = group.upstreams().get(index)
        {
            metadata.set("forward/upstream", upstream.name.as_str());
        }
        if let Some(journal) = journal {
            watch::tell(&self.taps, query, &journal);
        }
        match outcome.result {
            Ok(response) if next.name() == Some("forward") && self.handover.covers(&response) => {
                next.run(query).await
            }
            Ok(response) => Ok(Reply::from_parts(response.bytes, response.summary)),
            Err(failure @ Failure::TooMany(_)) => {
                self.rejects.inc();
                Err(failed(&failure).with_rcode(ResponseCode::Refused))
            }
            Err(failure) => Err(failed(&failure)),
        }
    }
}

impl Forward {
    /// The zone itself is never excepted.
    fn is_responsible(&self, query: &Query) -> bool {
        let name = query.qname();
        self.from.contains(name)
            && (name == self.from.as_wire() || self.except.longest(name).is_none())
    }
}

/// What is never forwarded (security.md FW-08): transfers, key exchange, opcodes other than QUERY.
fn refusal(query: &Query) -> Option<ResponseCode> {
    match query.qtype_code() {
        _ if query.flags().opcode() != 0 => Some(ResponseCode::NotImp),
        types::AXFR | types::IXFR => Some(ResponseCode::Refused),
        types::TKEY => Some(ResponseCode::NotImp),
        _ => None,
    }
}

fn failed(failure: &Failure) -> Error {
    Error::new(failure.to_string()).with_extended_error(failure.extended_error())
}
