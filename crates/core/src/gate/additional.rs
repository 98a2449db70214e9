//! The records of a query: at most one OPT, at most one TSIG, and it last; the rest is ignored.

use super::{FORMERR, Rejection, View};
use crate::edns::{Edns, EdnsOptions, options};
use crate::transport::Transport;
use crate::wire::{RecordRef, Records, Section, types};

/// More options than this, or more octets of them, are an attack.
const MAX_OPTIONS: usize = 64;
const MAX_OPTION_OCTETS: usize = 4096;

pub(super) fn check_records(
    message: &[u8],
    transport: Transport,
    question_end: usize,
    view: &mut View,
) -> Result<(), Rejection> {
    let formerr = Rejection::Header(FORMERR);
    let mut records = Records::behind(message, question_end).ok_or(formerr)?;
    let mut signed = false;
    for record in records.by_ref() {
        if signed {
            return Err(formerr); // TSIG and SIG(0) come last (RFC 8945 §5.1)
        }
        match (record.section, record.kind) {
            (Section::Additional, types::OPT) => add_opt(message, &record, transport, view)?,
            (_, types::OPT) => return Err(formerr),
            (Section::Additional, types::TSIG) => signed = true,
            (Section::Additional, types::SIG) => signed = read_covered(message, &record) == Some(0),
            (Section::Authority, types::SOA) if view.qtype == types::IXFR => {}
            // An answer got past the counts: this is NOTIFY (RFC 1996 §3.7).
            (Section::Answer, types::SOA) => {}
            (Section::Answer | Section::Authority, _) => return Err(formerr),
            (Section::Additional, _) => {}
        }
    }
    view.end = records.offset();
    view.trailing = message.len() - view.end;
    if records.is_malformed() {
        return Err(rejected_record(message, records.offset(), question_end));
    }
    if signed && view.trailing > 0 {
        return Err(formerr);
    }
    match &view.edns {
        Some(edns) if edns.version != 0 => Err(Rejection::BadVersion(question_end, edns.dnssec_ok)),
        _ => Ok(()),
    }
}

/// SIG(0) covers type 0 (RFC 2931 §3).
fn read_covered(message: &[u8], record: &RecordRef) -> Option<u16> {
    crate::wire::read_u16(message.get(record.rdata.clone())?, 0)
}

/// A record that is absent spoils the counts; one whose RDATA runs past the end leaves at least
/// the question intact, and the client gets that back.
fn rejected_record(message: &[u8], at: usize, question_end: usize) -> Rejection {
    let has_fixed_part =
        crate::wire::skip(message, at).is_some_and(|fixed| fixed + 10 <= message.len());
    if has_fixed_part {
        Rejection::Question(FORMERR, question_end)
    } else {
        Rejection::Header(FORMERR)
    }
}

fn add_opt(
    message: &[u8],
    record: &RecordRef,
    transport: Transport,
    view: &mut View,
) -> Result<(), Rejection> {
    let formerr = Rejection::Header(FORMERR);
    let owner_is_root = message.get(record.start) == Some(&0);
    if view.edns.is_some() || !owner_is_root || record.rdata.len() > MAX_OPTION_OCTETS {
        return Err(formerr);
    }
    let data = EdnsOptions(message.get(record.rdata.clone()).unwrap_or_default());
    if data.clone().remainder() != 0 || data.clone().count() > MAX_OPTIONS {
        return Err(formerr);
    }
    // RFC 7828 §3.2.2: clients send the option empty; over UDP it is ignored.
    let keepalive_with_data =
        data.into_iter().any(|(code, data)| code == options::TCP_KEEPALIVE && !data.is_empty());
    if keepalive_with_data && transport.is_stream() {
        return Err(formerr);
    }
    view.edns = Some(Edns {
        udp_size: record.class,
        version: record.ttl.to_be_bytes()[1],
        dnssec_ok: record.ttl & 0x8000 != 0,
        options: record.rdata.clone(),
    });
    Ok(())
}
