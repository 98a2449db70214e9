#![doc = include_str!("README.md")]

mod names;
mod setup;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};

use dunlin_core::corefile::go::quote;
use dunlin_core::metrics::Counter;
use dunlin_core::op::ResponseCode;
use dunlin_core::rr::rdata::{NS, PTR, SOA};
use dunlin_core::rr::{Name, RData, RecordType};
use dunlin_core::wire::Presentation;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::names::Place;
pub use self::setup::ENTRY;

/// Answers what is about this machine, so that nobody else is asked.
#[derive(Debug)]
struct Local {
    prefix: Prefix,
    requests: Counter,
}

/// What becomes of `localhost.example.org.` and the like: names that resolvers make of `localhost` and
/// their search lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Prefix {
    /// They are answered like `localhost.`.
    #[default]
    Answer,
    /// They pass.
    Pass,
}

#[async_trait]
impl Plugin for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn ignores(&self, query: &Query) -> bool {
        let qname = query.qname();
        !(names::is_prefixed(qname) || names::is_below_localhost(qname))
            && names::place(qname).is_none()
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let qname = query.qname();
        let is_prefixed = self.prefix == Prefix::Answer && names::is_prefixed(qname);
        if is_prefixed || names::is_below_localhost(qname) {
            self.report(query);
            return below_localhost(query);
        }
        match names::place(qname) {
            Some((place, labels)) => in_zone(query, place, labels),
            None => next.run(query).await,
        }
    }
}

impl Local {
    fn report(&self, query: &Query) {
        self.requests.inc();
        tracing::debug!(
            target: "plugin/local",
            "Intercepting localhost query for {} {}, from {}",
            quote(&Presentation(query.qname()).to_string()),
            query.qtype(),
            query.client().ip()
        );
    }
}

/// The name is the apex of a zone of its own.
fn below_localhost(query: &Query) -> Result<Reply> {
    let reply = query.reply();
    match address(query.qtype()) {
        Some(address) => Ok(reply.answer(query.name().clone(), TTL, address)),
        None => denied(reply, query.name().clone()),
    }
}

/// A name in a zone whose apex has this many labels. Spelling is the client's.
fn in_zone(query: &Query, place: Place, labels: usize) -> Result<Reply> {
    let (reply, name) = (query.reply(), query.name());
    let data = match (place, query.qtype()) {
        (Place::Localhost, qtype @ (RecordType::A | RecordType::AAAA)) => address(qtype),
        (Place::Localhost | Place::Apex, RecordType::SOA) => Some(soa()?),
        (Place::Localhost | Place::Apex, RecordType::NS) => Some(RData::NS(NS(localhost()?))),
        (Place::Loopback, RecordType::PTR) => Some(RData::PTR(PTR(localhost()?))),
        _ => None,
    };
    match data {
        Some(data) => Ok(reply.answer(name.clone(), TTL, data)),
        None if place == Place::Nowhere => {
            denied(reply.with_rcode(ResponseCode::NXDomain), name.trim_to(labels))
        }
        None => denied(reply, name.trim_to(labels)),
    }
}

fn denied(reply: Reply, apex: Name) -> Result<Reply> {
    Ok(reply.authority(apex, TTL, soa()?))
}

fn address(qtype: RecordType) -> Option<RData> {
    match qtype {
        RecordType::A => Some(RData::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST))),
        RecordType::AAAA => Some(RData::from(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST))),
        _ => None,
    }
}

fn localhost() -> Result<Name> {
    Ok(Name::from_ascii("localhost.")?)
}

fn soa() -> Result<RData> {
    let administrator = Name::from_ascii("root.localhost.")?;
    Ok(RData::SOA(SOA::new(localhost()?, administrator, 1, 0, 0, 0, TTL)))
}

/// Seconds: a week.
const TTL: u32 = 604_800;
