//! The words of a rule. Texts of mistakes are CoreDNS', slips of the pen included.

use anyhow::{anyhow, bail, ensure};
use dunlin_core::corefile::go::quote;
use dunlin_core::mnemonic::{class_named, rcode_named, type_named};

mod edns;
mod name;

use super::matching::{Matching, Pattern};
use super::names::{canonical, normalized};
use super::response::ResponseRule;
use super::rule::{Action, Rule};

/// A rule from its words.
pub(super) fn parse_rule(arguments: &[&str]) -> anyhow::Result<Rule> {
    let Some((first, rest)) = arguments.split_first() else {
        bail!("no rule type specified for rewrite");
    };
    let first_word = first.to_ascii_lowercase();
    let (continues, kind, rest) = match first_word.as_str() {
        mode @ ("continue" | "stop") => {
            let Some((kind, rest)) = rest.split_first() else {
                bail!("{mode} rule must begin with a rule type");
            };
            (mode == "continue", kind.to_ascii_lowercase(), rest)
        }
        _ => (false, first_word.clone(), rest),
    };
    let action = match kind.as_str() {
        "answer" => bail!("response rewrites must begin with a name rule"),
        "name" => Action::Name(name::parse(rest)?),
        "type" => parse_type(rest)?,
        "class" => parse_class(rest)?,
        "ttl" => parse_ttl(rest)?,
        "rcode" => parse_rcode(rest)?,
        "cname" => Action::EveryReply(parse_cname(rest)?),
        "edns0" => Action::Edns(edns::parse(rest)?),
        _ => bail!("invalid rule type {}", quote(first)),
    };
    Ok(Rule { continues, action })
}

fn parse_type(words: &[&str]) -> anyhow::Result<Action> {
    let [from, to] = words else { bail!("type rules must have exactly two arguments") };
    let number = |word: &str| {
        let word = word.to_ascii_uppercase();
        type_named(&word).ok_or_else(|| anyhow!("invalid type {}", quote(&word)))
    };
    Ok(Action::Type { from: number(from)?, to: number(to)? })
}

fn parse_class(words: &[&str]) -> anyhow::Result<Action> {
    let [from, to] = words else { bail!("class rules must have exactly two arguments") };
    let number = |word: &str| {
        let word = word.to_ascii_uppercase();
        class_named(&word).ok_or_else(|| anyhow!("invalid class {}", quote(&word)))
    };
    Ok(Action::Class { from: number(from)?, to: number(to)? })
}

fn parse_ttl(words: &[&str]) -> anyhow::Result<Action> {
    ensure!(words.len() >= 2, "too few ({}) arguments for a ttl rule", words.len());
    let (condition, bounds) = match words {
        [name, bounds] => (Some(["exact", name]), *bounds),
        [kind, name, bounds] => (Some([*kind, name]), *bounds),
        _ => (None, ""),
    };
    let Some((min, max)) = ttl_bounds(bounds) else {
        bail!("invalid TTL '{bounds}' for a ttl rule");
    };
    let Some(condition) = condition else { bail!("many few arguments for a ttl rule") };
    Ok(Action::Reply(parse_condition(condition, "ttl")?, ResponseRule::Ttl { min, max }))
}

/// `5`, `5-10`, `-10`, `5-`.
fn ttl_bounds(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| dunlin_core::corefile::go::parse_uint32(text).ok();
    let Some((min, max)) = text.split_once('-') else {
        return number(text).map(|ttl| (ttl, ttl));
    };
    let bounds = match (min, max) {
        ("", "") => return None,
        ("", max) => (0, number(max)?),
        (min, "") => (number(min)?, MAX_TTL),
        (min, max) => (number(min)?, number(max)?),
    };
    (bounds.0 <= bounds.1).then_some(bounds)
}

/// RFC 2181 §8.
const MAX_TTL: u32 = 2_147_483_647;

fn parse_rcode(words: &[&str]) -> anyhow::Result<Action> {
    ensure!(words.len() >= 3, "too few ({}) arguments for a rcode rule", words.len());
    let (condition, from, to) = match words {
        [name, from, to] => (Some(["exact", name]), *from, *to),
        [kind, name, from, to] => (Some([*kind, name]), *from, *to),
        _ => (None, "", ""),
    };
    let number = |word: &str, place: &str| {
        let number = word.parse().ok().filter(|number| *number <= 23);
        let number = number.filter(|_| word.bytes().all(|octet| octet.is_ascii_digit()));
        number
            .or_else(|| rcode_named(&word.to_ascii_uppercase()))
            .ok_or_else(|| anyhow!("invalid {place} RCODE '{word}' for a rcode rule"))
    };
    let response =
        ResponseRule::Rcode { from: number(from, "matching")?, to: number(to, "replacement")? };
    let Some(condition) = condition else { bail!("many few arguments for a rcode rule") };
    Ok(Action::Reply(parse_condition(condition, "rcode")?, response))
}

/// Match type and NAME of a ttl or rcode rule.
fn parse_condition([kind, name]: [&str; 2], rule: &str) -> anyhow::Result<Matching> {
    Ok(match kind.to_ascii_lowercase().as_str() {
        "exact" => Matching::Exact(canonical(&normalized(name))),
        "prefix" => Matching::Prefix(name.to_ascii_lowercase()),
        "suffix" => Matching::Suffix(normalized(name)),
        "substring" => Matching::Substring(name.to_ascii_lowercase()),
        "regex" => {
            let length = name.len();
            ensure!(
                length <= MAX_REGEX,
                "regex pattern too long in a {rule} rule: {length} > {MAX_REGEX}"
            );
            let pattern = Pattern::new(name);
            Matching::Regex(
                pattern.ok_or_else(|| anyhow!("invalid regex pattern in a {rule} rule: {name}"))?,
            )
        }
        _ => bail!(
            "{rule} rule supports only exact, prefix, suffix, substring, and regex name matching"
        ),
    })
}

/// Octets of an expression as written.
const MAX_REGEX: usize = 10_000;

fn parse_cname(words: &[&str]) -> anyhow::Result<ResponseRule> {
    let (kind, from, to) = match words {
        [from, to] => ("exact".to_owned(), *from, *to),
        [kind, from, to] => (kind.to_ascii_lowercase(), *from, *to),
        _ => bail!("too few ({}) arguments for a cname rule", words.len()),
    };
    let (from, mut to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    let matching = match kind.as_str() {
        "exact" => {
            to = normalized(&to);
            Matching::Exact(canonical(&normalized(&from)))
        }
        "prefix" => Matching::Prefix(from),
        "suffix" => Matching::Suffix(from),
        "substring" => Matching::Substring(from),
        "regex" => {
            let length = from.len();
            ensure!(
                length <= MAX_REGEX,
                "regex pattern too long in a cname rule: {length} > {MAX_REGEX}"
            );
            let pattern = Pattern::new(&from);
            Matching::Regex(
                pattern.ok_or_else(|| anyhow!("invalid cname rewrite regex pattern: {from}"))?,
            )
        }
        _ => bail!("unknown cname rewrite type: {kind}"),
    };
    Ok(ResponseRule::Cname { matching, to })
}
