//! The address in an EDNS client subnet (RFC 7871 §6).

use std::net::IpAddr;

use dunlin_core::Query;
use dunlin_core::edns::options;

/// The address of the first client subnet, as sent; `None` if there is none, or it is unusable.
pub(super) fn address(query: &Query) -> Option<IpAddr> {
    let is_subnet = |(code, _): &(u16, &[u8])| *code == options::CLIENT_SUBNET;
    let (_, data) = query.edns_options().find(is_subnet)?;
    let address = parse(data);
    if address.is_none() {
        tracing::debug!(target: "plugin/geoip", "Failed to parse EDNS0 subnet address");
    }
    address
}

/// Family, two octets; source and scope prefix length, one each; the address without the octets that
/// are all zero at its end.
fn parse(data: &[u8]) -> Option<IpAddr> {
    let (&[high, low, _source, _scope], sent) = data.split_first_chunk::<4>()?;
    match [high, low] {
        [0, 1] => padded::<4>(sent).map(IpAddr::from),
        [0, 2] => padded::<16>(sent).map(|octets| IpAddr::from(octets).to_canonical()),
        _ => None,
    }
}

fn padded<const N: usize>(sent: &[u8]) -> Option<[u8; N]> {
    let mut octets = [0; N];
    octets.get_mut(..sent.len())?.copy_from_slice(sent);
    Some(octets)
}
