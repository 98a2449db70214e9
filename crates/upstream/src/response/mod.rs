//! What an upstream sent, checked and cleaned on its bytes. Pure: no socket, no clock.
//!
//! | rule | where | done |
//! |---|---|---|
//! | security.md FW-20: the response belongs to the question | [`crate::ask`] | yes |
//! | FW-20: the whole message parses | `read` | yes |
//! | FW-24: alias chain, foreign records, lame servers | `chain` | yes |
//! | FW-27: truncated content is not used | `read` | yes |
//! | FW-28, RFC 2181 §8: TTLs with the top bit set are 0 | `read` | yes |

pub(crate) mod chain;
#[cfg(test)]
mod tests;

use dunlin_core::buffer::Buffer;
use dunlin_core::wire::{self, CLASS_IN, Flags, HEADER_LEN, Records, Summary, set_ttls, types};

/// A response that belongs to its query and walks as a message.
#[derive(Debug)]
pub struct Response {
    /// The message, trailing octets stripped.
    pub bytes: Buffer,
    /// What one walk over it found.
    pub summary: Summary,
}

impl Response {
    /// The rcode, the extension bits of an OPT included.
    #[must_use]
    pub fn rcode(&self) -> u16 {
        let extension = u16::from(self.summary.opt_ttl.to_be_bytes()[0]);
        extension << 4 | u16::from(Flags::of(&self.bytes).rcode())
    }

    /// Whether the response was cut, so that its content is worth nothing.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        Flags::of(&self.bytes).has(Flags::TC)
    }

    /// Whether there is a record in the answer section.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.summary.records[0] > 0
    }
}

/// Reads a message that [`crate::ask::is_response`] has passed; the question ends at
/// `question_end`. `None` if it does not walk as a message, or holds an address of wrong length.
/// A truncated one may be cut anywhere: it always reads, with nothing left but its question.
pub(crate) fn read(mut bytes: Buffer, question_end: usize) -> Option<Response> {
    let truncated = Flags::of(&bytes).has(Flags::TC);
    match Summary::of(&bytes) {
        Ok(summary) => {
            bytes.truncate(summary.end);
            check_records(&mut bytes, summary.question_end).or_else(|| truncated.then_some(()))?;
            Some(Response { bytes, summary })
        }
        Err(_) if truncated => cut(bytes, question_end),
        Err(_) => None,
    }
}

/// A response that did not fit: header and question, with TC set.
pub(crate) fn cut(mut bytes: Buffer, question_end: usize) -> Option<Response> {
    bytes.truncate(question_end);
    for count_at in [6, 8, 10] {
        wire::write_u16(&mut bytes, count_at, 0);
    }
    Flags::of(&bytes).with(Flags::TC, true).store(&mut bytes);
    let summary = Summary::of(&bytes).ok()?;
    (bytes.len() >= HEADER_LEN).then_some(Response { bytes, summary })
}

/// Addresses have their length (RFC 1035 §3.4.1, RFC 3596 §2.2), and TTLs lose a set top bit.
fn check_records(bytes: &mut Buffer, question_end: usize) -> Option<()> {
    let mut has_oversized = false;
    for record in Records::behind(bytes, question_end)? {
        let expected = match (record.class, record.kind) {
            (CLASS_IN, types::A) => 4,
            (CLASS_IN, types::AAAA) => 16,
            _ => record.rdata.len(),
        };
        if record.rdata.len() != expected {
            return None;
        }
        has_oversized |= record.ttl > MAX_TTL;
    }
    if has_oversized {
        set_ttls(bytes, question_end, |ttl| if ttl > MAX_TTL { 0 } else { ttl });
    }
    Some(())
}

/// Seconds (RFC 2181 §8).
const MAX_TTL: u32 = i32::MAX.unsigned_abs();
