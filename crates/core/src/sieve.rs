//! Many regular expressions at once, for texts of which most match none.
//!
//! It says quickly, and without anything that threads share, that no expression matches; which one
//! does, and how, is for [`regex`](https://docs.rs/regex) to say.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

/// One automaton for all expressions, whole in memory.
#[derive(Clone)]
pub struct Sieve {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
}

/// Octets of an automaton: what is larger would push other things out of the processor's caches.
const MAX_SIZE: usize = 1 << 20;
/// Octets that its making may take.
const MAX_WORK: usize = 8 << 20;

impl Sieve {
    /// `None` if the expressions are too large together, or if one of them cannot be decided octet by
    /// octet; then each has to be asked.
    #[must_use]
    pub fn of<T: AsRef<str>>(expressions: &[T]) -> Option<Self> {
        let automaton = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(MAX_SIZE))
            .determinize_size_limit(Some(MAX_WORK));
        let states = thompson::Config::new()
            .which_captures(WhichCaptures::None)
            .utf8(false)
            .nfa_size_limit(Some(MAX_SIZE));
        let automaton = dense::Builder::new()
            .configure(automaton)
            .thompson(states)
            // The texts are ASCII, for which this is no difference, and Unicode's classes are large.
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_many(expressions)
            .ok()?;
        let start = automaton.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        Some(Self { automaton, start })
    }

    /// Whether an expression may match this text, which is ASCII. `false` is certain.
    #[must_use]
    pub fn may_match(&self, text: &[u8]) -> bool {
        let mut state = self.start;
        for &octet in text {
            state = self.automaton.next_state(state, octet);
            if self.automaton.is_special_state(state) {
                // Nothing that follows changes these. In a state that gave up all is possible.
                if self.automaton.is_match_state(state) || self.automaton.is_quit_state(state) {
                    return true;
                }
                if self.automaton.is_dead_state(state) {
                    return false;
                }
            }
        }
        self.automaton.is_match_state(self.automaton.next_eoi_state(state))
    }
}

impl std::fmt::Debug for Sieve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sieve({} octets)", self.automaton.memory_usage())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use regex::bytes::RegexSet;

    use super::*;

    #[test]
    fn what_it_cannot_decide_it_does_not_take() {
        assert!(Sieve::of(&[r"\pL"]).is_none(), "Unicode's classes");
        assert!(Sieve::of(&["("]).is_none());
        assert!(Sieve::of(&["(a|b)*a(a|b){20}"]).is_none(), "a million states");
        let sieve = Sieve::of(&[r"^a\.test\.$", r"(?i)\bB\b"]).unwrap();
        let told = ["a.test.", "xa.test.", "x.b.", "xb.", "x-b-y.", ""]
            .map(|text| sieve.may_match(text.as_bytes()));
        assert_eq!(told, [true, false, true, false, true, false]);
        assert!(!Sieve::of::<&str>(&[]).unwrap().may_match(b"a"));
    }

    proptest! {
        #[test]
        fn it_says_what_the_expressions_say(
            expressions in vec("[ab.^$|?*+()]{1,8}", 1..6),
            texts in vec("[abc.]{0,12}", 1..12),
        ) {
            let valid: Vec<String> =
                expressions.into_iter().filter(|text| RegexSet::new([text]).is_ok()).collect();
            let set = RegexSet::new(&valid).unwrap();
            let sieve = Sieve::of(&valid).unwrap();
            for text in texts {
                prop_assert_eq!(sieve.may_match(text.as_bytes()), set.is_match(text.as_bytes()), "{:?}", valid);
            }
        }
    }
}
