//! The answer section, walked from QNAME along its aliases: what is off the chain is removed, and
//! a response with nothing left is no answer (security.md FW-24).

use dunlin_core::op::Message;
use dunlin_core::wire::{Flags, RecordRef, Records, Section, WireName, expand, is_name, types};

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
    let chain = Chain::walk(ask, &response.bytes)?;
    let kept: Vec<bool> =
        answers(&response.bytes).map(|record| chain.holds(&response.bytes, &record)).collect();
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
    let records = Records::behind(&response.bytes, response.summary.question_end);
    let records = records.into_iter().flatten();
    let mut answers = records.take_while(|record| record.section == Section::Answer);
    answers.all(|record| {
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

fn answers(bytes: &[u8]) -> impl Iterator<Item = RecordRef> + '_ {
    let records = Records::new(bytes).into_iter().flatten();
    records.take_while(|record| record.section == Section::Answer)
}

/// The names that an answer may speak of: QNAME, its aliases' targets, and the owners of the DNAMEs
/// that led there.
struct Chain<'a> {
    ask: &'a Ask,
    names: Vec<WireName>,
    dnames: Vec<WireName>,
}

impl<'a> Chain<'a> {
    fn walk(ask: &'a Ask, bytes: &[u8]) -> Result<Self, Defect> {
        let mut current = WireName::new();
        expand(ask.as_bytes(), dunlin_core::wire::HEADER_LEN, &mut current)
            .ok_or(Defect::Unusable("no question"))?;
        let mut chain = Self { ask, names: vec![current], dnames: Vec::new() };
        while let Some(target) = chain.step(bytes) {
            let known = chain.names.iter().any(|name| name.as_bytes() == target.as_bytes());
            if known || chain.names.len() > MAX_STEPS {
                return Err(Defect::AliasLoop);
            }
            chain.names.push(target);
        }
        Ok(chain)
    }

    /// Where the last name of the chain leads to; `None` at the end of the chain.
    fn step(&mut self, bytes: &[u8]) -> Option<WireName> {
        if matches!(self.ask.qtype(), types::CNAME | ANY) {
            return None;
        }
        let current = *self.names.last()?;
        let mut owner = WireName::new();
        let mut through_dname = None;
        for record in answers(bytes).filter(|record| is_class(self.ask, record.class)) {
            if !matches!(record.kind, types::CNAME | types::DNAME) {
                continue;
            }
            expand(bytes, record.start, &mut owner)?;
            let mut target = WireName::new();
            if record.kind == types::CNAME && owner.as_bytes() == current.as_bytes() {
                expand(bytes, record.rdata.start, &mut target)?;
                self.note_dname(bytes, &current);
                return Some(target);
            }
            if record.kind == types::DNAME && is_below(current.as_bytes(), owner.as_bytes()) {
                expand(bytes, record.rdata.start, &mut target)?;
                through_dname = substitute(&current, &owner, &target);
                self.add_dname(owner);
            }
        }
        through_dname
    }

    /// A CNAME may be made from a DNAME above it (RFC 6672 §3.1), which then belongs to the answer.
    fn note_dname(&mut self, bytes: &[u8], current: &WireName) {
        let mut owner = WireName::new();
        for record in answers(bytes).filter(|record| record.kind == types::DNAME) {
            let above = expand(bytes, record.start, &mut owner).is_some()
                && is_below(current.as_bytes(), owner.as_bytes());
            if above {
                self.add_dname(owner);
            }
        }
    }

    fn add_dname(&mut self, owner: WireName) {
        let known = self.dnames.iter().any(|name| name.as_bytes() == owner.as_bytes());
        if !known && self.dnames.len() < MAX_STEPS {
            self.dnames.push(owner);
        }
    }

    fn holds(&self, bytes: &[u8], record: &RecordRef) -> bool {
        let mut owner = WireName::new();
        if !is_class(self.ask, record.class) || expand(bytes, record.start, &mut owner).is_none() {
            return false;
        }
        let is_owner = |name: &WireName| name.as_bytes() == owner.as_bytes();
        let of_dname = matches!(record.kind, types::DNAME | types::RRSIG);
        self.names.iter().any(is_owner) || (of_dname && self.dnames.iter().any(is_owner))
    }
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

/// RFC 6672 §2.2: the part of `name` below `owner`, put in front of `target`.
fn substitute(name: &WireName, owner: &WireName, target: &WireName) -> Option<WireName> {
    let below = name.as_bytes().len().checked_sub(owner.as_bytes().len())?;
    let mut message = vec![0; dunlin_core::wire::HEADER_LEN];
    message.extend_from_slice(name.as_bytes().get(..below)?);
    message.extend_from_slice(target.as_bytes());
    let mut result = WireName::new();
    expand(&message, dunlin_core::wire::HEADER_LEN, &mut result).map(|_| result)
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
