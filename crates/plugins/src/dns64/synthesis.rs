//! The reply for IPv4 made into one for IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

use dunlin_core::rr::{RData, Record, rdata};
use dunlin_core::{Query, Reply, Result};
use ipnet::Ipv6Net;

/// Seconds, where the reply for IPv6 had no SOA (RFC 6147 §5.1.7).
pub(super) const DEFAULT_SOA_TTL: u32 = 600;

/// Replaces each A record among the answers by an AAAA record. All other records stay (RFC 6147
/// §5.3), as do rcode, RA and TC. AA and AD are gone: nobody vouches for what we made.
pub(super) fn synthesize(
    query: &Query,
    mut for_ipv4: Reply,
    prefix: Ipv6Net,
    soa_ttl: u32,
) -> Result<Reply> {
    let extended_error = for_ipv4.extended_error().cloned();
    let source = for_ipv4.message_mut()?;
    let mut reply = query.reply().with_rcode(source.metadata.response_code);
    let target = reply.message_mut()?;
    target.metadata.recursion_available = source.metadata.recursion_available;
    target.metadata.truncation = source.metadata.truncation;
    let answers = std::mem::take(&mut source.answers);
    target.answers = answers.into_iter().map(|record| translate(record, prefix, soa_ttl)).collect();
    target.authorities = std::mem::take(&mut source.authorities);
    target.additionals = std::mem::take(&mut source.additionals);
    Ok(match extended_error {
        Some(error) => reply.with_extended_error(error),
        None => reply,
    })
}

fn translate(mut record: Record, prefix: Ipv6Net, soa_ttl: u32) -> Record {
    if let RData::A(rdata::A(address)) = record.data {
        let mut translated =
            Record::from_rdata(record.name, record.ttl.min(soa_ttl), aaaa(prefix, address));
        translated.dns_class = record.dns_class;
        record = translated;
    }
    record
}

fn aaaa(prefix: Ipv6Net, address: Ipv4Addr) -> RData {
    RData::AAAA(rdata::AAAA(embed(prefix, address)))
}

/// RFC 6052 §2.2: behind the prefix, but octet 8, which stays zero.
pub(super) fn embed(prefix: Ipv6Net, address: Ipv4Addr) -> Ipv6Addr {
    let mut octets = prefix.trunc().addr().octets();
    let start = usize::from(prefix.prefix_len() / 8);
    let places = octets.iter_mut().enumerate().skip(start).filter(|(place, _)| *place != 8);
    for ((_, place), octet) in places.zip(address.octets()) {
        *place = octet;
    }
    octets.into()
}
