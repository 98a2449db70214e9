//! What a line is about: which queries, and which records of them.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use dunlin_core::Query;
use foldhash::quality::RandomState;

use super::record::Kind;

/// What `only` and `sample` say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) kinds: Kinds,
    /// One in so many queries.
    pub(super) sample: NonZeroU32,
}

impl Default for Choice {
    fn default() -> Self {
        let kinds = Kinds { queries: true, responses: true, exchanges: true };
        Self { kinds, sample: NonZeroU32::MIN }
    }
}

/// The words of `only`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    queries: bool,
    responses: bool,
    exchanges: bool,
}

impl Kinds {
    /// Adds what a word stands for; says whether it stands for something.
    pub(super) fn add(&mut self, word: &str) -> bool {
        let kind = match word {
            "query" => &mut self.queries,
            "response" => &mut self.responses,
            "forward" => &mut self.exchanges,
            _ => return false,
        };
        *kind = true;
        true
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::ClientQuery => self.queries,
            Kind::ClientResponse => self.responses,
            Kind::ForwarderQuery | Kind::ForwarderResponse => self.exchanges,
        }
    }
}

/// A choice at work.
#[derive(Debug)]
pub(super) struct Chooser {
    choice: Choice,
    /// Clients cannot know which of their queries are taken.
    seed: RandomState,
}

impl Chooser {
    pub(super) fn new(choice: Choice) -> Self {
        Self { choice, seed: RandomState::default() }
    }

    /// Whether records of this kind are made at all.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.choice.kinds.has(kind)
    }

    /// Whether a record of this kind is made of this query. What plugins change in a query changes
    /// nothing here, so that its records are all there or none is; and nothing has to be kept or
    /// counted between them.
    pub(super) fn takes(&self, query: &Query, kind: Kind) -> bool {
        self.has(kind) && self.is_sampled(query)
    }

    fn is_sampled(&self, query: &Query) -> bool {
        let one_in = u64::from(self.choice.sample.get());
        if one_in == 1 {
            return true;
        }
        // Over TCP and HTTPS many queries share an address, and some clients always use one ID.
        let chance = self.seed.hash_one((query.client(), query.id(), query.received()));
        chance.is_multiple_of(one_in)
    }
}

#[cfg(test)]
mod tests {
    use dunlin_core::rr::RecordType;
    use dunlin_core::testing::query;

    use super::*;

    #[test]
    fn one_in_so_many_queries_is_taken_with_all_its_records() {
        for (sample, least, most) in [(1, 20_000, 20_000), (10, 1_700, 2_300), (1000, 1, 60)] {
            let sample = NonZeroU32::new(sample).unwrap();
            let chooser = Chooser::new(Choice { sample, ..Choice::default() });
            let mut taken = 0;
            for number in 0..20_000 {
                // A client with one ID for all, as over HTTPS, or with one time for all of a batch.
                let id = if number % 2 == 0 { 0 } else { number };
                let mut asked = query("a.test", RecordType::A).id(id).build();
                let kinds = Kind::ALL.map(|kind| chooser.takes(&asked, kind));
                let mut change = asked.change();
                (change.name, change.qtype) = (b"\x01b\x00".to_vec(), 28);
                let changed = asked.changed(&change).unwrap();
                assert_eq!(kinds, [chooser.takes(&changed, Kind::ForwarderQuery); 4]);
                taken += usize::from(kinds[0]);
            }
            assert!((least..=most).contains(&taken), "{taken} for {sample}");
        }
    }
}
