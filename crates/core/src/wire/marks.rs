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
        for (index, mask) in masks(octets) {
            if let Some(word) = words.get_mut(index) {
                *word |= mask;
            }
        }
    }

    pub(super) fn has_none_of(&self, octets: Range<usize>) -> bool {
        let words = match self {
            Self::Few(words) => words.as_slice(),
            Self::All(words) => words,
        };
        masks(octets).all(|(index, mask)| words.get(index).is_none_or(|word| word & mask == 0))
    }
}

/// The words that have bits of these octets, and those bits.
fn masks(octets: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = octets;
    (start / 64..end.div_ceil(64)).filter_map(move |index| {
        let first = start.max(index * 64);
        let count = end.min((index + 1) * 64).checked_sub(first).filter(|count| *count > 0)?;
        Some((index, u64::MAX >> (64 - count) << (first % 64)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn marks_are_a_set_of_octets(
            len in prop_oneof![Just(100usize), Just(1024), Just(1025), Just(65_535)],
            added in prop::collection::vec((0usize..1100, 0usize..300), 0..4),
            asked in prop::collection::vec((0usize..1400, 0usize..300), 1..8),
        ) {
            let mut marks = Marks::new(len);
            let mut model = BTreeSet::new();
            let places = if len > FEW * 64 { WORDS * 64 } else { FEW * 64 };
            for (start, count) in added {
                marks.add(start..start + count);
                model.extend((start..start + count).filter(|at| *at < places));
            }
            for (start, count) in asked {
                let octets = start..start + count;
                let expected = octets.clone().all(|at| !model.contains(&at));
                prop_assert_eq!(marks.has_none_of(octets), expected);
            }
        }
    }
}
