//! The wire form of a DNS message (RFC 1035 §4), read and patched in place: no allocation, no
//! panic, nothing decoded that nobody asked for. What it is not: a full codec; `hickory_proto`
//! is that, behind [`crate::Query::message`] and [`crate::Reply::message_mut`].

mod flags;
#[cfg(test)]
pub(crate) mod generated;
mod marks;
mod name;
mod presentation;
mod records;
mod summary;
#[cfg(test)]
mod tests;

pub use self::flags::Flags;
pub use self::name::{MAX_NAME_LEN, WireName, expand, is_name, same_name, skip};
pub use self::presentation::{PLAIN_ROOM, Presentation};
pub use self::records::{RecordRef, Records, Section, set_ttls};
pub(crate) use self::summary::is_before;
pub use self::summary::{MalformedMessage, Summary};

/// Octets of a message header (RFC 1035 §4.1.1).
pub const HEADER_LEN: usize = 12;

/// The largest message: the TCP length prefix has two octets (RFC 1035 §4.2.2).
pub const MAX_MESSAGE_LEN: usize = 65_535;

/// Record types that this crate has to tell apart on the wire.
pub mod types {
    #![allow(missing_docs, reason = "the names are IANA's")]
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const HINFO: u16 = 13;
    pub const MX: u16 = 15;
    pub const SIG: u16 = 24;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NXNAME: u16 = 128;
    pub const TKEY: u16 = 249;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const MAILB: u16 = 253;
    pub const MAILA: u16 = 254;
}

/// QCLASS IN (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;

/// The two octets at `at`, in network order.
#[inline]
#[must_use]
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let octets = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(octets.try_into().ok()?))
}

/// The four octets at `at`, in network order.
#[inline]
#[must_use]
pub fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(octets.try_into().ok()?))
}

/// Writes two octets at `at`; outside the message nothing happens.
#[inline]
pub fn write_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(octets) = bytes.get_mut(at..at + 2) {
        octets.copy_from_slice(&value.to_be_bytes());
    }
}

/// Writes four octets at `at`; outside the message nothing happens.
#[inline]
pub fn write_u32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(octets) = bytes.get_mut(at..at + 4) {
        octets.copy_from_slice(&value.to_be_bytes());
    }
}

/// The message ID; 0 of a message shorter than that.
#[must_use]
pub fn id(bytes: &[u8]) -> u16 {
    read_u16(bytes, 0).unwrap_or(0)
}

/// The section counts: QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
#[must_use]
pub fn counts(bytes: &[u8]) -> [u16; 4] {
    [4, 6, 8, 10].map(|at| read_u16(bytes, at).unwrap_or(0))
}
