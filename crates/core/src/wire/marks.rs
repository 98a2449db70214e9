//! Which octets of a message are no names: the numbers behind owners and questions.
//!
//! A pointer may lead to any name before it, also into RDATA that we do not read. It may not lead
//! into a TTL: a name there would be another one after each second in the cache.

use std::ops::Range;

/// One bit for each octet that a pointer can lead to (RFC 1035 §4.1.4), and that the last label of
/// all can cover.
const WORDS: usize = (0x4000 + 256) / 64;
/// Enough for most messages: to clear all words would cost more than to read such a message.
const FEW: usize = 1024 / 64;

/// A set of octets, by offset. Those that no pointer reaches are never in it.
#[derive(Debug)]
pub(super) enum Marks {
    Few([u64; FEW]),
    All(Box<[u64]>),
}

impl Marks {
    /// An empty set of the octets of a message that is so long.
    pub(super) fn new(message_len: usize) -> Self {
        if message_len <= FEW * 64 { Self::Few([0; FEW]) } else { Self::All([0; WORDS].into()) }
    }

    pub(super) fn add(&mut self, octets: Range<usize>) {
        let words = match self {
            Self::Few(words) => words.as_mut_slice(),
            Self::All(words) => words,
        };
        for at in octets {
            if let Some(word) = words.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
    }

    pub(super) fn has_none_of(&self, octets: Range<usize>) -> bool {
        let words = match self {
            Self::Few(words) => words.as_slice(),
            Self::All(words) => words,
        };
        let has = |at: usize| words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1);
        !octets.into_iter().any(has)
    }
}
