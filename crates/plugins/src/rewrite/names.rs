//! Names as rules see them: text, fully qualified, with the escapes of RFC 1035 §5.1.

use dunlin_core::rr::Name;
use dunlin_core::wire::Presentation;
use dunlin_core::zones::spelled_name;
use dunlin_core::{Error, Result};

/// A name of a record as text, in its own spelling.
pub(super) fn text_of(name: &Name) -> String {
    let mut wire = Vec::with_capacity(64);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    text_of_wire(&wire)
}

/// A name in wire form as text.
pub(super) fn text_of_wire(wire: &[u8]) -> String {
    let mut text = Vec::with_capacity(wire.len() + 1);
    Presentation(wire).append_to(&mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// The name that a rule made, as its labels in wire form.
///
/// # Errors
/// `invalid name after rewrite: TEXT`: the rule is to blame.
pub(super) fn wire_of(text: &str) -> Result<Vec<u8>> {
    spelled_name(text).map_err(|_| invalid(text))
}

/// The name that a rule made.
///
/// # Errors
/// As for [`wire_of`].
pub(super) fn name_of(text: &str) -> Result<Name> {
    let wire = wire_of(text)?;
    let mut labels = Vec::new();
    let mut rest = wire.as_slice();
    while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        let (label, tail) =
            after.split_at_checked(usize::from(length)).ok_or_else(|| invalid(text))?;
        labels.push(label);
        rest = tail;
    }
    Name::from_labels(labels).map_err(|_| invalid(text))
}

fn invalid(text: &str) -> Error {
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    Error::new(format!("invalid name after rewrite: {shown}"))
}

/// Characters of a broken name in an error; a good one has no more.
const MAX_SHOWN: usize = 255;

/// Lower case, with a dot at the end: what CoreDNS makes of names in its rules.
pub(super) fn normalized(text: &str) -> String {
    let mut text = text.to_ascii_lowercase();
    if !is_fully_qualified(&text) {
        text.push('.');
    }
    text
}

fn is_fully_qualified(text: &str) -> bool {
    let Some(rest) = text.strip_suffix('.') else { return false };
    rest.bytes().rev().take_while(|octet| *octet == b'\\').count() % 2 == 0
}

/// The text that a query for this name has, whatever escapes the operator wrote.
pub(super) fn canonical(text: &str) -> String {
    match spelled_name(text) {
        Ok(wire) => Presentation(&wire.to_ascii_lowercase()).to_string(),
        // No query has such a name.
        Err(_) => text.to_owned(),
    }
}
