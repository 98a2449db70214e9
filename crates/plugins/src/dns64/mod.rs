#![doc = include_str!("README.md")]

mod setup;
mod synthesis;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use dunlin_core::lookup::Lookup;
use dunlin_core::metrics::Counter;
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::{CLASS_IN, Flags, Records, Section, types};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use ipnet::Ipv6Net;

pub use self::setup::ENTRY;
use self::synthesis::{DEFAULT_SOA_TTL, synthesize};

/// Makes AAAA records from A records, for networks whose clients have IPv6 only (RFC 6147).
#[derive(Debug)]
struct Dns64 {
    config: Config,
    lookup: Lookup,
    /// By the index of the site.
    translated: Arc<OnceLock<Vec<Counter>>>,
}

/// What all `dns64` of a server block say together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Config {
    /// Of 32, 40 … 96 bits.
    prefix: Ipv6Net,
    /// Whether real AAAA records are replaced too.
    translate_all: bool,
    /// Whether clients that came over IPv4 are served too.
    allow_ipv4: bool,
}

#[async_trait]
impl Plugin for Dns64 {
    fn name(&self) -> &'static str {
        "dns64"
    }

    fn ignores(&self, query: &Query) -> bool {
        !self.is_wanted(query)
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if !self.is_wanted(query) {
            return next.run(query).await;
        }
        let mut reply = next.run(query).await?;
        if let Some(soa_ttl) = self.lacks_addresses(&mut reply) {
            // Its future is large, and few queries need it.
            return Box::pin(self.translate(query, soa_ttl)).await;
        }
        Ok(reply)
    }
}

impl Dns64 {
    /// Whether the client may need our addresses. One that sets DO and CD validates for itself, and
    /// what we make up would be bogus to it (RFC 6147 §5.5).
    fn is_wanted(&self, query: &Query) -> bool {
        query.qtype_code() == types::AAAA
            && query.qclass_code() == CLASS_IN
            && (self.config.allow_ipv4 || query.client().is_ipv6())
            && !(query.dnssec_ok() && query.flags().has(Flags::CD))
    }

    /// If the reply leaves the client without an address: the TTL of the SOA in it, or what stands in
    /// for it. The absence of a name is final (RFC 6147 §5.1.2), any other failure is not.
    fn lacks_addresses(&self, reply: &mut Reply) -> Option<u32> {
        if reply.is_silence() || reply.rcode() == ResponseCode::NXDomain {
            return None;
        }
        let (bytes, summary) = reply.wire().ok()?;
        let soa_ttl = summary.soa.map_or(DEFAULT_SOA_TTL, |(ttl, _)| ttl);
        (self.config.translate_all || !has_usable_address(bytes)).then_some(soa_ttl)
    }

    /// The reply for IPv4, translated. A failure to get it is told by whoever failed.
    async fn translate(&self, query: &Query, soa_ttl: u32) -> Result<Reply> {
        let for_ipv4 = match self.lookup.ask(query, query.qname_as_sent(), types::A).await {
            Ok(reply) => reply,
            Err(error) => {
                let reply = query.error(error.rcode());
                return Ok(match error.extended_error() {
                    Some(extended) => reply.with_extended_error(extended.clone()),
                    None => reply,
                });
            }
        };
        if for_ipv4.is_silence() {
            return Ok(for_ipv4);
        }
        let reply = synthesize(query, for_ipv4, self.config.prefix, soa_ttl)?;
        let counters = self.translated.get();
        if let Some(counter) = counters.and_then(|all| all.get(query.site().index)) {
            counter.inc();
        }
        Ok(reply)
    }
}

/// Whether an AAAA record among the answers leads anywhere: mapped IPv4 addresses do not (RFC 6147
/// §5.1.4).
fn has_usable_address(bytes: &[u8]) -> bool {
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    Records::new(bytes)
        .into_iter()
        .flatten()
        .take_while(|record| record.section == Section::Answer)
        .filter(|record| record.kind == types::AAAA)
        .any(|record| !bytes.get(record.rdata).is_some_and(|data| data.starts_with(&mapped)))
}
