//! The form of netlink messages: a header, a fixed part, attributes; all in the host's byte order and
//! padded to four octets.

use std::io;

use super::HEADER;

/// A request in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    octets: Vec<u8>,
}

/// What a header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u16,
    pub(super) sequence: u32,
}

/// Marks an attribute that holds attributes.
const NESTED: u16 = 0x8000;

impl Message {
    /// A request of this type; `NLM_F_REQUEST` is set. Without `NLM_F_DUMP` an acknowledgment is asked
    /// for.
    #[must_use]
    pub fn request(kind: u16, flags: i32) -> Self {
        let ack = if flags & libc::NLM_F_DUMP == libc::NLM_F_DUMP { 0 } else { libc::NLM_F_ACK };
        Self::bare(kind, flags | libc::NLM_F_REQUEST | ack)
    }

    /// A request that nobody answers: the bounds of a transaction.
    #[must_use]
    pub fn bound(kind: u16) -> Self {
        Self::bare(kind, libc::NLM_F_REQUEST)
    }

    fn bare(kind: u16, flags: i32) -> Self {
        let mut octets = vec![0; 4];
        octets.extend_from_slice(&kind.to_ne_bytes());
        // All flags are in the lower half.
        octets.extend_from_slice(&u16::try_from(flags).unwrap_or_default().to_ne_bytes());
        octets.extend_from_slice(&[0; 8]); // sequence, and the sender: the kernel knows us
        Self { octets }
    }

    /// Adds the fixed part.
    #[must_use]
    pub fn fixed(mut self, octets: &[u8]) -> Self {
        self.octets.extend_from_slice(octets);
        self.pad();
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.open(kind, value);
        self.pad();
        self
    }

    /// Adds an attribute that is a text with a final NUL.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut octets = value.as_bytes().to_vec();
        octets.push(0);
        self.attribute(kind, &octets)
    }

    /// Adds an attribute that is a number in network byte order, as nftables has them.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Adds an attribute whose content `fill` adds.
    #[must_use]
    pub fn nested(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.octets.len();
        self.open(kind | NESTED, &[]);
        let mut filled = fill(self);
        let length = u16::try_from(filled.octets.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = filled.octets.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        filled
    }

    /// The message with its length and this sequence number.
    pub fn encode(&mut self, sequence: u32) -> &[u8] {
        let length = u32::try_from(self.octets.len()).unwrap_or(u32::MAX);
        if let Some(field) = self.octets.get_mut(..4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        if let Some(field) = self.octets.get_mut(8..12) {
            field.copy_from_slice(&sequence.to_ne_bytes());
        }
        &self.octets
    }

    fn open(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.octets.extend_from_slice(&length.to_ne_bytes());
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(value);
    }

    fn pad(&mut self) {
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }
}

/// The attributes in a piece of a message: type without flags, and value.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of this type.
    #[must_use]
    pub fn value(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The same as a text, up to its NUL.
    #[must_use]
    pub fn text(self, kind: u16) -> Option<String> {
        let value = self.value(kind)?;
        let text = value.split(|octet| *octet == 0).next()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// The first message of some octets: its header, its body, the rest.
pub(super) fn split(octets: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let length = usize::try_from(u32_at(octets, 0)?).ok()?;
    let header = Header { kind: u16_at(octets, 4)?, sequence: u32_at(octets, 8)? };
    let body = octets.get(HEADER..length)?;
    Some((header, body, octets.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// What an acknowledgment says: zero, or a negative error number.
pub(super) fn status(body: &[u8]) -> io::Result<()> {
    let number = u32_at(body, 0).map_or(0, u32::cast_signed);
    if number == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-number)) }
}

pub(super) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
