//! The answer section, walked from QNAME along its aliases: what is off the chain is removed, and
//! a response with nothing left is no answer (security.md FW-24).

use dunlin_core::op::Message;
use dunlin_core::wire::{
    Flags, MAX_NAME_LEN, RecordRef, Records, Section, WireName, expand, is_name, types,
};

use super::Response;
use crate::ask::Ask;

/// Aliases followed; more than any honest answer has.
const MAX_STEPS: usize = 10;
/// QTYPE and QCLASS ANY (RFC 1035 §3.2.3).
const ANY: u16 = 255;

/// Why a response is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Its aliases lead in a circle, or on and on.
    AliasLoop,
    /// It says nothing about the question; another upstream may.
    Unusable(&'static str),
}

/// Removes what does not belong to the question.
pub(crate) fn clean(ask: &Ask, response: Response) -> Result<Response, Defect> {
    if is_lame(ask, &response) {
        return Err(Defect::Unusable("lame referral"));
    }
    if !response.has_answers() || is_plain(ask, &response) {
        return Ok(response);
    }
    let chain = Chain::walk(ask, &response)?;
    let kept: Vec<bool> = answers(&response).map(|record| chain.holds(&record)).collect();
    if kept.iter().all(|kept| *kept) {
        return Ok(response);
    }
    if !kept.contains(&true) && response.summary.soa.is_none() {
        return Err(Defect::Unusable("no record answers the question"));
    }
    strip(&response, &kept).ok_or(Defect::Unusable("foreign records that do not decode"))
}

/// A referral to a query that asked for recursion: the server serves neither us nor the zone.
fn is_lame(ask: &Ask, response: &Response) -> bool {
    let flags = Flags::of(&response.bytes);
    let summary = &response.summary;
    flags.rcode() == 0
        && summary.records[0] == 0
        && summary.has_authority_ns
        && summary.soa.is_none()
        && ask.flags().has(Flags::RD)
        && !flags.has(Flags::RA | Flags::AA)
}

/// The common case: every answer is of QNAME itself, of the right class, and no alias.
fn is_plain(ask: &Ask, response: &Response) -> bool {
    answers(response).all(|record| {
        let alias =
            matches!(record.kind, types::CNAME | types::DNAME) && record.kind != ask.qtype();
        !alias
            && is_class(ask, record.class)
            && (points_to_question(&response.bytes, record.start)
                || is_name(&response.bytes, record.start, ask.name()))
    })
}

/// Whether the name there is a pointer to the question, which is that of the query: what nearly all
/// servers write.
fn points_to_question(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + 2) == Some(&[0xc0, 12])
}

fn is_class(ask: &Ask, class: u16) -> bool {
    class == ask.qclass() || ask.qclass() == ANY
}

fn answers(response: &Response) -> impl Iterator<Item = RecordRef> + '_ {
    let records = Records::behind(&response.bytes, response.summary.question_end);
    records.into_iter().flatten().take_while(|record| record.section == Section::Answer)
}

/// The names that an answer may speak of, in lower case: QNAME, its aliases' targets, and the owners of
/// the DNAMEs that led there.
struct Chain<'a> {
    ask: &'a Ask,
    response: &'a Response,
    names: Vec<Vec<u8>>,
    dnames: Vec<Vec<u8>>,
}

impl<'a> Chain<'a> {
    fn walk(ask: &'a Ask, response: &'a Response) -> Result<Self, Defect> {
        let names = vec![ask.name().to_vec()];
        let mut chain = Self { ask, response, names, dnames: Vec::new() };
        while let Some(target) = chain.step() {
            if chain.names.contains(&target) || chain.names.len() > MAX_STEPS {
                return Err(Defect::AliasLoop);
            }
            chain.names.push(target);
        }
        Ok(chain)
    }

    /// Where the last name of the chain leads to; `None` at the end of the chain.
    fn step(&mut self) -> Option<Vec<u8>> {
        if matches!(self.ask.qtype(), types::CNAME | ANY) {
            return None;
        }
        let Self { ask, response, names, dnames } = self;
        let (current, bytes) = (names.last()?, &response.bytes);
        let mut through_dname = None;
        for record in answers(response).filter(|record| is_class(ask, record.class)) {
            if record.kind == types::CNAME && is_name(bytes, record.start, current) {
                let target = name_at(bytes, record.rdata.start)?;
                note_dnames(response, current, dnames);
                return Some(target);
            }
            let owner = dname_above(bytes, &record, current);
            if let Some(owner) = owner {
                let target = name_at(bytes, record.rdata.start)?;
                through_dname = substitute(current, &owner, &target);
                note(dnames, owner);
            }
        }
        through_dname
    }

    fn holds(&self, record: &RecordRef) -> bool {
        let is_owner = |name: &Vec<u8>| is_name(&self.response.bytes, record.start, name);
        let of_dname = matches!(record.kind, types::DNAME | types::RRSIG);
        is_class(self.ask, record.class)
            && (self.names.iter().any(is_owner) || (of_dname && self.dnames.iter().any(is_owner)))
    }
}

/// A CNAME may be made from a DNAME above it (RFC 6672 §3.1), which then belongs to the answer.
fn note_dnames(response: &Response, current: &[u8], dnames: &mut Vec<Vec<u8>>) {
    let above = answers(response).filter_map(|it| dname_above(&response.bytes, &it, current));
    above.for_each(|owner| note(dnames, owner));
}

fn note(dnames: &mut Vec<Vec<u8>>, owner: Vec<u8>) {
    if !dnames.contains(&owner) && dnames.len() < MAX_STEPS {
        dnames.push(owner);
    }
}

/// The owner of a DNAME that stands above this name.
fn dname_above(bytes: &[u8], record: &RecordRef, name: &[u8]) -> Option<Vec<u8>> {
    let owner = (record.kind == types::DNAME).then(|| name_at(bytes, record.start))?;
    owner.filter(|owner| is_below(name, owner))
}

fn name_at(bytes: &[u8], at: usize) -> Option<Vec<u8>> {
    let mut name = WireName::new();
    expand(bytes, at, &mut name).map(|_end| name.as_bytes().to_vec())
}

/// Whether `name` lies below `ancestor` and is not the same; both lower case and uncompressed.
fn is_below(name: &[u8], ancestor: &[u8]) -> bool {
    let mut rest = name;
    while let Some((&length, after)) = rest.split_first() {
        let Some(parent) = after.get(usize::from(length)..) else { return false };
        if length > 0 && parent == ancestor {
            return true;
        }
        rest = parent;
    }
    false
}

/// RFC 6672 §2.2: the part of `name` below `owner`, put in front of `target`; nothing if that is longer
/// than a name may be.
fn substitute(name: &[u8], owner: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let below = name.get(..name.len().checked_sub(owner.len())?)?;
    let substituted = [below, target].concat();
    (substituted.len() <= MAX_NAME_LEN).then_some(substituted)
}

/// Removing records from the middle breaks compression pointers, so the message is made anew. This
/// happens to broken and hostile upstreams only; speed does not matter.
fn strip(response: &Response, kept: &[bool]) -> Option<Response> {
    let mut message = Message::from_vec(&response.bytes).ok()?;
    if message.answers.len() != kept.len() {
        return None;
    }
    let mut kept = kept.iter();
    message.answers.retain(|_| kept.next().copied().unwrap_or_default());
    let bytes = message.to_vec().ok()?;
    super::read(bytes.into(), response.summary.question_end)
}
