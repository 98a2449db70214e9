//! From a name below `in-addr.arpa.` or `ip6.arpa.` to the address it stands for (RFC 1035 §3.5, RFC 3596 §2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a reverse name in lower-case wire form; `None` for every other name.
pub(super) fn address(name: &[u8]) -> Option<IpAddr> {
    if let Some(labels) = name.strip_suffix(IN_ADDR_ARPA) {
        return v4(labels).map(IpAddr::V4);
    }
    let address = v6(name.strip_suffix(IP6_ARPA)?)?;
    Some(IpAddr::V6(address).to_canonical())
}

/// Four labels with decimal numbers, the last octet first.
fn v4(mut labels: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    for octet in octets.iter_mut().rev() {
        let (label, rest) = split_label(labels)?;
        let is_plain = label.iter().all(u8::is_ascii_digit)
            && (label.len() == 1 || label.first() != Some(&b'0'));
        *octet = std::str::from_utf8(label).ok().filter(|_| is_plain)?.parse().ok()?;
        labels = rest;
    }
    labels.is_empty().then(|| Ipv4Addr::from(octets))
}

/// Thirty-two labels with one hexadecimal digit each, the last one first.
fn v6(mut labels: &[u8]) -> Option<Ipv6Addr> {
    let mut bits: u128 = 0;
    for shift in (0..128).step_by(4) {
        let ([digit], rest) = split_label(labels)? else { return None };
        bits |= u128::from(char::from(*digit).to_digit(16)?) << shift;
        labels = rest;
    }
    labels.is_empty().then(|| Ipv6Addr::from_bits(bits))
}

fn split_label(labels: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = labels.split_first()?;
    rest.split_at_checked(usize::from(*length)).filter(|(label, _)| !label.is_empty())
}

const IN_ADDR_ARPA: &[u8] = b"\x07in-addr\x04arpa\x00";
const IP6_ARPA: &[u8] = b"\x03ip6\x04arpa\x00";
