//! Which octets of a message are no names: the numbers behind owners and questions.
//!
//! A pointer may lead to any name before it, also into RDATA that we do not read. It may not lead
//! into a TTL: a name there would be another one after each second in the cache.

use std::ops::Range;

/// One bit for each octet that a pointer can lead to (RFC 1035 §4.1.4), and that the last label of
/// all can cover.
const WORDS: usize = (0x4000 + 256) / 64;

/// A set of octets, by offset. Those that no pointer reaches are never in it.
#[derive(Debug)]
pub(super) struct Marks([u64; WORDS]);

impl Marks {
    pub(super) const fn new() -> Self {
        Self([0; WORDS])
    }

    pub(super) fn add(&mut self, octets: Range<usize>) {
        for at in octets {
            if let Some(word) = self.0.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
    }

    pub(super) fn has_none_of(&self, octets: Range<usize>) -> bool {
        let has = |at: usize| self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        !octets.into_iter().any(has)
    }
}
