//! `name [exact|prefix|suffix|substring|regex] FROM TO [ANSWER...]`.

use anyhow::{anyhow, bail, ensure};
use dunlin_core::corefile::go::quote;

use super::MAX_REGEX;
use crate::rewrite::matching::{Matching, Pattern};
use crate::rewrite::names::{canonical, normalized};
use crate::rewrite::response::{Mapping, ResponseRule};
use crate::rewrite::rule::NameRule;

pub(super) fn parse(words: &[&str]) -> anyhow::Result<NameRule> {
    let (kind, from, to, answers) = match words {
        [from, to] => ("exact".to_owned(), *from, *to, &[][..]),
        [kind, from, to, answers @ ..] => (kind.to_ascii_lowercase(), *from, *to, answers),
        _ => bail!("too few arguments for a name rule"),
    };
    let answers =
        if answers.is_empty() { Answers::default() } else { parse_answers(&kind, answers)? };
    let mut rule = NameRule {
        matching: Matching::Exact(String::new()),
        to: normalized(to),
        reverts: answers.is_auto,
        answers: answers.rules,
    };
    rule.matching = match kind.as_str() {
        "exact" => {
            let from = normalized(from);
            // CoreDNS reads the new name as an expression and refuses what is none.
            parse_pattern(&rule.to, &from)?;
            rule.reverts = true;
            Matching::Exact(canonical(&from))
        }
        // Operands are literal: a dot at the end would hardly ever be in the middle of a name.
        "prefix" => {
            rule.to = to.to_ascii_lowercase();
            Matching::Prefix(from.to_ascii_lowercase())
        }
        "substring" => {
            rule.to = to.to_ascii_lowercase();
            Matching::Substring(from.to_ascii_lowercase())
        }
        "suffix" => {
            let from = normalized(from);
            if std::mem::take(&mut rule.reverts) {
                rule.answers.splice(0..0, ends_back(&from, &rule.to));
            }
            Matching::Suffix(from)
        }
        "regex" => Matching::Regex(parse_pattern(from, to)?),
        _ => bail!(
            "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: {kind}"
        ),
    };
    Ok(rule)
}

/// The end of a name can be put back wherever it stands.
fn ends_back(from: &str, to: &str) -> [ResponseRule; 2] {
    let mapping = || Mapping::Suffix { from: to.to_owned(), to: from.to_owned() };
    [ResponseRule::Name(mapping()), ResponseRule::Value(mapping())]
}

/// An expression, and a text that uses its groups.
fn parse_pattern(pattern: &str, to: &str) -> anyhow::Result<Pattern> {
    let length = pattern.len();
    ensure!(length <= MAX_REGEX, "regex pattern too long: {length} > {MAX_REGEX}");
    let compiled = Pattern::new(pattern);
    let compiled = compiled.ok_or_else(|| anyhow!("invalid regex matching pattern: {pattern}"))?;
    let used = (0..=100).filter(|group| to.contains(&format!("{{{group}}}"))).count();
    ensure!(
        used <= compiled.groups(),
        "the rewrite regex pattern ({to}) uses more subexpressions than its corresponding matching regex pattern ({pattern})"
    );
    Ok(compiled)
}

#[derive(Debug, Default)]
struct Answers {
    is_auto: bool,
    rules: Vec<ResponseRule>,
}

/// `[answer] auto | [answer] name REGEX TO | [answer] value REGEX TO`, with `answer` in front of the
/// first.
fn parse_answers(kind: &str, words: &[&str]) -> anyhow::Result<Answers> {
    ensure!(words.len() >= 2, "invalid arguments for {kind} rule");
    ensure!(
        words.first() == Some(&"answer"),
        "exceeded the number of arguments for a non-answer rule argument for {kind} rule"
    );
    let mut answers = Answers::default();
    let mut has_names = false;
    let mut rest = words;
    while !rest.is_empty() {
        rest = rest.strip_prefix(&["answer"]).unwrap_or(rest);
        let Some((what, after)) = rest.split_first() else {
            bail!("type missing for answer rule for {kind} rule");
        };
        rest = after;
        let is_name = match *what {
            "auto" => {
                answers.is_auto = true;
                continue;
            }
            "name" => true,
            "value" => false,
            _ => bail!("invalid type {} for answer rule for {kind} rule", quote(what)),
        };
        let [from, to, after @ ..] = rest else {
            bail!("{what} answer rule for {kind} rule: 2 arguments required");
        };
        let pattern = parse_pattern(from, to)
            .map_err(|error| anyhow!("{what} answer rule for {kind} rule: {error}"))?;
        let mapping = Mapping::Regex { pattern, to: normalized(to) };
        answers.rules.push(match is_name {
            true => ResponseRule::Name(mapping),
            false => ResponseRule::Value(mapping),
        });
        has_names |= is_name;
        rest = after;
    }
    ensure!(
        !(answers.is_auto && has_names),
        "auto name answer rule cannot be combined with explicit name anwer rules"
    );
    Ok(answers)
}
