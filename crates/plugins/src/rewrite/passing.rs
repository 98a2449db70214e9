//! Whether a query can go past all rules, found out without making anything.

use dunlin_core::Query;
use dunlin_core::sieve::Sieve;
use dunlin_core::wire::{PLAIN_ROOM, Presentation};

use super::index::Index;
use super::matching::Matching;
use super::rule::{Action, Rule};

/// What the rules that are not in the index, or take long to ask, are for. A rule that goes by a name
/// which an earlier one makes is not seen here, and need not be: the earlier one has fired then.
#[derive(Debug, Default)]
pub(super) struct Passing {
    qtypes: Vec<u16>,
    qclasses: Vec<u16>,
    /// All expressions, and what names may hold anywhere.
    sieve: Option<Sieve>,
    /// Whether there is a rule of which nothing is known here.
    never: bool,
}

impl Passing {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut passing = Self::default();
        let mut expressions = Vec::new();
        for rule in rules {
            match (&rule.action, rule.action.matching()) {
                (_, Some(Matching::Regex(pattern))) => {
                    expressions.push(pattern.as_str().to_owned())
                }
                (_, Some(Matching::Substring(text))) => expressions.push(regex::escape(text)),
                (_, Some(Matching::Exact(_) | Matching::Prefix(_) | Matching::Suffix(_))) => {}
                (Action::Type { from, .. }, None) => passing.qtypes.push(*from),
                (Action::Class { from, .. }, None) => passing.qclasses.push(*from),
                (_, None) => passing.never = true,
            }
        }
        if !expressions.is_empty() {
            passing.sieve = Sieve::of(&expressions);
            passing.never |= passing.sieve.is_none();
        }
        passing
    }

    /// Of rules that all have to be asked.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// Whether no rule can fire. `true` is certain.
    pub(super) fn lets_pass(&self, index: &Index, query: &Query) -> bool {
        if self.never
            || self.qtypes.contains(&query.qtype_code())
            || self.qclasses.contains(&query.qclass_code())
            || index.has_exact(query.qname())
        {
            return false;
        }
        if self.sieve.is_none() && !index.has_edges() {
            return true;
        }
        // A name with escapes is rare, and takes the long way.
        let mut room = [0; PLAIN_ROOM];
        Presentation(query.qname()).plain(&mut room).is_some_and(|name| {
            !index.has_edge(name) && !self.sieve.as_ref().is_some_and(|sieve| sieve.may_match(name))
        })
    }
}
