//! How query and reply looked when a plugin was entered or left: text, so that two of them can be
//! compared.

use dunlin_core::edns::ExtendedError;
use dunlin_core::mnemonic;
use dunlin_core::rr::Record;
use dunlin_core::wire::{Flags, Presentation};
use dunlin_core::{Error, Query, Reply};

/// A query as a plugin was given it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct QueryState {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) class: String,
    pub(super) flags: Flags,
    /// UDP payload size and DO.
    pub(super) edns: Option<(u16, bool)>,
    pub(super) options: Vec<String>,
    /// What was added for the reply.
    pub(super) reply_options: Vec<String>,
    pub(super) transport: &'static str,
    /// Lookups that led to it.
    pub(super) depth: u8,
}

impl QueryState {
    pub(super) fn of(query: &Query) -> Self {
        let reply_options = dunlin_core::edns::EdnsOptions(query.reply_options());
        Self {
            name: Presentation(query.qname_as_sent()).to_string(),
            kind: kind_text(query.qtype_code()),
            class: class_text(query.qclass_code()),
            flags: query.flags(),
            edns: query.edns().map(|edns| (edns.udp_size, edns.dnssec_ok)),
            options: query.edns_options().map(option_text).collect(),
            reply_options: reply_options.map(option_text).collect(),
            transport: query.transport().label(),
            depth: query.depth(),
        }
    }
}

/// A reply as a plugin returned it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ReplyState {
    /// Nothing is to be sent.
    pub(super) is_silence: bool,
    /// Whether no plugin further down has made it.
    pub(super) is_new: bool,
    pub(super) rcode: String,
    pub(super) flags: Flags,
    pub(super) question: String,
    /// Answer, authority, additional.
    pub(super) sections: [Vec<RecordState>; 3],
    pub(super) extended_error: Option<String>,
    /// Why the records are not known.
    pub(super) is_opaque: bool,
}

/// A failure as a plugin returned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorState {
    pub(super) text: String,
    pub(super) rcode: String,
    pub(super) extended_error: Option<String>,
}

impl ErrorState {
    pub(super) fn of(error: &Error) -> Self {
        Self {
            text: error.to_string(),
            rcode: rcode_text(u16::from(error.rcode())),
            extended_error: error.extended_error().map(extended_error_text),
        }
    }
}

/// A record, its parts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordState {
    pub(super) name: String,
    pub(super) ttl: u32,
    /// Class, type, data.
    pub(super) rest: String,
}

impl ReplyState {
    pub(super) fn of(reply: &Reply) -> Self {
        let mut state = Self {
            is_silence: reply.is_silence(),
            is_new: reply.author().is_none(),
            rcode: rcode_text(u16::from(reply.rcode())),
            flags: Flags(reply.flags().0 & SHOWN),
            extended_error: reply.extended_error().map(extended_error_text),
            ..Self::default()
        };
        match reply.message() {
            Some(message) => {
                let of = |records: &[Record]| records.iter().map(RecordState::of).collect();
                state.question = message
                    .queries
                    .first()
                    .map(|query| {
                        let kind = kind_text(query.query_type().into());
                        format!("{} {kind}", query.name())
                    })
                    .unwrap_or_default();
                state.sections =
                    [of(&message.answers), of(&message.authorities), of(&message.additionals)];
            }
            None => state.is_opaque = !state.is_silence,
        }
        state
    }
}

impl RecordState {
    pub(super) fn of(record: &Record) -> Self {
        let class = class_text(record.dns_class.into());
        let kind = kind_text(record.record_type().into());
        Self {
            name: record.name.to_string(),
            ttl: record.ttl,
            rest: format!("{class} {kind} {}", record.data),
        }
    }
}

impl std::fmt::Display for RecordState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.name, self.ttl, self.rest)
    }
}

/// The flags of a reply that mean something: the client's own are put in when it leaves.
const SHOWN: u16 = Flags::AA | Flags::TC | Flags::RA | Flags::AD;

/// `NOERROR`, or the number.
pub(super) fn rcode_text(code: u16) -> String {
    mnemonic::rcode(code).map_or_else(|| code.to_string(), Into::into)
}

/// `AAAA`, or `TYPE65399`.
pub(super) fn kind_text(code: u16) -> String {
    mnemonic::rtype(code).map_or_else(|| format!("TYPE{code}"), Into::into)
}

fn class_text(code: u16) -> String {
    mnemonic::class(code).map_or_else(|| format!("CLASS{code}"), Into::into)
}

fn extended_error_text(error: &ExtendedError) -> String {
    if error.text.is_empty() {
        return error.code.to_string();
    }
    format!("{} {:?}", error.code, error.text)
}

/// `65001=0x6162`.
pub(super) fn option_text((code, data): (u16, &[u8])) -> String {
    let hex: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
    if hex.is_empty() { code.to_string() } else { format!("{code}=0x{hex}") }
}
