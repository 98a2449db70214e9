//! What kind of response this is: the question that `cache`, `log` and others decide by.

use crate::gate::NOTIFY;
use crate::wire::{Flags, Summary, is_before, types};

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
        // The extension bits of an OPT make the rcode another one: BADVERS, BADCOOKIE and the like.
        if summary.opt_ttl.to_be_bytes()[0] != 0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::packet::packet;

    const NOW: u32 = 1_800_000_000;

    fn kind(text: &str, qtype: u16) -> Kind {
        let bytes = packet(text);
        Kind::of(&bytes, &Summary::of(&bytes).unwrap(), qtype, NOW)
    }

    #[test]
    fn every_response_has_a_kind_and_a_class() {
        let soa = "r6:c00c_c00c_00*20";
        let (a, ns) = ("r1:c0000201", "r2:c00c");
        let table = [
            ("ha800/1 q".to_owned(), "UPDATE", "error"),
            (format!("ha803/1.1 q {a}"), "UPDATE", "error"),
            ("ha000/1 q:6".into(), "META", "error"),
            (format!("ha000/1.1 q:6 {soa}"), "META", "error"),
            (format!("h8180/1.1 q {a}"), "NOERROR", "success"),
            (format!("h8180/1.1.1 q {a} {soa}"), "NOERROR", "success"),
            (format!("h8183/1.1 q {a}"), "OTHERERROR", "error"),
            (format!("h8183/1.1.1 q {a} {soa}"), "OTHERERROR", "error"),
            (format!("h8180/1.0.1 q {soa}"), "NODATA", "denial"),
            (format!("h8180/1.0.2 q {ns} {soa}"), "NODATA", "denial"),
            (format!("h8183/1.0.1 q {soa}"), "NXDOMAIN", "denial"),
            ("h8183/1 q".into(), "NXDOMAIN", "denial"),
            ("h8182/1 q".into(), "SERVERERROR", "error"),
            ("h8184/1 q".into(), "SERVERERROR", "error"),
            (format!("h8182/1.0.1 q {soa}"), "SERVERERROR", "error"),
            (format!("h8180/1.0.1.1 q {ns} {a}"), "DELEGATION", "success"),
            ("h8180/1 q".into(), "NOERROR", "success"),
            (format!("h8180/1.0.0.1 q {a}"), "NOERROR", "success"),
            (format!("h8180/1.0.0.1 q {soa}"), "NOERROR", "success"),
            ("h8180/1.0.0.1 q o".into(), "NOERROR", "success"),
            ("h8185/1 q".into(), "OTHERERROR", "error"),
            ("h8181/1 q".into(), "OTHERERROR", "error"),
            ("h8186/1 q".into(), "OTHERERROR", "error"),
            // BADVERS, BADMODE and BADCOOKIE: the rcode has twelve bits.
            ("h8180/1.0.0.1 q o1232/01000000".into(), "OTHERERROR", "error"),
            ("h8183/1.0.0.1 q o1232/01000000".into(), "OTHERERROR", "error"),
            (format!("h8187/1.1.0.1 q {a} o1232/01000000"), "OTHERERROR", "error"),
        ];
        for (text, label, class) in table {
            let kind = kind(&text, 1);
            assert_eq!((kind.label(), kind.class().label()), (label, class), "{text}");
        }
    }

    #[test]
    fn transfers_are_meta_whatever_the_reply_says() {
        for (qtype, text) in [(252, "h8180/1 q:252"), (251, "h8182/1 q:251")] {
            assert_eq!(kind(text, qtype), Kind::Meta, "{text}");
        }
    }

    #[test]
    fn signatures_out_of_time_spoil_a_reply_with_do() {
        let signed = |opt: &str, inception: u32, expiration: u32| {
            let times = format!("{expiration:08x}_{inception:08x}");
            let text = format!("h8180/1.1.0.1 q r46:0001_05_03_00*4_{times}_0000_00_aa {opt}");
            kind(&text, 1)
        };
        let table = [
            (NOW - 10, NOW + 10, Kind::NoError),
            (NOW, NOW, Kind::NoError),
            (NOW - 20, NOW - 1, Kind::OtherError),
            (NOW + 1, NOW + 20, Kind::OtherError),
            // RFC 4034 §3.1.5: serial numbers, so that these wrapped around in between.
            (NOW - 10, NOW.wrapping_add((1 << 31) - 1), Kind::NoError),
        ];
        for (inception, expiration, expected) in table {
            assert_eq!(signed("o1232/00008000", inception, expiration), expected, "{inception}");
            assert_eq!(signed("o", inception, expiration), Kind::NoError, "without DO");
        }
    }

    #[test]
    fn one_signature_out_of_time_is_enough_in_any_section() {
        let signature = |inception: u32, expiration: u32| {
            format!("r46:0001_05_03_00*4_{expiration:08x}_{inception:08x}_0000_00_aa")
        };
        let (good, old) = (signature(NOW - 9, NOW + 9), signature(NOW - 9, NOW - 1));
        // Inception long past, in the words of serial numbers, hides no inception to come.
        let (odd, early) = (signature(u32::MAX - 9, NOW + 9), signature(NOW + 1, NOW + 9));
        for records in [
            format!("h8180/1.2.0.1 q {good} {old}"),
            format!("h8180/1.1.1.1 q {old} {good}"),
            format!("h8180/1.0.1.2 q {good} {old}"),
            format!("h8180/1.2.0.1 q {odd} {early}"),
        ] {
            assert_eq!(
                kind(&format!("{records} o1232/00008000"), 1),
                Kind::OtherError,
                "{records}"
            );
        }
    }
}
