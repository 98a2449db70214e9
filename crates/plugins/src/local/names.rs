//! Which names are about this machine: RFC 6761 §6.3, RFC 6303 §3 and §4.

/// Where in its zone a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `localhost.` itself.
    Localhost,
    /// The apex of a reverse zone.
    Apex,
    /// The name of 127.0.0.1.
    Loopback,
    /// Between an apex and a name that exists (RFC 8020). CoreDNS says there is no such name.
    Between,
    /// A name that does not exist.
    Nowhere,
}

/// Whether a name, in lower-case wire form, begins with the label `localhost` and goes on.
pub(super) fn is_prefixed(name: &[u8]) -> bool {
    name.strip_prefix(LABEL).is_some_and(|rest| rest.len() > 1)
}

/// Whether it ends with that label, and has others in front.
pub(super) fn is_below_localhost(name: &[u8]) -> bool {
    let front = name.strip_suffix(LOCALHOST).filter(|front| !front.is_empty());
    front.is_some_and(are_labels)
}

/// Where a name stands, and how many labels the apex above it has.
pub(super) fn place(name: &[u8]) -> Option<(Place, usize)> {
    if name == LOCALHOST {
        return Some((Place::Localhost, 1));
    }
    let front = name.strip_suffix(REVERSE)?;
    let zone = ZONES.into_iter().find(|zone| front.ends_with(zone))?;
    let below = front.strip_suffix(zone).filter(|below| are_labels(below))?;
    let place = match below {
        b"" => Place::Apex,
        b"\x011\x010\x010" if zone == LOOPBACK => Place::Loopback,
        b"\x010" | b"\x010\x010" if zone == LOOPBACK => Place::Between,
        _ => Place::Nowhere,
    };
    Some((place, 3))
}

/// Whether these octets are whole labels: what ends with a name may still end within one.
fn are_labels(mut octets: &[u8]) -> bool {
    while let Some((length, rest)) = octets.split_first() {
        let Some(rest) = rest.get(usize::from(*length)..) else { return false };
        octets = rest;
    }
    true
}

const LABEL: &[u8] = b"\x09localhost";
const LOCALHOST: &[u8] = b"\x09localhost\x00";
const REVERSE: &[u8] = b"\x07in-addr\x04arpa\x00";
const LOOPBACK: &[u8] = b"\x03127";
const ZONES: [&[u8]; 3] = [b"\x010", LOOPBACK, b"\x03255"];
