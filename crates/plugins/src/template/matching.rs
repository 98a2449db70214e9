//! Which template is for a query.

use dunlin_core::Query;
use dunlin_core::edns::ExtendedError;
use dunlin_core::mnemonic;
use dunlin_core::op::ResponseCode;
use dunlin_core::sieve::Sieve;
use dunlin_core::wire::{PLAIN_ROOM, Presentation};
use dunlin_core::zones::{Fallthrough, Zone, Zones};
use regex::bytes::Regex;

use super::conditions::{Conditions, Outcome, Variables};
use super::engine::Template;

/// One directive: for which queries, and what they get.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) zones: Zones,
    /// 255 for all.
    pub(super) qclass: u16,
    /// 255 for all.
    pub(super) qtype: u16,
    /// One of them has to match; never empty.
    pub(super) patterns: Vec<Regex>,
    /// All of them at once.
    pub(super) sieve: Option<Sieve>,
    /// What else has to hold of a name that matches.
    pub(super) conditions: Conditions,
    pub(super) answer: Vec<Template>,
    pub(super) additional: Vec<Template>,
    pub(super) authority: Vec<Template>,
    pub(super) rcode: ResponseCode,
    pub(super) extended_error: Option<ExtendedError>,
    pub(super) fallthrough: Fallthrough,
}

/// What a template says about a query.
#[derive(Debug)]
pub(super) enum Verdict<'t> {
    /// The next template, or plugin, is asked.
    Next,
    /// No expression matches, or a condition has no answer, and nothing else may answer.
    Miss,
    /// It answers.
    Match(Found<'t>),
}

/// What matched.
#[derive(Debug)]
pub(super) struct Found<'t> {
    pub(super) zone: &'t str,
    /// QNAME in lower case.
    pub(super) name: String,
    pub(super) pattern: &'t Regex,
    /// The whole match, then the groups, with their names; empty if they took no part.
    pub(super) groups: Vec<(Option<&'t str>, String)>,
    pub(super) variables: Variables<'t>,
    /// Empty if it has no name.
    pub(super) class: &'static str,
    /// Empty if it has no name.
    pub(super) kind: &'static str,
}

/// QCLASS and QTYPE ANY.
pub(super) const ANY: u16 = 255;

impl Answers {
    /// Whether the next template, or plugin, is asked, as far as that can be told quickly. `true` is
    /// certain.
    pub(super) fn ignores(&self, query: &Query) -> bool {
        if self.zone(query).is_none() {
            return true;
        }
        let mut room = [0; PLAIN_ROOM];
        let name = Presentation(query.qname()).plain(&mut room);
        let matches_none =
            name.zip(self.sieve.as_ref()).is_some_and(|(name, sieve)| !sieve.may_match(name));
        matches_none && self.fallthrough.through(query)
    }

    /// The zone of the name; none if this is not about such a question.
    fn zone(&self, query: &Query) -> Option<&Zone> {
        let is_fit = fits(self.qclass, query.qclass_code()) && fits(self.qtype, query.qtype_code());
        if is_fit { self.zones.of(query) } else { None }
    }

    pub(super) fn judge(&self, query: &Query) -> Verdict<'_> {
        let Some(zone) = self.zone(query) else { return Verdict::Next };
        let name = Presentation(query.qname()).to_string();
        for pattern in &self.patterns {
            let Some(captures) = pattern.captures(name.as_bytes()) else { continue };
            let groups = pattern.capture_names().zip(captures.iter()).map(|(label, group)| {
                let text =
                    group.map(|group| String::from_utf8_lossy(group.as_bytes()).into_owned());
                (label, text.unwrap_or_default())
            });
            let groups: Vec<_> = groups.collect();
            let variables = match self.conditions.judge(query, &groups) {
                Outcome::Holds(variables) => variables,
                // As if nothing had matched: the other expressions are not asked.
                Outcome::Fails => break,
                // CoreDNS does not let this through either.
                Outcome::Broken => return Verdict::Miss,
            };
            let class = mnemonic::class(named(self.qclass, query.qclass_code()));
            let kind = mnemonic::rtype(named(self.qtype, query.qtype_code()));
            return Verdict::Match(Found {
                zone: zone.as_str(),
                pattern,
                groups,
                variables,
                class: class.unwrap_or_default(),
                kind: kind.unwrap_or_default(),
                name,
            });
        }
        if self.fallthrough.through(query) { Verdict::Next } else { Verdict::Miss }
    }
}

fn fits(own: u16, asked: u16) -> bool {
    own == ANY || asked == ANY || own == asked
}

/// A query for ANY shows what the template is for.
fn named(own: u16, asked: u16) -> u16 {
    if asked == ANY { own } else { asked }
}
