//! What is different between two states, a line for each difference. Pure.

use dunlin_core::wire::Flags;

use super::state::{ErrorState, QueryState, RecordState, ReplyState};

/// What a plugin changed in the query before the next one got it.
pub(super) fn of_query(from: &QueryState, to: &QueryState) -> Vec<String> {
    let mut lines = Vec::new();
    let mut changed = |what: &str, from: &str, to: &str| {
        if from != to {
            lines.push(format!("{what} {from} -> {to}"));
        }
    };
    changed("name", &from.name, &to.name);
    changed("type", &from.kind, &to.kind);
    changed("class", &from.class, &to.class);
    changed("transport", from.transport, to.transport);
    lines.extend(of_flags(from.flags, to.flags));
    lines.extend(match (from.edns, to.edns) {
        (None, Some((size, _))) => Some(format!("EDNS added, {size} octets")),
        (Some(_), None) => Some("EDNS removed".into()),
        (Some((one, _)), Some((other, _))) if one != other => {
            Some(format!("EDNS size {one} -> {other}"))
        }
        _ => None,
    });
    let wants_dnssec = |state: &QueryState| state.edns.is_some_and(|(_, dnssec_ok)| dnssec_ok);
    lines.extend(switched("DO", wants_dnssec(from), wants_dnssec(to)));
    lines.extend(of_lists("EDNS option", &from.options, &to.options));
    lines.extend(of_lists("EDNS option for the reply", &from.reply_options, &to.reply_options));
    lines
}

/// What a plugin changed in the reply that it was given.
pub(super) fn of_reply(from: &ReplyState, to: &ReplyState) -> Vec<String> {
    let mut lines = Vec::new();
    if from.rcode != to.rcode {
        lines.push(format!("rcode {} -> {}", from.rcode, to.rcode));
    }
    lines.extend(of_flags(from.flags, to.flags));
    if from.question != to.question {
        lines.push(format!("question {} -> {}", from.question, to.question));
    }
    if from.extended_error != to.extended_error {
        let error = to.extended_error.as_deref().unwrap_or("none");
        lines.push(format!("extended error {error}"));
    }
    for (section, (from, to)) in SECTIONS.iter().zip(from.sections.iter().zip(&to.sections)) {
        lines.extend(of_records(section, from, to));
    }
    lines
}

/// What a plugin changed in the failure that it was given.
pub(super) fn of_error(from: &ErrorState, to: &ErrorState) -> Vec<String> {
    let mut lines = Vec::new();
    if from.rcode != to.rcode {
        lines.push(format!("rcode {} -> {}", from.rcode, to.rcode));
    }
    if from.extended_error != to.extended_error {
        let error = to.extended_error.as_deref().unwrap_or("none");
        lines.push(format!("extended error {error}"));
    }
    lines
}

/// All that a new reply holds.
pub(super) fn all_of_reply(reply: &ReplyState) -> Vec<String> {
    let mut lines: Vec<String> =
        reply.extended_error.iter().map(|error| format!("extended error {error}")).collect();
    if reply.is_opaque {
        lines.push("the records do not decode".into());
    }
    for (section, records) in SECTIONS.iter().zip(&reply.sections) {
        lines.extend(records.iter().map(|record| format!("{section} {record}")));
    }
    lines
}

/// The flags that are set, in lower case, as dig shows them.
pub(super) fn flags_text(flags: Flags) -> String {
    let set = FLAGS.iter().filter(|(mask, _)| flags.has(*mask));
    set.map(|(_, name)| name.to_ascii_lowercase()).collect::<Vec<_>>().join(" ")
}

const SECTIONS: [&str; 3] = ["answer", "authority", "additional"];

const FLAGS: [(u16, &str); 6] = [
    (Flags::AA, "AA"),
    (Flags::TC, "TC"),
    (Flags::RD, "RD"),
    (Flags::RA, "RA"),
    (Flags::AD, "AD"),
    (Flags::CD, "CD"),
];

fn of_flags(from: Flags, to: Flags) -> Vec<String> {
    FLAGS.iter().filter_map(|(mask, name)| switched(name, from.has(*mask), to.has(*mask))).collect()
}

fn switched(name: &str, from: bool, to: bool) -> Option<String> {
    match (from, to) {
        (false, true) => Some(format!("flag +{name}")),
        (true, false) => Some(format!("flag -{name}")),
        _ => None,
    }
}

fn of_lists(what: &str, from: &[String], to: &[String]) -> Vec<String> {
    let (gone, new) = without_common(from, to);
    let gone = gone.into_iter().map(|text| format!("{what} -{text}"));
    gone.chain(new.into_iter().map(|text| format!("{what} +{text}"))).collect()
}

/// Records that differ in one thing only are told as changed, the others as gone and new.
fn of_records(section: &str, from: &[RecordState], to: &[RecordState]) -> Vec<String> {
    let (gone, mut new) = without_common(from, to);
    if gone.is_empty() && new.is_empty() && from != to {
        return vec![format!("{section} in another order")];
    }
    let mut lines = Vec::new();
    for record in gone {
        let place = new.iter().position(|other| is_kin(record, other));
        match place.map(|place| new.remove(place)) {
            Some(other) => {
                lines.push(format!("{section} {record} -> {}", difference(record, other)))
            }
            None => lines.push(format!("{section} - {record}")),
        }
    }
    lines.extend(new.into_iter().map(|record| format!("{section} + {record}")));
    lines
}

/// Whether two records differ in one part at most.
fn is_kin(one: &RecordState, other: &RecordState) -> bool {
    let same = [one.name == other.name, one.ttl == other.ttl, one.rest == other.rest];
    same.into_iter().filter(|same| *same).count() >= 2 && (same[0] || same[2])
}

fn difference(from: &RecordState, to: &RecordState) -> String {
    if from.ttl != to.ttl {
        format!("TTL {}", to.ttl)
    } else if from.name != to.name {
        to.name.clone()
    } else {
        to.rest.clone()
    }
}

/// What is only in the one list, and what is only in the other; each copy counts.
fn without_common<'a, T: PartialEq>(from: &'a [T], to: &'a [T]) -> (Vec<&'a T>, Vec<&'a T>) {
    let mut new: Vec<&T> = to.iter().collect();
    let mut gone = Vec::new();
    for item in from {
        match new.iter().position(|other| *other == item) {
            Some(place) => drop(new.remove(place)),
            None => gone.push(item),
        }
    }
    (gone, new)
}
