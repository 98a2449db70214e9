//! Domain names on the wire: skipping, expanding, comparing.
//!
//! RFC 1035 §3.1 and §4.1.4, with the limits of RFC 9267: pointers go strictly backwards, to what
//! ends before the name that they stand in; a name has at most 255 octets and 126 pointers.

use std::fmt;
use std::ops::Range;

use super::HEADER_LEN;
use super::presentation::Presentation;

/// Octets of a name, with the root label (RFC 1035 §2.3.4).
pub const MAX_NAME_LEN: usize = 255;
const MAX_POINTERS: usize = 126;
/// Octets made lower-case at a time: a processor does it with one instruction.
const STRIDE: usize = 32;
const ROOM: usize = 256;

/// A lower-case, uncompressed name, on the stack.
#[derive(Clone, Copy)]
pub struct WireName {
    len: u8,
    /// Longer than any name, so that it falls into whole strides.
    octets: [u8; ROOM],
}

impl WireName {
    /// The empty name buffer, not a valid name until something was expanded into it.
    #[must_use]
    pub const fn new() -> Self {
        Self { len: 0, octets: [0; ROOM] }
    }

    /// The labels with their length octets, the root label last.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn push(&mut self, octets: &[u8]) -> Option<()> {
        let at = usize::from(self.len);
        let end = at.checked_add(octets.len())?;
        let slot = self.octets.get_mut(at..end)?;
        slot.copy_from_slice(octets);
        self.len = u8::try_from(end).ok()?;
        // What lies behind the end of the name does not count, and may be made lower-case too.
        let strides = at / STRIDE * STRIDE..end.next_multiple_of(STRIDE);
        for stride in self.octets.get_mut(strides)?.chunks_exact_mut(STRIDE) {
            stride.make_ascii_lowercase();
        }
        Some(())
    }
}

impl Default for WireName {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Presentation(self.as_bytes()).fmt(f)
    }
}

/// Where the name at `at` ends in place: after its root label or its first pointer.
/// `None` if it runs past the end or has a reserved label type.
#[must_use]
pub fn skip(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = *message.get(at)?;
        match length & 0xc0 {
            0x00 if length == 0 => return Some(at + 1),
            0x00 => at += 1 + usize::from(length),
            0xc0 => return message.get(at + 1).map(|_| at + 2),
            _ => return None,
        }
    }
}

/// Expands the name at `at` into `into`, lower-case, and says where it ends in place.
/// `None` for a name that breaks RFC 1035 or the limits of RFC 9267.
#[must_use]
pub fn expand(message: &[u8], at: usize, into: &mut WireName) -> Option<usize> {
    expand_where(message, at, into, |_| true)
}

/// As [`expand`], but `None` also if a pointer leads to octets that `may_be_name` denies.
pub(super) fn expand_where(
    message: &[u8],
    at: usize,
    into: &mut WireName,
    may_be_name: impl Fn(Range<usize>) -> bool,
) -> Option<usize> {
    into.len = 0;
    // Labels that lie side by side are copied with one stroke: nearly all names are one such run.
    let mut run = at;
    let mut position = at;
    let mut barrier = at;
    // What a pointer leads to ends before the name that it was met in.
    let mut limit = message.len();
    let mut pointers = 0;
    let mut end = None;
    loop {
        let length = *message.get(position)?;
        match length & 0xc0 {
            0x00 => {
                position += 1 + usize::from(length);
                if position > limit || position - run > MAX_NAME_LEN {
                    return None;
                }
                if length == 0 {
                    if pointers > 0 && !may_be_name(run..position) {
                        return None;
                    }
                    into.push(message.get(run..position)?)?;
                    return Some(end.unwrap_or(position));
                }
            }
            0xc0 => {
                let low = *message.get(position + 1)?;
                let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                end.get_or_insert(position + 2);
                pointers += 1;
                let leads_back = target < barrier && target >= HEADER_LEN;
                if !leads_back || position + 2 > limit || pointers > MAX_POINTERS {
                    return None;
                }
                if pointers > 1 && !may_be_name(run..position + 2) {
                    return None;
                }
                into.push(message.get(run..position)?)?;
                limit = barrier;
                barrier = target;
                position = target;
                run = target;
            }
            _ => return None,
        }
    }
}

/// Whether the name at `at` is `name`, an uncompressed one; letter case aside (RFC 4343). A name
/// that [`expand`] refuses is none, but it is read only as far as it is the same.
#[must_use]
pub fn is_name(message: &[u8], at: usize, name: &[u8]) -> bool {
    is_name_within_limits(message, at, name).unwrap_or(false)
}

fn is_name_within_limits(message: &[u8], at: usize, mut name: &[u8]) -> Option<bool> {
    let mut position = at;
    let mut barrier = at;
    let mut limit = message.len();
    // Each pointer leads back, so there is an end to them.
    loop {
        let end = position + name.len();
        if name.last() == Some(&0) && end <= limit && message.get(position..end) == Some(name) {
            return Some(true);
        }
        let length = *message.get(position)?;
        match length & 0xc0 {
            0x00 => {
                let end = position + 1 + usize::from(length);
                let (label, rest) = name.split_at_checked(1 + usize::from(length))?;
                if end > limit || !same_name(message.get(position..end)?, label) {
                    return None;
                }
                if length == 0 {
                    return Some(rest.is_empty());
                }
                (position, name) = (end, rest);
            }
            0xc0 => {
                let low = *message.get(position + 1)?;
                let target = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                if target >= barrier || target < HEADER_LEN || position + 2 > limit {
                    return None;
                }
                limit = barrier;
                barrier = target;
                position = target;
            }
            _ => return None,
        }
    }
}

/// Whether two uncompressed names are the same, letter case aside (RFC 4343).
/// Length octets are below 64 and so never change under ASCII lower-casing.
#[must_use]
pub fn same_name(one: &[u8], other: &[u8]) -> bool {
    // Nearly always the spelling is the same too, and that is seen at a glance.
    one == other || one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN];
        bytes.extend_from_slice(name);
        bytes
    }

    #[test]
    fn expands_lower_case_and_follows_backward_pointers() {
        let mut bytes = message(b"\x03WwW\x07Example\x00");
        bytes.extend_from_slice(b"\x01a\xc0\x10");
        let mut name = WireName::new();
        assert_eq!(expand(&bytes, 12, &mut name), Some(25));
        assert_eq!(name.as_bytes(), b"\x03www\x07example\x00");
        assert_eq!(expand(&bytes, 25, &mut name), Some(29));
        assert_eq!(name.as_bytes(), b"\x01a\x07example\x00");
    }

    #[test]
    fn a_name_is_known_where_it_lies() {
        let mut bytes = message(b"\x03WwW\x07Example\x00");
        bytes.extend_from_slice(b"\x01a\xc0\x10\xc0\x0c");
        let table: [(usize, &[u8], bool); 9] = [
            (12, b"\x03www\x07example\x00", true),
            (25, b"\x01a\x07example\x00", true),
            (29, b"\x03www\x07example\x00", true),
            (16, b"\x07example\x00", true),
            (12, b"\x03www\x07example", false),
            (12, b"\x03www\x07example\x00\x00", false),
            (12, b"\x03www\x07exampl3\x00", false),
            (25, b"\x01b\x07example\x00", false),
            (24, b"", false),
        ];
        for (at, name, expected) in table {
            assert_eq!(is_name(&bytes, at, name), expected, "{at} {name:x?}");
        }
    }

    #[test]
    fn refuses_what_rfc_9267_warns_of() {
        for bad in [
            &b"\xc0\x0c"[..], // to itself
            b"\x01a\xc0\x0c", // to its own start
            b"\xc0\x20\x00",  // forward
            b"\xc0\x00",      // into the header
            b"\x40a\x00",     // label type 01
            b"\x80a\x00",     // label type 10
            b"\x05ab",        // past the end
            b"",
        ] {
            assert_eq!(expand(&message(bad), 12, &mut WireName::new()), None, "{bad:x?}");
            assert!(!is_name(&message(bad), 12, b"\x01a\x00"), "{bad:x?}");
        }
    }

    #[test]
    fn what_a_pointer_leads_to_ends_before_the_pointing_name() {
        // The label at 12 has three octets; the name at 15 lies in it and points to it.
        let label = message(b"\x03ab\xc0\x0cxxxxxxxxxxxx\x00");
        assert_eq!(expand(&label, 15, &mut WireName::new()), None);
        // The same with a pointer cut by the name that points there.
        let pointer = message(b"\x00\xc0\xc0\x0d\x00");
        assert_eq!(expand(&pointer, 14, &mut WireName::new()), None);
    }

    #[test]
    fn a_name_has_at_most_255_octets() {
        let label = [&[63u8][..], &[b'a'; 63]].concat();
        let longest = [label.repeat(3), [&[61u8][..], &[b'a'; 61], &[0]].concat()].concat();
        assert_eq!(longest.len(), 255);
        assert!(expand(&message(&longest), 12, &mut WireName::new()).is_some());
        let longer = [label.repeat(3), [&[62u8][..], &[b'a'; 62], &[0]].concat()].concat();
        assert_eq!(expand(&message(&longer), 12, &mut WireName::new()), None);
    }
}
