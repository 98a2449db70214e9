//! What kind of response this is: the question that `cache`, `log` and others decide by.

use crate::gate::NOTIFY;
use crate::wire::{Flags, Summary, types};

/// The type of a response, in CoreDNS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    NoError,
    NameError,
    ServerError,
    NoData,
    Delegation,
    Meta,
    Update,
    OtherError,
}

/// The class of a response: what `log { class }` selects by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Class {
    Success,
    Denial,
    Error,
}

impl Kind {
    /// Classifies a response. `now` is the time of day in seconds since 1970, for signatures that
    /// have expired.
    #[must_use]
    pub fn of(message: &[u8], summary: &Summary, qtype: u16, now: u32) -> Self {
        let flags = Flags::of(message);
        if flags.opcode() == 5 {
            return Self::Update;
        }
        if flags.opcode() == NOTIFY || matches!(qtype, types::AXFR | types::IXFR) {
            return Self::Meta;
        }
        let dnssec_ok = summary.opt_ttl & 0x8000 != 0;
        let outdated =
            |(latest, earliest): (u32, u32)| is_before(now, latest) || is_before(earliest, now);
        if dnssec_ok && summary.signature_validity.is_some_and(outdated) {
            return Self::OtherError;
        }
        // BADVERS and its like: their low bits read NOERROR (RFC 6891 §6.1.3).
        if summary.opt_ttl >> 24 != 0 {
            return Self::OtherError;
        }
        Self::of_rcode(flags.rcode(), summary)
    }

    fn of_rcode(rcode: u8, summary: &Summary) -> Self {
        let has_answers = summary.records[0] > 0;
        match rcode {
            0 if has_answers => Self::NoError,
            0 if summary.soa.is_some() => Self::NoData,
            0 if summary.has_authority_ns => Self::Delegation,
            0 => Self::NoError,
            3 if has_answers => Self::OtherError,
            3 => Self::NameError,
            2 | 4 => Self::ServerError,
            _ => Self::OtherError,
        }
    }

    /// The class it belongs to.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::NoError | Self::Delegation => Class::Success,
            Self::NameError | Self::NoData => Class::Denial,
            Self::ServerError | Self::Meta | Self::Update | Self::OtherError => Class::Error,
        }
    }

    /// The word that metadata `log/type` has for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::NameError => "NXDOMAIN",
            Self::ServerError => "SERVERERROR",
            Self::NoData => "NODATA",
            Self::Delegation => "DELEGATION",
            Self::Meta => "META",
            Self::Update => "UPDATE",
            Self::OtherError => "OTHERERROR",
        }
    }
}

impl Class {
    /// The word that Corefiles and metadata `log/class` have for it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denial => "denial",
            Self::Error => "error",
        }
    }
}

/// Serial number arithmetic (RFC 4034 §3.1.5, RFC 1982).
fn is_before(one: u32, other: u32) -> bool {
    one != other && other.wrapping_sub(one) < 1 << 31
}
