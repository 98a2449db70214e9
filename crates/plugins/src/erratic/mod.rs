#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::rdata::{NS, SOA};
use dunlin_core::rr::{Name, RData};
use dunlin_core::wire::{Flags, types};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// A bad name server, to test clients with.
#[derive(Debug)]
struct Erratic {
    config: Config,
    /// Queries so far.
    count: Arc<AtomicU64>,
}

/// What the directive says. Every so manieth query is hit, the first one included; 0 is never.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Config {
    drop: u64,
    truncate: u64,
    delay: u64,
    duration: Duration,
    /// How often the A record stands in its answer.
    copies: usize,
}

#[async_trait]
impl Plugin for Erratic {
    fn name(&self) -> &'static str {
        "erratic"
    }

    async fn serve(&self, query: &mut Query, _next: Next<'_>) -> Result<Reply> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // With an interval of 0 only 0 is a multiple, which is never asked for.
        let hits = |interval: u64| interval > 0 && count.is_multiple_of(interval);
        if hits(self.config.drop) {
            return Ok(Reply::silence());
        }
        if hits(self.config.delay) {
            tokio::time::sleep(self.config.duration).await;
        }
        self.answer(query, hits(self.config.truncate))
    }
}

impl Erratic {
    fn answer(&self, query: &Query, truncated: bool) -> Result<Reply> {
        let mut reply = query.reply().authoritative();
        reply.set_flag(Flags::TC, truncated);
        let name = query.name();
        Ok(match query.qtype_code() {
            types::A => (0..self.config.copies)
                .fold(reply, |reply, _| reply.answer(name.clone(), TTL, RData::from(V4))),
            types::AAAA => reply.answer(name.clone(), TTL, RData::from(V6)),
            types::AXFR => transfer(reply, name, truncated)?,
            _ => query.error(ResponseCode::ServFail),
        })
    }
}

/// A whole zone; a truncated one lacks the end.
fn transfer(reply: Reply, zone: &Name, truncated: bool) -> Result<Reply> {
    let [a, b] = [zone.prepend_label("a")?, zone.prepend_label("b")?];
    let [first, second] = ["2001:bd8::53", "2001:500::54"].map(|text| text.parse::<IpAddr>());
    let (Ok(first), Ok(second)) = (first, second) else { return Ok(reply) };
    let soa = SOA::new(
        Name::from_ascii("sns.dns.icann.org.")?,
        Name::from_ascii("noc.dns.icann.org.")?,
        2_018_050_825,
        7200,
        3600,
        1_209_600,
        3600,
    );
    let reply = reply
        .answer(zone.clone(), TTL, RData::SOA(soa.clone()))
        .answer(zone.clone(), TTL, RData::NS(NS(b.clone())))
        .answer(zone.clone(), TTL, RData::NS(NS(a.clone())))
        .answer(a, TTL, RData::from(first))
        .answer(b, TTL, RData::from(second));
    Ok(if truncated { reply } else { reply.answer(zone.clone(), TTL, RData::SOA(soa)) })
}

/// Whether the plugin is ready after this many queries: it is made to change its mind.
fn is_ready(count: u64) -> bool {
    matches!(count, 3 | 4)
}

/// Seconds.
const TTL: u32 = 0;
const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53));
