//! Names of zones in presentation form.

use super::{KeyError, cidr, split_transport};
use crate::go;

/// The zones that a zone argument of a plugin stands for: scheme and port are dropped, a network becomes its reverse
/// zones, letters become lower-case, the dot at the end is added. None if it is no name at all: CoreDNS ignores such
/// arguments without a word.
#[must_use]
pub fn normalize_zone(argument: &str) -> Vec<String> {
    let (_, rest) = split_transport(argument);
    let Ok((hosts, _)) = split(rest) else { return Vec::new() };
    hosts.into_iter().filter_map(|host| fully_qualified(host).ok()).collect()
}

/// Whether a fully qualified zone follows the preferred syntax of RFC 1035 §2.3.1; the root and reverse zones do. If not,
/// CoreDNS prints `Warning: Domain "ZONE" does not follow RFC1035 preferred syntax`.
#[must_use]
pub fn preferred_syntax(zone: &str) -> bool {
    let is_reverse = zone.ends_with(".in-addr.arpa.") || zone.ends_with(".ip6.arpa.");
    zone == "."
        || is_reverse
        || zone.strip_suffix('.').unwrap_or(zone).split('.').all(is_preferred_label)
}

fn is_preferred_label(label: &str) -> bool {
    let inside = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    label.starts_with(|c: char| c.is_ascii_alphabetic())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric())
        && label.bytes().all(inside)
}

/// Takes the port off and expands networks. The text after the last colon is a port if it is a decimal integer, of any
/// size and sign.
pub(super) fn split(text: &str) -> Result<(Vec<String>, Option<i64>), KeyError> {
    if text.is_empty() || text.ends_with(':') {
        return Err(KeyError::NothingAfterColon { text: text.to_owned() });
    }
    let with_port =
        text.rsplit_once(':').and_then(|(name, port)| Some((name, go::atoi(port).ok()?)));
    let (name, port) = with_port.map_or((text, None), |(name, port)| (name, Some(port)));
    check(name)?;
    let Some(network) = cidr::Network::parse(name) else {
        return Ok((vec![name.to_owned()], port));
    };
    // CoreDNS' guard against a crash of its own; the zones would be of no use anyhow.
    if name.starts_with(':') || (name.starts_with('0') && name.contains(':')) {
        return Err(KeyError::Network { network: name.to_owned() });
    }
    Ok((network.zones(), port))
}

/// Adds the dot at the end, if it lacks, and makes ASCII letters lower-case: other letters have no case in DNS.
pub(super) fn fully_qualified(mut name: String) -> Result<String, KeyError> {
    if !ends_with_dot(&name) {
        name.push('.');
    }
    check(&name)?;
    name.make_ascii_lowercase();
    Ok(name)
}

/// A dot behind an odd number of backslashes belongs to the label.
fn ends_with_dot(name: &str) -> bool {
    let stem = name.strip_suffix('.');
    stem.is_some_and(|stem| (stem.len() - stem.trim_end_matches('\\').len()).is_multiple_of(2))
}

fn check(name: &str) -> Result<(), KeyError> {
    if name.len() > 255 {
        return Err(KeyError::TooLong { octets: name.len() });
    }
    if name == "." || labels_fit(name) {
        Ok(())
    } else {
        Err(KeyError::Zone { zone: name.to_owned() })
    }
}

/// Labels of 1 to 63 octets, at most 255 on the wire, `\DDD` and `\X` as in RFC 1035 §5.1.
fn labels_fit(name: &str) -> bool {
    let mut octets = name.bytes();
    let mut wire = 1;
    let mut label = 0;
    while let Some(octet) = octets.next() {
        if octet == b'.' {
            if label == 0 {
                return false;
            }
            wire += 1 + label;
            label = 0;
            continue;
        }
        if octet == b'\\' && !skip_escape(&mut octets) {
            return false;
        }
        label += 1;
        if label > 63 {
            return false;
        }
    }
    let last = if label > 0 { 1 + label } else { 0 };
    !name.is_empty() && wire + last <= 255
}

/// Takes what belongs to a backslash; false if it is nothing or a number that is no octet.
fn skip_escape(octets: &mut std::str::Bytes<'_>) -> bool {
    let mut ahead = octets.clone();
    let digits =
        [ahead.next(), ahead.next(), ahead.next()].map(|octet| octet.filter(u8::is_ascii_digit));
    if let [Some(hundreds), Some(tens), Some(ones)] = digits {
        *octets = ahead;
        return [hundreds, tens, ones] <= *b"255";
    }
    octets.next().is_some()
}
