//! Which rules may be for a name, found without asking each of them.
//!
//! Whole names, and what names begin or end with, stand in tables; expressions, and what names hold
//! anywhere, are one common matcher. Each gives the numbers of rules in the order of the file, so that
//! the order of the whole list stays what it is. A table may name a rule that does not match; it never
//! leaves one out that does.

use std::collections::HashMap;

use dunlin_core::zones::spelled_name;
use foldhash::fast::RandomState;
use regex::bytes::{RegexSet, RegexSetBuilder};

use super::matching::Matching;
use super::question::Question;
use super::rule::Rule;

/// All rules of a list whose condition is on the name, if asking them all would take longer.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By names in wire form, lower case.
    exact: HashMap<Box<[u8]>, Vec<usize>, RandomState>,
    prefixes: Edges,
    suffixes: Edges,
    patterns: Option<Patterns>,
}

/// Fewer expressions are as fast one by one.
const MIN_PATTERNS: usize = 4;

impl Index {
    /// The index, and the numbers of the rules that are not in it, in order.
    pub(super) fn of(rules: &[Rule]) -> (Self, Vec<usize>) {
        let mut index = Self { patterns: Patterns::of(rules), ..Self::default() };
        let mut others = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            match rule.action.matching() {
                Some(Matching::Exact(name)) => {
                    // What is no name is nobody's.
                    if let Ok(wire) = spelled_name(name) {
                        let wire = wire.to_ascii_lowercase().into_boxed_slice();
                        index.exact.entry(wire).or_default().push(number);
                    }
                }
                Some(Matching::Prefix(text)) => index.prefixes.add(text.bytes(), number),
                Some(Matching::Suffix(text)) => index.suffixes.add(text.bytes().rev(), number),
                Some(Matching::Substring(_) | Matching::Regex(_))
                    if index.patterns.as_ref().is_some_and(|all| all.has(number)) => {}
                _ => others.push(number),
            }
        }
        (index, others)
    }

    /// Whether there is a rule for this whole name.
    pub(super) fn has_exact(&self, wire: &[u8]) -> bool {
        !self.exact.is_empty() && self.exact.contains_key(wire)
    }

    /// Whether there are rules for what names begin or end with.
    pub(super) fn has_edges(&self) -> bool {
        !self.prefixes.is_empty() || !self.suffixes.is_empty()
    }

    /// Whether one of them may be for this name.
    pub(super) fn has_edge(&self, name: &[u8]) -> bool {
        let octets = name.iter().copied();
        self.prefixes.find(octets.clone()).next().is_some()
            || self.suffixes.find(octets.rev()).next().is_some()
    }

    /// Rules for the whole name, its beginning or its end.
    pub(super) fn near(&self, question: &Question<'_>) -> Vec<usize> {
        let mut found = Vec::new();
        if !self.exact.is_empty()
            && let Some(numbers) = self.exact.get(question.wire())
        {
            found.extend_from_slice(numbers);
        }
        if self.has_edges() {
            let name = question.name().bytes();
            found.extend(
                self.prefixes.find(name.clone()).chain(self.suffixes.find(name.rev())).flatten(),
            );
        }
        found.sort_unstable();
        found
    }

    /// The first rule in the common matcher.
    pub(super) fn first_pattern(&self) -> Option<usize> {
        self.patterns.as_ref()?.numbers.first().copied()
    }

    /// Rules whose expression matches.
    pub(super) fn patterns(&self, name: &str) -> Vec<usize> {
        self.patterns.as_ref().map(|patterns| patterns.find(name.as_bytes())).unwrap_or_default()
    }
}

/// Texts by a hash that grows octet by octet, so that one walk over a name finds all that it begins
/// with.
#[derive(Debug, Default)]
struct Edges {
    numbers: HashMap<u64, Vec<usize>, RandomState>,
    /// Whether there is a text of this length.
    lengths: Vec<bool>,
}

impl Edges {
    fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    fn add(&mut self, text: impl Iterator<Item = u8>, number: usize) {
        let (hash, length) =
            text.fold((0, 0_usize), |(hash, length), octet| (grown(hash, octet), length + 1));
        self.numbers.entry(hash).or_default().push(number);
        self.lengths.resize(self.lengths.len().max(length + 1), false);
        if let Some(slot) = self.lengths.get_mut(length) {
            *slot = true;
        }
    }

    /// The rules for each text that the name begins with.
    fn find(&self, mut name: impl Iterator<Item = u8>) -> impl Iterator<Item = &[usize]> {
        let mut hash = Some(0);
        self.lengths.iter().filter_map(move |is_used| {
            let known = hash.filter(|_| *is_used).and_then(|hash| self.numbers.get(&hash));
            hash = hash.and_then(|hash| Some(grown(hash, name.next()?)));
            known.map(Vec::as_slice)
        })
    }
}

/// Two texts with one hash cost a comparison and nothing else.
fn grown(hash: u64, octet: u8) -> u64 {
    (hash.rotate_left(5) ^ u64::from(octet)).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// One matcher for many expressions: most names match none of them, and that is found fast.
#[derive(Debug)]
struct Patterns {
    set: RegexSet,
    /// The numbers of the rules, by their places in the set.
    numbers: Vec<usize>,
}

impl Patterns {
    /// `None` if there are few, or if all of them together are too large.
    fn of(rules: &[Rule]) -> Option<Self> {
        let patterns = rules.iter().enumerate().filter_map(|(number, rule)| {
            let text = match rule.action.matching()? {
                Matching::Regex(pattern) if pattern.is_ascii => pattern.as_str().to_owned(),
                Matching::Substring(text) if text.is_ascii() => regex::escape(text),
                _ => return None,
            };
            Some((number, text))
        });
        let (numbers, texts): (Vec<usize>, Vec<String>) = patterns.unzip();
        if numbers.len() < MIN_PATTERNS {
            return None;
        }
        let set = RegexSetBuilder::new(texts).unicode(false).build().ok()?;
        Some(Self { set, numbers })
    }

    fn has(&self, number: usize) -> bool {
        self.numbers.binary_search(&number).is_ok()
    }

    fn find(&self, name: &[u8]) -> Vec<usize> {
        if !self.set.is_match(name) {
            return Vec::new();
        }
        let matches = self.set.matches(name);
        matches.iter().filter_map(|place| self.numbers.get(place).copied()).collect()
    }
}

/// A walk through the rules that may be for the name, as it is at each step.
#[derive(Debug)]
pub(super) struct Walk<'i> {
    index: &'i Index,
    /// Rules that are in no index.
    others: &'i [usize],
    near: Vec<usize>,
    /// Asked once a rule in front of the first of them was not the last.
    patterns: Option<Vec<usize>>,
    /// Rules from here on are still to come.
    from: usize,
}

impl<'i> Walk<'i> {
    pub(super) fn new(index: &'i Index, others: &'i [usize], question: &Question<'_>) -> Self {
        Self { index, others, near: index.near(question), patterns: None, from: 0 }
    }

    /// The name is another one now.
    pub(super) fn renamed(&mut self, question: &Question<'_>) {
        self.near = self.index.near(question);
        self.patterns = None;
    }

    /// The next rule that may match.
    pub(super) fn next(&mut self, question: &Question<'_>) -> Option<usize> {
        let near = first_from(&self.near, self.from);
        let next = smaller(near, first_from(self.others, self.from));
        let next = match &self.patterns {
            Some(patterns) => smaller(next, first_from(patterns, self.from)),
            None => match self.index.first_pattern() {
                Some(first) if next.is_none_or(|next| first < next) => {
                    let patterns = self.patterns.insert(self.index.patterns(question.name()));
                    smaller(next, first_from(patterns, self.from))
                }
                _ => next,
            },
        };
        self.from = next? + 1;
        next
    }
}

fn first_from(numbers: &[usize], from: usize) -> Option<usize> {
    if numbers.first().is_none_or(|first| *first >= from) {
        return numbers.first().copied();
    }
    numbers.get(numbers.partition_point(|number| *number < from)).copied()
}

fn smaller(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use dunlin_core::rr::RecordType;
    use dunlin_core::testing::query;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::parse::parse_rule;
    use super::super::rules::Rules;

    fn rule(words: &str) -> Option<super::Rule> {
        parse_rule(&words.split(' ').collect::<Vec<_>>()).ok()
    }

    /// What the rules make of a name, as text.
    fn outcome(rules: &Rules, name: &str) -> String {
        let query = query(name, RecordType::A).build();
        let outcome = format!("{:?}", rules.apply(&query).map_err(|error| error.to_string()));
        if rules.ignores(&query) {
            assert_eq!(outcome, "Ok(None)", "{name}");
        }
        outcome
    }

    #[test]
    fn many_rules_of_each_kind_fire_in_the_order_of_the_file() {
        let mut words: Vec<String> = (0..300)
            .flat_map(|at| {
                [
                    format!("continue name exact e{at}.test. s{at}.test."),
                    format!("continue name suffix s{at}.test. {at}.sfx."),
                    format!("continue name prefix p{at}- q{at}-"),
                    format!("continue name substring -b{at}- -c{at}-"),
                    format!("continue name regex ^(r{at})-(.*)$ {{2}}-{{1}}."),
                ]
            })
            .collect();
        words.push("name exact 7.sfx. last.test.".into());
        words.push("name exact last.test. never.test.".into());
        let rules = || words.iter().map(|words| rule(words).unwrap()).collect();
        let (indexed, plain) = (Rules::new(rules()), Rules::unindexed(rules()));
        for name in ["e7.test.", "p9-b9-x.s9.test.", "r299-a-b12-.test.", "none.", ".", "E7.TEST."]
        {
            assert_eq!(outcome(&indexed, name), outcome(&plain, name), "{name}");
        }
        assert!(outcome(&indexed, "e7.test.").contains("[4, 108, 97, 115, 116, 4, "));
    }

    const OPERANDS: [&str; 8] = ["a", "ab", "b.a", "a.", "b", "ba.", "a.b.", "c"];

    proptest! {
        #[test]
        fn the_index_says_what_asking_every_rule_says(
            rules in vec((any::<bool>(), 0..6_usize, 0..8_usize, 0..8_usize), 0..24),
            names in vec("([abc]{1,3}\\.){1,3}", 1..8),
        ) {
            let words: Vec<String> = rules
                .iter()
                .map(|(continues, kind, from, to)| {
                    let start = if *continues { "continue" } else { "stop" };
                    let (from, to) = (OPERANDS[*from], OPERANDS[*to]);
                    match kind {
                        0 => format!("{start} name exact {from} {to}"),
                        1 => format!("{start} name prefix {from} {to}"),
                        2 => format!("{start} name suffix {from} {to}"),
                        3 => format!("{start} name substring {from} {to}"),
                        4 => format!("{start} name regex ^{from}(.*) {{1}}{to}"),
                        _ => format!("{start} ttl suffix {from} 30"),
                    }
                })
                .collect();
            let rules = || words.iter().filter_map(|words| rule(words)).collect();
            let (indexed, plain) = (Rules::new(rules()), Rules::unindexed(rules()));
            for name in names {
                prop_assert_eq!(outcome(&indexed, &name), outcome(&plain, &name), "{:?}", words);
            }
        }
    }
}
