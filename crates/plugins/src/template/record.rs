//! Text to a record: what a template makes is a line of a zone file.

use dunlin_core::mnemonic::{class_named, type_named};
use dunlin_core::rr::{DNSClass, Name, Record, RecordType};
use dunlin_core::zones::spelled_name;

use super::rdata::parse_rdata;
use super::words::{Word, first_record, mistake};

/// The TTL of records that have none, in seconds.
const DEFAULT_TTL: u32 = 3600;

/// The first record in a text, if there is one: `OWNER [TTL] [CLASS] TYPE RDATA`. What follows on
/// further lines does not count. A name without a dot at the end gets one.
///
/// # Errors
/// `dns: WHAT: "WORD" at line: LINE:COLUMN`
pub(super) fn parse_record(text: &str) -> Result<Option<Record>, String> {
    let words = first_record(text)?;
    let Some((owner, mut rest)) = words.split_first() else { return Ok(None) };
    let name = parse_name(owner).ok_or_else(|| mistake("bad owner name", Some(owner)))?;
    let (mut ttl, mut class) = (None, None);
    let kind = loop {
        let Some((word, after)) = rest.split_first() else {
            return Err(mistake("missing type", words.last()));
        };
        rest = after;
        let upper = word.text.to_ascii_uppercase();
        if let (None, Some(seconds)) = (ttl, parse_ttl(&word.text)) {
            ttl = Some(seconds);
        } else if let (None, Some(code)) =
            (class, numbered(&upper, "CLASS").or_else(|| class_named(&upper)))
        {
            class = Some(code);
        } else if let Some(code) = numbered(&upper, "TYPE").or_else(|| type_named(&upper)) {
            break code;
        } else {
            return Err(mistake("expecting RR type or TTL, not this...", Some(word)));
        }
    };
    let data = parse_rdata(RecordType::from(kind), rest, words.last())?;
    let mut record = Record::from_rdata(name, ttl.unwrap_or(DEFAULT_TTL), data);
    record.dns_class = DNSClass::from(class.unwrap_or(1));
    Ok(Some(record))
}

/// A name with its letter case.
pub(super) fn parse_name(word: &Word) -> Option<Name> {
    let wire = spelled_name(&word.text).ok().filter(|_| !word.is_quoted)?;
    let mut labels = Vec::new();
    let mut rest = wire.as_slice();
    while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, tail) = after.split_at_checked(usize::from(length))?;
        labels.push(label);
        rest = tail;
    }
    Name::from_labels(labels).ok()
}

/// `TYPE65280`, `CLASS32` (RFC 3597 §5).
fn numbered(word: &str, prefix: &str) -> Option<u16> {
    word.strip_prefix(prefix)?.parse().ok()
}

/// Seconds, or `1h30m` and the like.
fn parse_ttl(text: &str) -> Option<u32> {
    let mut total = 0_u32;
    let mut number: Option<u32> = None;
    for character in text.chars() {
        if let Some(digit) = character.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            continue;
        }
        let unit = match character.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    if text.is_empty() { None } else { total.checked_add(number.unwrap_or(0)) }
}
