//! Names and records from text as it stands in zone files, for scripts and expectations.

use std::fmt::Display;

use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// A fully qualified name in the spelling given; the final dot may be left out.
///
/// # Panics
///
/// If it is not a name.
#[track_caller]
pub fn name(text: &str) -> Name {
    let mut name =
        Name::from_ascii(text).unwrap_or_else(|error| panic!("{text:?} is no name: {error}"));
    name.set_fqdn(true);
    name
}

/// A record from `OWNER TTL [IN] TYPE DATA`, such as `example.org. 300 IN A 192.0.2.1`.
///
/// # Panics
///
/// If it is not such a record.
#[track_caller]
pub fn record(text: &str) -> Record {
    parse(text).unwrap_or_else(|| panic!("{text:?} is no record OWNER TTL [IN] TYPE DATA"))
}

/// Records as lines of text, sorted: what a test compares.
pub fn lines<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<String> {
    let mut lines: Vec<_> = records.into_iter().map(ToString::to_string).collect();
    lines.sort();
    lines
}

/// The answer section's data without owners and TTLs, sorted: `["192.0.2.1"]`.
pub fn answers(message: &Message) -> Vec<String> {
    let mut answers: Vec<_> =
        message.answers.iter().map(|record| record.data.to_string()).collect();
    answers.sort();
    answers
}

fn parse(text: &str) -> Option<Record> {
    let (owner, rest) = word(text)?;
    let (ttl, rest) = word(rest)?;
    let rest = rest.strip_prefix("IN ").unwrap_or(rest);
    let (kind, data) = word(rest)?;
    let kind: RecordType = kind.parse().ok()?;
    let data = RData::try_from_str(kind, data).ok()?;
    Some(Record::from_rdata(name(owner), ttl.parse().ok()?, data))
}

fn word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.trim_start().split_once(char::is_whitespace)?;
    Some((word, rest.trim_start()))
}

/// The key under which scripts keep a name: lower case, fully qualified.
pub(crate) fn key(name: impl Display) -> String {
    let mut key = name.to_string().to_ascii_lowercase();
    if !key.ends_with('.') {
        key.push('.');
    }
    key
}

#[cfg(test)]
mod tests {
    use super::{key, name, record};

    #[test]
    fn records_are_read_as_they_are_written() {
        for text in [
            "Example.org. 300 IN A 192.0.2.1",
            "example.org. 0 IN AAAA 2001:db8::1",
            "example.org. 60 IN MX 10 mail.example.org.",
            "example.org. 60 IN SOA ns.example.org. host.example.org. 1 7200 3600 86400 60",
            "example.org. 60 IN TXT text",
        ] {
            assert_eq!(record(text).to_string(), text);
        }
        assert_eq!(record("a. 1  A 192.0.2.1").to_string(), "a. 1 IN A 192.0.2.1");
    }

    #[test]
    fn names_keep_their_spelling_and_keys_do_not() {
        assert_eq!(name("Example.ORG").to_string(), "Example.ORG.");
        assert_eq!((key("Example.ORG"), key(".")), ("example.org.".into(), ".".into()));
    }
}
