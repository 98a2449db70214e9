//! The outermost step of every reply: header and question put right, our own OPT, the size limit.
//!
//! | RFC | section | done |
//! |---|---|---|
//! | 1035 | 4.1.1 header, 4.1.4 compression | yes |
//! | 2181 | 9 TC bit | yes |
//! | 6891 | 6.1.1, 6.2.5 OPT, payload size | yes |
//! | 8914 | 3 extended errors | yes |

#[cfg(test)]
mod tests;

use dunlin_core::buffer::Buffer;
use dunlin_core::edns::{EdnsOptions, ExtendedError, options};
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::{self, Flags, HEADER_LEN, MAX_MESSAGE_LEN, Records, Summary, types};
use dunlin_core::{Query, Reply, Result};

/// Octets of an OPT record without options.
const OPT_LEN: usize = 11;
/// Octets of Extended DNS Errors that a reply carries at most.
const MAX_EXTENDED_ERRORS_LEN: usize = 256;

/// Makes the bytes that go to the client. `None` for silence.
///
/// # Errors
/// A reply that cannot be encoded: the plugin that made it is to blame.
pub(crate) fn fit(query: &Query, reply: &mut Reply) -> Result<Option<Buffer>> {
    if reply.is_silence() {
        return Ok(None);
    }
    let rcode = reply.rcode();
    let mut extra = Vec::new();
    if query.edns().is_some() {
        add_own_options(query, &mut extra);
        collect_extended_errors(query, reply, &mut extra)?;
    }
    reply.remove_opt()?;
    ask_the_same(query, reply)?;
    let opt_len = query.edns().map_or(0, |_| OPT_LEN + extra.len());
    let limit = limit_of(query).saturating_sub(opt_len);
    let (bytes, summary) = reply.wire()?;
    let is_uncompressed = summary.uncompressed_len == bytes.len();
    let mut question_end = summary.question_end;
    let mut bytes = reply.take_wire()?;
    if bytes.len() > limit && is_uncompressed {
        (bytes, question_end) = compressed(bytes)?;
    }
    if bytes.len() > limit {
        truncate(&mut bytes, limit);
    }
    put_question(query, &mut bytes, question_end);
    put_header(query, &mut bytes, rcode);
    append_opt(query, &mut bytes, rcode, &extra);
    Ok(Some(bytes))
}

/// The server's own reply when there is none from a plugin: header, question, OPT.
pub(crate) fn bare(query: &Query, rcode: ResponseCode, error: Option<&ExtendedError>) -> Buffer {
    let mut bytes = Buffer::new();
    bytes.extend_from_slice(&[0; HEADER_LEN]);
    wire::write_u16(&mut bytes, 4, 1);
    bytes.extend_from_slice(query.question());
    let mut extra = Vec::new();
    if let (Some(error), true) = (error, query.edns().is_some()) {
        error.append_to(&mut extra);
        // Whoever forges a client's address must not gain by it: then the code has to do.
        let is_longer = bytes.len() + extra.len() > query.len();
        if is_longer && !query.transport().is_stream() {
            extra.clear();
            ExtendedError::new(error.code, "").append_to(&mut extra);
        }
    }
    add_own_options(query, &mut extra);
    put_header(query, &mut bytes, rcode);
    append_opt(query, &mut bytes, rcode, &extra);
    bytes
}

/// What the client can take and we are willing to send, in octets.
fn limit_of(query: &Query) -> usize {
    if query.transport().is_stream() {
        return MAX_MESSAGE_LEN;
    }
    query.max_size().min(usize::from(query.our_udp_size()))
}

/// Octets that options may have, so that header and question still fit.
fn room_for_options(query: &Query) -> usize {
    limit_of(query).saturating_sub(HEADER_LEN + query.question().len() + OPT_LEN)
}

/// What plugins have added for the client, all of it or nothing.
fn add_own_options(query: &Query, extra: &mut Vec<u8>) {
    let options = query.reply_options();
    if extra.len() + options.len() <= room_for_options(query) {
        extra.extend_from_slice(options);
    }
}

/// Ours first, then those of the upstream: no other option passes from hop to hop. What would take
/// the room that header and question need is left out.
fn collect_extended_errors(query: &Query, reply: &mut Reply, extra: &mut Vec<u8>) -> Result<()> {
    let room = room_for_options(query).min(extra.len() + MAX_EXTENDED_ERRORS_LEN);
    let mut append = |error: &ExtendedError| {
        let start = extra.len();
        error.append_to(extra);
        if extra.len() > room {
            extra.truncate(start);
        }
    };
    if let Some(error) = reply.extended_error() {
        append(error);
    }
    let (bytes, summary) = reply.wire()?;
    let Some(opt) = summary.opt.clone() else { return Ok(()) };
    let data = bytes.get(opt.start + OPT_LEN..opt.end).unwrap_or_default();
    for (code, data) in EdnsOptions(data) {
        if let (options::EXTENDED_ERROR, Some((info, text))) = (code, data.split_first_chunk()) {
            let text = String::from_utf8_lossy(text).into_owned();
            append(&ExtendedError::new(u16::from_be_bytes(*info), text));
        }
    }
    Ok(())
}

/// A reply whose question is not the client's, but for spelling, is made anew with that one: names
/// in its records may point into the question.
fn ask_the_same(query: &Query, reply: &mut Reply) -> Result<()> {
    let (bytes, summary) = reply.wire()?;
    let question = bytes.get(HEADER_LEN..summary.question_end).unwrap_or_default();
    let asked = query.question();
    // Most often the spelling is the same too. Octets that tell lengths are no letters.
    let is_same = question == asked || question.eq_ignore_ascii_case(asked);
    if is_same && wire::counts(bytes)[0] == 1 {
        return Ok(());
    }
    let queries = query.reply().message_mut()?.queries.clone();
    reply.message_mut()?.queries = queries;
    Ok(())
}

/// The message with its names compressed, and where its question ends.
fn compressed(bytes: Buffer) -> Result<(Buffer, usize)> {
    let mut reply = Reply::from_parts(bytes, Summary::default());
    // An upstream's odd RDATA may not decode; then the records stay as long as they are.
    if reply.message_mut().is_err() {
        let bytes = reply.take_wire()?;
        let summary =
            Summary::of(&bytes).map_err(|error| dunlin_core::Error::new(error.to_string()))?;
        return Ok((bytes, summary.question_end));
    }
    let (_, summary) = reply.wire()?;
    let question_end = summary.question_end;
    Ok((reply.take_wire()?, question_end))
}

/// Keeps the records that fit, in order: names point only backwards, so any prefix is sound.
fn truncate(bytes: &mut Buffer, limit: usize) {
    let Some(records) = Records::new(bytes) else { return };
    let mut end = records.offset();
    let mut kept = [0u16; 3];
    for record in records {
        if record.rdata.end > limit {
            break;
        }
        end = record.rdata.end;
        let section = record.section as usize;
        if let Some(count) = kept.get_mut(section) {
            *count += 1;
        }
    }
    bytes.truncate(end);
    for (at, count) in [6, 8, 10].into_iter().zip(kept) {
        wire::write_u16(bytes, at, count);
    }
    Flags::of(bytes).with(Flags::TC, true).store(bytes);
}

/// The client gets its question back octet by octet, whatever spelling filled the cache.
fn put_question(query: &Query, bytes: &mut Buffer, question_end: usize) {
    let question = query.question();
    let slot = bytes.get_mut(HEADER_LEN..question_end);
    if let Some(slot) = slot.filter(|slot| slot.len() == question.len()) {
        slot.copy_from_slice(question);
    }
}

/// ID and opcode are the query's, RD and CD too if it is a QUERY; Z is zero.
fn put_header(query: &Query, bytes: &mut Buffer, rcode: ResponseCode) {
    let copied = match query.flags().opcode() {
        dunlin_core::gate::QUERY => Flags::OPCODE | Flags::RD | Flags::CD,
        _ => Flags::OPCODE,
    };
    let kept = Flags::AA | Flags::TC | Flags::RA | Flags::AD;
    let flags = Flags::of(bytes).0 & kept | query.flags().0 & copied | Flags::QR;
    Flags(flags).with_rcode(rcode.low()).store(bytes);
    wire::write_u16(bytes, 0, query.id());
}

fn append_opt(query: &Query, bytes: &mut Buffer, rcode: ResponseCode, extra: &[u8]) {
    if query.edns().is_none() {
        return;
    }
    let length = u16::try_from(extra.len()).unwrap_or(0).to_be_bytes();
    let dnssec_ok = if query.dnssec_ok() { 0x80 } else { 0 };
    bytes.extend_from_slice(&[0, 0, types::OPT.to_be_bytes()[1]]);
    bytes.extend_from_slice(&query.our_udp_size().to_be_bytes());
    bytes.extend_from_slice(&[rcode.high(), 0, dnssec_ok, 0]);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(extra);
    let additionals = wire::counts(bytes)[3];
    wire::write_u16(bytes, 10, additionals.saturating_add(1));
}
