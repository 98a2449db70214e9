//! The records behind the question, walked where they lie.

use std::ops::Range;

use super::{HEADER_LEN, counts, read_u16, read_u32, skip, types, write_u32};

/// Which section a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The answer section.
    Answer,
    /// The authority section.
    Authority,
    /// The additional section.
    Additional,
}

/// One record, by offsets into its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRef {
    /// The section.
    pub section: Section,
    /// Where the owner name begins.
    pub start: usize,
    /// TYPE.
    pub kind: u16,
    /// CLASS (for OPT: the UDP payload size).
    pub class: u16,
    /// TTL in seconds as sent (for OPT: extended rcode, version, flags).
    pub ttl: u32,
    /// Where the four octets of the TTL begin.
    pub ttl_at: usize,
    /// The RDATA.
    pub rdata: Range<usize>,
}

/// Iterates over all records of a message in order. After the first malformed one it ends, and
/// [`Records::is_malformed`] tells.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    message: &'a [u8],
    walk: Walk,
}

/// How far a walk has come.
#[derive(Debug, Clone)]
struct Walk {
    at: usize,
    left: [u16; 3],
    malformed: bool,
}

/// Gives every record but OPT a TTL made from what it has, in seconds. Records behind a malformed one
/// stay as they are. The question section is known to end at `question_end`.
pub fn set_ttls(message: &mut [u8], question_end: usize, make: impl Fn(u32) -> u32) {
    let Some(mut walk) = Walk::behind(message, question_end) else { return };
    while let Some(record) = walk.step(message) {
        if record.kind != types::OPT {
            write_u32(message, record.ttl_at, make(record.ttl));
        }
    }
}

impl<'a> Records<'a> {
    /// Starts behind the question section. `None` if a question does not parse.
    #[must_use]
    pub fn new(message: &'a [u8]) -> Option<Self> {
        let [questions, ..] = counts(message);
        let mut at = HEADER_LEN;
        for _ in 0..questions {
            at = skip(message, at)?.checked_add(4)?;
        }
        Self::behind(message, at)
    }

    /// Starts at `question_end`, where the question section is known to end, for example from a
    /// [`Summary`](super::Summary). `None` if the message is shorter.
    #[must_use]
    pub fn behind(message: &'a [u8], question_end: usize) -> Option<Self> {
        Some(Self { message, walk: Walk::behind(message, question_end)? })
    }

    /// Where the next record begins; after the last one, where the message ends.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.walk.at
    }

    /// Whether the walk ended early.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.walk.malformed
    }
}

impl Walk {
    fn behind(message: &[u8], question_end: usize) -> Option<Self> {
        let [_, answers, authorities, additionals] = counts(message);
        let left = [answers, authorities, additionals];
        let at = question_end;
        (at <= message.len()).then_some(Self { at, left, malformed: false })
    }

    fn step(&mut self, message: &[u8]) -> Option<RecordRef> {
        if self.left == [0; 3] {
            return None;
        }
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        let (section, left) =
            sections.into_iter().zip(&mut self.left).find(|(_, left)| **left > 0)?;
        *left -= 1;
        let record = self.read(message, section);
        if record.is_none() {
            self.malformed = true;
            self.left = [0; 3];
        }
        record
    }

    fn read(&mut self, message: &[u8], section: Section) -> Option<RecordRef> {
        let start = self.at;
        let fixed = skip(message, start)?;
        let length = usize::from(read_u16(message, fixed + 8)?);
        let rdata = fixed + 10..fixed + 10 + length;
        if rdata.end > message.len() {
            return None;
        }
        self.at = rdata.end;
        Some(RecordRef {
            section,
            start,
            kind: read_u16(message, fixed)?,
            class: read_u16(message, fixed + 2)?,
            ttl: read_u32(message, fixed + 4)?,
            ttl_at: fixed + 4,
            rdata,
        })
    }
}

impl Iterator for Records<'_> {
    type Item = RecordRef;

    fn next(&mut self) -> Option<RecordRef> {
        self.walk.step(self.message)
    }
}
