//! The list of rules and what it makes of a query.
//!
//! Rules run in the order of the file, each on what the ones before have made of the question, and
//! each once: the list cannot loop. Exact names are found in an index, so that a list of many such
//! rules costs what one of them costs; the order is that of the file all the same.

use std::collections::HashMap;

use dunlin_core::change::Change;
use dunlin_core::op::ResponseCode;
use dunlin_core::{Query, Result};
use foldhash::fast::RandomState;
use regex::bytes::{RegexSet, SetMatches};

use super::matching::Matching;
use super::question::Question;
use super::response::{Collected, ResponseRule};
use super::rule::{Action, NameRule, Rule};

/// All rules of a server block.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// Numbers of the rules for one name, in order.
    exact: HashMap<String, Vec<usize>, RandomState>,
    /// Numbers of all other rules, in order.
    others: Vec<usize>,
    /// All expressions at once, if there are many: most names match none of them.
    patterns: Option<Patterns>,
}

#[derive(Debug)]
struct Patterns {
    set: RegexSet,
    /// The place in the set of each rule's expression, by the number of the rule.
    places: Vec<Option<usize>>,
}

/// What the common matcher found for a name, once it was asked; `None` inside means nothing.
type Matches = Option<Option<SetMatches>>;

/// How far the two lists of rules have been walked: those for the name, and all others.
#[derive(Debug, Default)]
struct Walk {
    named: usize,
    others: usize,
}

/// Fewer expressions are as fast one by one.
const MIN_PATTERNS: usize = 4;

/// What the rules say about a query.
#[derive(Debug)]
pub(super) struct Fired<'r> {
    /// What to ask in its place.
    pub(super) change: Option<Change>,
    /// What to do to the reply, in the order of the rules.
    pub(super) responses: Vec<Collected<'r>>,
}

impl Fired<'_> {
    /// What becomes of the rcode of a reply without records.
    pub(super) fn rcode(&self, rcode: ResponseCode) -> ResponseCode {
        self.responses.iter().rev().fold(rcode, |rcode, response| match response {
            Collected::Fixed(ResponseRule::Rcode { from, to }) if u16::from(rcode) == *from => {
                rcode_of(*to)
            }
            _ => rcode,
        })
    }
}

/// The rcode with this number.
pub(super) fn rcode_of(number: u16) -> ResponseCode {
    let [high, low] = (number << 4).to_be_bytes();
    ResponseCode::from(high, low >> 4)
}

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let mut exact: HashMap<String, Vec<usize>, RandomState> = HashMap::default();
        let mut others = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            match rule.action.matching() {
                Some(Matching::Exact(name)) => exact.entry(name.clone()).or_default().push(number),
                _ => others.push(number),
            }
        }
        let patterns = Patterns::of(&rules);
        Self { rules, exact, others, patterns }
    }

    /// Runs the list. `None` if nothing is to be done about the query.
    ///
    /// # Errors
    /// `invalid name after rewrite: TEXT`
    pub(super) fn apply(&self, query: &Query) -> Result<Option<Fired<'_>>> {
        let mut question = Question::of(query);
        let mut responses = Vec::new();
        let mut named = self.named(&question.name);
        let mut matches: Matches = None;
        let mut walk = Walk::default();
        while let Some((number, rule)) = self.next(&mut walk, named) {
            if self.cannot_match(number, &question.name, &mut matches) {
                continue;
            }
            if !fire(&rule.action, &mut question, &mut responses)? {
                continue;
            }
            if !rule.continues {
                break;
            }
            if matches!(rule.action, Action::Name(_)) {
                named = self.named(&question.name);
                walk.named = named.partition_point(|known| *known <= number);
                matches = None;
            }
        }
        let change = question.into_change()?;
        let is_nothing = change.is_none() && responses.is_empty();
        Ok((!is_nothing).then_some(Fired { change, responses }))
    }

    fn named(&self, name: &str) -> &[usize] {
        self.exact.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The next rule that may match.
    fn next(&self, walk: &mut Walk, named: &[usize]) -> Option<(usize, &Rule)> {
        let (one, other) = (named.get(walk.named), self.others.get(walk.others));
        let is_named = one.is_some_and(|one| other.is_none_or(|other| one < other));
        let number = if is_named {
            walk.named += 1;
            *one?
        } else {
            walk.others += 1;
            *other?
        };
        Some((number, self.rules.get(number)?))
    }

    /// Whether the common matcher denies this rule's expression. `matches` is what it found for
    /// the name, once it was asked.
    fn cannot_match(&self, number: usize, name: &str, matches: &mut Matches) -> bool {
        let Some(patterns) = &self.patterns else { return false };
        let Some(Some(place)) = patterns.places.get(number) else { return false };
        let found = matches.get_or_insert_with(|| patterns.find(name.as_bytes()));
        !found.as_ref().is_some_and(|found| found.matched(*place))
    }
}

impl Patterns {
    fn of(rules: &[Rule]) -> Option<Self> {
        let patterns = rules.iter().enumerate().filter_map(|(number, rule)| {
            let Some(Matching::Regex(pattern)) = rule.action.matching() else { return None };
            pattern.is_ascii.then_some((number, pattern.as_str()))
        });
        let (numbers, texts): (Vec<usize>, Vec<&str>) = patterns.unzip();
        if numbers.len() < MIN_PATTERNS {
            return None;
        }
        // All of them together may be too large: then it is one by one.
        let set = regex::bytes::RegexSetBuilder::new(texts).unicode(false).build().ok()?;
        let mut places = vec![None; rules.len()];
        for (place, number) in numbers.into_iter().enumerate() {
            if let Some(slot) = places.get_mut(number) {
                *slot = Some(place);
            }
        }
        Some(Self { set, places })
    }

    /// Which expressions match; finding that none does is cheap.
    fn find(&self, name: &[u8]) -> Option<SetMatches> {
        self.set.is_match(name).then(|| self.set.matches(name))
    }
}

/// Lets a rule do what it does; `false` if it does not match.
fn fire<'r>(
    action: &'r Action,
    question: &mut Question<'_>,
    responses: &mut Vec<Collected<'r>>,
) -> Result<bool> {
    match action {
        Action::Name(rule) => return rename(rule, question, responses),
        Action::Type { from, to } => {
            if question.qtype != *from {
                return Ok(false);
            }
            question.qtype = *to;
        }
        Action::Class { from, to } => {
            if question.qclass != *from {
                return Ok(false);
            }
            question.qclass = *to;
        }
        Action::Edns(rule) => return Ok(rule.apply(question)),
        Action::Reply(matching, response) => {
            if !matching.matches(&question.name) {
                return Ok(false);
            }
            responses.push(Collected::Fixed(response));
        }
        Action::EveryReply(response) => responses.push(Collected::Fixed(response)),
    }
    Ok(true)
}

fn rename<'r>(
    rule: &'r NameRule,
    question: &mut Question<'_>,
    responses: &mut Vec<Collected<'r>>,
) -> Result<bool> {
    let Some(to) = rule.matching.replace(&question.name, &rule.to) else { return Ok(false) };
    let from = question.name.clone();
    question.rename(&to)?;
    if rule.reverts {
        responses.push(Collected::Remap { from: to, to: from });
    }
    responses.extend(rule.answers.iter().map(Collected::Fixed));
    Ok(true)
}
