//! EDNS(0) (RFC 6891) as queries carry it, and Extended DNS Errors (RFC 8914).

use std::borrow::Cow;
use std::ops::Range;

use crate::wire::read_u16;

/// Option codes that this crate knows by name (IANA "DNS EDNS0 Option Codes").
pub mod options {
    #![allow(missing_docs, reason = "the names are IANA's")]
    pub const NSID: u16 = 3;
    pub const CLIENT_SUBNET: u16 = 8;
    pub const EXPIRE: u16 = 9;
    pub const COOKIE: u16 = 10;
    pub const TCP_KEEPALIVE: u16 = 11;
    pub const PADDING: u16 = 12;
    pub const EXTENDED_ERROR: u16 = 15;
}

/// The UDP payload size that we announce and never exceed unless `bufsize` says otherwise
/// (RFC 9715 §3).
pub const OUR_UDP_SIZE: u16 = 1232;

/// The smallest UDP payload size there is: lower values mean this one (RFC 6891 §6.2.3).
pub const MIN_UDP_SIZE: u16 = 512;

/// The OPT record of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edns {
    /// The requestor's UDP payload size as sent, in octets.
    pub udp_size: u16,
    /// The EDNS version; the gate lets only 0 pass.
    pub version: u8,
    /// The DO flag (RFC 3225).
    pub dnssec_ok: bool,
    /// Where the options lie in the message.
    pub options: Range<usize>,
}

/// Iterates over the options of an OPT record: code and data.
#[derive(Debug, Clone)]
pub struct EdnsOptions<'a>(pub &'a [u8]);

impl<'a> Iterator for EdnsOptions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let code = read_u16(self.0, 0)?;
        let length = usize::from(read_u16(self.0, 2)?);
        let data = self.0.get(4..4 + length)?;
        self.0 = self.0.get(4 + length..)?;
        Some((code, data))
    }
}

impl EdnsOptions<'_> {
    /// What is left when the options do not fill the RDATA exactly: a broken OPT.
    #[must_use]
    pub fn remainder(mut self) -> usize {
        while self.next().is_some() {}
        self.0.len()
    }
}

/// An Extended DNS Error: why a reply is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT: printable ASCII, cut to 64 octets on the wire, without configuration details.
    pub text: Cow<'static, str>,
}

impl ExtendedError {
    /// Stale Answer.
    pub const STALE_ANSWER: u16 = 3;
    /// Cached Error.
    pub const CACHED_ERROR: u16 = 13;
    /// Not Ready.
    pub const NOT_READY: u16 = 14;
    /// Blocked.
    pub const BLOCKED: u16 = 15;
    /// Prohibited.
    pub const PROHIBITED: u16 = 18;
    /// Stale NXDOMAIN Answer.
    pub const STALE_NXDOMAIN: u16 = 19;
    /// Not Authoritative.
    pub const NOT_AUTHORITATIVE: u16 = 20;
    /// No Reachable Authority.
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// Network Error.
    pub const NETWORK_ERROR: u16 = 23;

    /// An error with its text.
    #[must_use]
    pub fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// Appends the option: code, length, INFO-CODE, EXTRA-TEXT.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        let text = self.text.as_bytes();
        let text = text.get(..text.len().min(64)).unwrap_or_default();
        let length = u16::try_from(text.len() + 2).unwrap_or(2);
        out.extend_from_slice(&options::EXTENDED_ERROR.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&self.code.to_be_bytes());
        out.extend(text.iter().map(|octet| if octet.is_ascii_graphic() { *octet } else { b' ' }));
    }
}

/// Whether an option of a client's query goes on to upstreams. Cookies, keepalive, padding, NSID and
/// expire speak of one hop only; a client subnet that breaks RFC 7871 §6 stays behind, as does an
/// extended error, which no query has.
#[must_use]
pub fn travels_upstream(code: u16, data: &[u8]) -> bool {
    match code {
        options::NSID
        | options::EXPIRE
        | options::COOKIE
        | options::TCP_KEEPALIVE
        | options::PADDING
        | options::EXTENDED_ERROR => false,
        options::CLIENT_SUBNET => is_valid_subnet(data),
        _ => true,
    }
}

fn is_valid_subnet(data: &[u8]) -> bool {
    let Some((&[family_high, family_low, source, scope], address)) = data.split_first_chunk::<4>()
    else {
        return false;
    };
    let bits = match [family_high, family_low] {
        [0, 1] => 32,
        [0, 2] => 128,
        _ => return false,
    };
    let unused_bits = (8 - source % 8) % 8;
    let last_is_clean =
        address.last().is_none_or(|last| u16::from(*last) & ((1 << unused_bits) - 1) == 0);
    source <= bits
        && scope == 0
        && address.len() == usize::from(source).div_ceil(8)
        && last_is_clean
}
