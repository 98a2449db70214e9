//! The list of rules and what it makes of a query.
//!
//! Rules run in the order of the file, each on what the ones before have made of the question, and
//! each once: the list cannot loop. Rules for names are found in an index, so that a list of many costs
//! what one of them costs; the order is that of the file all the same.

use dunlin_core::change::Change;
use dunlin_core::op::ResponseCode;
use dunlin_core::{Query, Result};

use super::index::{Index, Walk};
use super::passing::Passing;
use super::question::Question;
use super::response::{Collected, ResponseRule};
use super::rule::{Action, NameRule, Rule};

/// All rules of a server block.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    index: Index,
    /// Numbers of the rules that are not in the index, in order.
    others: Vec<usize>,
    passing: Passing,
}

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
        let (index, others) = Index::of(&rules);
        let passing = Passing::of(&rules);
        Self { rules, index, others, passing }
    }

    /// Rules that are all asked one by one, to compare with.
    #[cfg(test)]
    pub(super) fn unindexed(rules: Vec<Rule>) -> Self {
        let others = (0..rules.len()).collect();
        Self { rules, index: Index::default(), others, passing: Passing::never() }
    }

    /// Whether nothing is to be done about the query; a look that costs little. `true` is certain.
    pub(super) fn ignores(&self, query: &Query) -> bool {
        self.passing.lets_pass(&self.index, query)
    }

    /// Runs the list. `None` if nothing is to be done about the query.
    ///
    /// # Errors
    /// `invalid name after rewrite: TEXT`
    pub(super) fn apply(&self, query: &Query) -> Result<Option<Fired<'_>>> {
        let mut question = Question::of(query);
        let mut responses = Vec::new();
        let mut has_fired = false;
        let mut walk = Walk::new(&self.index, &self.others, &question);
        while let Some(rule) = walk.next(&question).and_then(|number| self.rules.get(number)) {
            if !fire(&rule.action, &mut question, &mut responses)? {
                continue;
            }
            has_fired = true;
            if !rule.continues {
                break;
            }
            if matches!(rule.action, Action::Name(_)) {
                walk.renamed(&question);
            }
        }
        if !has_fired && !question.is_changed() {
            return Ok(None);
        }
        let change = question.into_change()?;
        let is_nothing = change.is_none() && responses.is_empty();
        Ok((!is_nothing).then_some(Fired { change, responses }))
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
            if !matching.matches(question.name()) {
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
    let Some(to) = rule.matching.replace(question.name(), &rule.to) else { return Ok(false) };
    let from = question.name().to_owned();
    question.rename(&to)?;
    if rule.reverts {
        responses.push(Collected::Remap { from: to, to: from });
    }
    responses.extend(rule.answers.iter().map(Collected::Fixed));
    Ok(true)
}
