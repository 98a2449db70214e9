//! Names as text: presentation form (RFC 1035 §5.1).

use std::fmt;

use super::name::MAX_NAME_LEN;

/// Octets that the text of a name may have that needs no escapes.
pub const PLAIN_ROOM: usize = MAX_NAME_LEN;

/// Prints an uncompressed wire name in presentation form, fully qualified; every octet that is
/// not printable ASCII, and every special one, is escaped (RFC 1035 §5.1, RFC 4343 §2.1). Blanks,
/// quotes and backslashes become numbers, so that a name is one word of a log line.
#[derive(Debug, Clone, Copy)]
pub struct Presentation<'a>(pub &'a [u8]);

impl Presentation<'_> {
    /// The text of a name that needs no escapes, which are most, in a place of the caller's; `None` for
    /// other names. It is ASCII, and nothing is allocated.
    #[must_use]
    pub fn plain<'b>(&self, room: &'b mut [u8; PLAIN_ROOM]) -> Option<&'b [u8]> {
        let (first, labels) = self.0.split_first()?;
        let text = room.get_mut(..labels.len().max(1))?;
        // Moved by one, the length of each label stands where the dot in front of it belongs.
        text.copy_from_slice(if labels.is_empty() { b"." } else { labels });
        let (mut start, mut length) = (0, usize::from(*first));
        while length > 0 {
            let end = start + length;
            if !text.get(start..end)?.iter().all(|octet| is_plain(*octet)) {
                return None;
            }
            length = usize::from(std::mem::replace(text.get_mut(end)?, b'.'));
            start = end + 1;
        }
        (start == text.len() || labels.is_empty()).then_some(text)
    }

    /// Appends the text to `out`; cheaper than going through the formatter.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if let Some(text) = self.plain(&mut [0; PLAIN_ROOM]) {
            out.extend_from_slice(text);
            return;
        }
        let mut rest = self.0;
        let start = out.len();
        while let Some((&length, after)) = rest.split_first() {
            let Some((label, tail)) = after.split_at_checked(usize::from(length)) else { break };
            if label.is_empty() {
                break;
            }
            for &octet in label {
                push_escaped(out, octet);
            }
            out.push(b'.');
            rest = tail;
        }
        if out.len() == start {
            out.push(b'.');
        }
    }
}

/// Whether an octet of a label is its own text.
fn is_plain(octet: u8) -> bool {
    PLAIN.get(usize::from(octet)).copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "at compile time")]
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut octet = b'!';
    while octet <= b'~' {
        plain[octet as usize] =
            !matches!(octet, b'.' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\');
        octet += 1;
    }
    plain
};

fn push_escaped(out: &mut Vec<u8>, octet: u8) {
    match octet {
        _ if is_plain(octet) => out.push(octet),
        b'.' | b'\'' | b'@' | b';' | b'(' | b')' => out.extend_from_slice(&[b'\\', octet]),
        _ => out.extend_from_slice(&[
            b'\\',
            b'0' + octet / 100,
            b'0' + octet / 10 % 10,
            b'0' + octet % 10,
        ]),
    }
}

impl fmt::Display for Presentation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(self.0.len() + 1);
        self.append_to(&mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or("."))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_any_octet_on_one_line() {
        let table: [(&[u8], &str); 5] = [
            (b"\x00", "."),
            (b"\x03www\x07example\x00", "www.example."),
            (b"\x04a.b\\\x00", "a\\.b\\092."),
            (b"\x03a \"\x00", "a\\032\\034."),
            (b"\x03\n\x00\xff\x00", "\\010\\000\\255."),
        ];
        for (wire, text) in table {
            assert_eq!(Presentation(wire).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name_has_no_plain_text() {
        for wire in [&b""[..], b"\x01a", b"\x02a\x00", b"\x01a\x00b", b"\x00\x01a\x00", &[1; 300]] {
            assert_eq!(Presentation(wire).plain(&mut [0; PLAIN_ROOM]), None, "{wire:x?}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_text_is_the_text(
            plain in vec("[!-~]{1,9}", 0..5),
            any in vec(vec(any::<u8>(), 1..5), 0..4),
        ) {
            let of = |labels: &[&[u8]]| {
                let mut wire = Vec::new();
                for label in labels {
                    wire.push(u8::try_from(label.len()).unwrap());
                    wire.extend_from_slice(label);
                }
                wire.push(0);
                wire
            };
            let plain: Vec<&[u8]> = plain.iter().map(|label| label.as_bytes()).collect();
            let any: Vec<&[u8]> = any.iter().map(Vec::as_slice).collect();
            for labels in [plain.clone(), any.clone(), [plain, any].concat()] {
                let mut escaped = Vec::new();
                for label in &labels {
                    label.iter().for_each(|octet| push_escaped(&mut escaped, *octet));
                    escaped.push(b'.');
                }
                let is_plain = labels.concat().into_iter().all(is_plain);
                let text = if labels.is_empty() { ".".into() } else { String::from_utf8(escaped).unwrap() };
                let wire = of(&labels);
                let mut room = [0; PLAIN_ROOM];
                prop_assert_eq!(
                    Presentation(&wire).plain(&mut room),
                    is_plain.then_some(text.as_bytes())
                );
                prop_assert_eq!(Presentation(&wire).to_string(), text);
            }
        }
    }
}
