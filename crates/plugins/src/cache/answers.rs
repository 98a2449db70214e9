//! Whether a response answers its question: the CNAME chain from QNAME ends in the type that was
//! asked for (RFC 1034 §3.6.2, RFC 2308 §2.2).

use dunlin_core::wire::{RecordRef, Records, Section, WireName, expand, is_name, types};

/// A question in lower-case wire form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) qname: &'a [u8],
    pub(super) qtype: u16,
    pub(super) qclass: u16,
}

/// Whether the answer section answers the question. An owner with two CNAME targets (RFC 2181
/// §10.1), a loop, and a chain of more than 32 links lead nowhere.
pub(super) fn answers(message: &[u8], question: &Question<'_>) -> bool {
    if question.qtype == ANY {
        return at_owner(message, question, question.qname).next().is_some();
    }
    if question.qtype == types::CNAME {
        return matches!(target_of(message, question, question.qname), Target::One(_));
    }
    if let Some(answers) = answers_without_alias(message, question) {
        return answers;
    }
    let mut name;
    let mut owner = question.qname;
    for _ in 0..=MAX_LINKS {
        match target_of(message, question, owner) {
            Target::None => {
                return at_owner(message, question, owner)
                    .any(|record| record.kind == question.qtype);
            }
            Target::One(target) => name = target,
            Target::Several => return false,
        }
        owner = name.as_bytes();
    }
    false
}

/// One look at all records, for the many responses in which QNAME is no alias; `None` if it is one.
fn answers_without_alias(message: &[u8], question: &Question<'_>) -> Option<bool> {
    let mut answers = false;
    for record in at_owner(message, question, question.qname) {
        if record.kind == types::CNAME {
            return None;
        }
        answers |= record.kind == question.qtype;
    }
    Some(answers)
}

/// Bounds the walk, because each link looks at all records again. A loop ends here too.
const MAX_LINKS: usize = 32;

/// QTYPE and QCLASS `*` (RFC 1035 §3.2.3).
const ANY: u16 = 255;

#[expect(clippy::large_enum_variant, reason = "lives on the stack for a moment")]
enum Target {
    None,
    One(WireName),
    Several,
}

fn target_of(message: &[u8], question: &Question<'_>, owner: &[u8]) -> Target {
    let mut found = Target::None;
    let aliases = at_owner(message, question, owner).filter(|record| record.kind == types::CNAME);
    for alias in aliases {
        let mut target = WireName::new();
        if expand(message, alias.rdata.start, &mut target).is_none() {
            return Target::Several;
        }
        match &found {
            Target::One(known) if known.as_bytes() != target.as_bytes() => return Target::Several,
            _ => found = Target::One(target),
        }
    }
    found
}

fn at_owner<'a>(
    message: &'a [u8],
    question: &Question<'_>,
    owner: &'a [u8],
) -> impl Iterator<Item = RecordRef> + 'a {
    let qclass = question.qclass;
    let answers = Records::new(message).into_iter().flatten();
    let answers = answers.take_while(|record| record.section == Section::Answer);
    answers.filter(move |record| {
        (qclass == ANY || record.class == qclass) && is_name(message, record.start, owner)
    })
}
