//! The Corefile side: `acl [ZONES...] { allow|block|filter|drop [type QTYPE...] [net SOURCE...] }`.

use std::net::IpAddr;
use std::sync::Arc;

use dunlin_core::corefile::go::quote;
use dunlin_core::zones::Zones;
use dunlin_core::{Directive, Entry, mnemonic};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Acl;
use super::metrics::{Denial, Numbers};
use super::rule::{Action, Policy, QTypes, Rule};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "acl", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let parsed = parse(directive)?;
    let zones = parsed.iter().map(|(zones, _)| zones.clone()).collect();
    let rules = parsed.into_iter().map(|(zones, policies)| Rule::new(zones, policies)).collect();
    let numbers = Arc::new(Numbers::new(directive.metrics(), zones));
    directive.add(Acl { rules, numbers: Arc::clone(&numbers) });
    directive.parts().hooks.on_start(async move |context| {
        numbers.make_room(context.sites.len());
        Ok(())
    });
    Ok(())
}

/// The zones and the policies of each occurrence.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Vec<(Zones, Vec<Policy>)>> {
    let mut rules = Vec::new();
    while directive.next() {
        let arguments = directive.remaining_args();
        let zones = directive.zones_or_block(&arguments);
        let mut policies = Vec::new();
        while directive.next_block() {
            policies.push(policy(directive)?);
        }
        rules.push((zones, policies));
    }
    Ok(rules)
}

fn policy(directive: &mut Directive<'_>) -> anyhow::Result<Policy> {
    let action = match directive.val().to_ascii_lowercase().as_str() {
        "allow" => Action::Allow,
        "block" => Action::Deny(Denial::Block),
        "filter" => Action::Deny(Denial::Filter),
        "drop" => Action::Deny(Denial::Drop),
        _ => {
            let token = quote(directive.val());
            let expected = "expect 'allow', 'block', 'filter' or 'drop'";
            return Err(directive.error(format!("unexpected token {token}; {expected}")).into());
        }
    };
    let arguments = directive.remaining_args();
    let (qtypes, sources) = conditions(&arguments).map_err(|text| directive.error(text))?;
    Ok(Policy {
        action,
        qtypes: qtypes.unwrap_or(QTypes::All),
        sources: sources.unwrap_or_else(everybody),
    })
}

type Conditions = (Option<QTypes>, Option<Vec<IpNet>>);

/// `type` and `net` sections, in any order and number; `None` for one that is not there.
fn conditions(mut arguments: &[&str]) -> Result<Conditions, String> {
    let (mut qtypes, mut sources): Conditions = (None, None);
    while let [section, rest @ ..] = arguments {
        let Some(kind) = Section::of(section) else {
            return Err(format!("unexpected token {}; expect 'type | net'", quote(section)));
        };
        let end = rest.iter().position(|word| Section::of(word).is_some()).unwrap_or(rest.len());
        let (words, after) = rest.split_at(end);
        if words.is_empty() {
            let section = quote(&section.to_ascii_lowercase());
            return Err(format!("no token specified in {section} section"));
        }
        match kind {
            Section::Type => add_qtypes(qtypes.get_or_insert(QTypes::These(Vec::new())), words)?,
            Section::Net => add_sources(sources.get_or_insert_default(), words)?,
        }
        arguments = after;
    }
    Ok((qtypes, sources))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Type,
    Net,
}

impl Section {
    fn of(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "type" => Some(Self::Type),
            "net" => Some(Self::Net),
            _ => None,
        }
    }
}

/// Behind a `*` nothing is looked at, as in CoreDNS.
fn add_qtypes(qtypes: &mut QTypes, words: &[&str]) -> Result<(), String> {
    for word in words {
        if *word == "*" {
            *qtypes = QTypes::All;
            return Ok(());
        }
        let code = mnemonic::type_named(word)
            .ok_or_else(|| format!("unexpected token {}; expect legal QTYPE", quote(word)))?;
        if let QTypes::These(codes) = qtypes
            && !codes.contains(&code)
        {
            codes.push(code);
        }
    }
    Ok(())
}

/// As [`add_qtypes`].
fn add_sources(sources: &mut Vec<IpNet>, words: &[&str]) -> Result<(), String> {
    for word in words {
        if *word == "*" {
            *sources = everybody();
            return Ok(());
        }
        sources.push(network(word)?);
    }
    Ok(())
}

fn everybody() -> Vec<IpNet> {
    vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
}

/// A network in CIDR form, or a single address.
fn network(word: &str) -> Result<IpNet, String> {
    let text = match word {
        _ if word.contains('/') => word.to_owned(),
        _ if word.contains(':') => format!("{word}/128"),
        _ => format!("{word}/32"),
    };
    let network: IpNet =
        text.parse().map_err(|_| format!("illegal CIDR notation {}", quote(&text)))?;
    Ok(canonical(network.trunc()))
}

/// IPv4 addresses in IPv6 form are IPv4 addresses: queries over a dual-stack socket look alike.
fn canonical(network: IpNet) -> IpNet {
    let length = network.prefix_len().checked_sub(MAPPED_PREFIX_LEN);
    match (network.addr().to_canonical(), length) {
        (IpAddr::V4(address), Some(length)) if network.addr().is_ipv6() => {
            Ipv4Net::new(address, length).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

/// Bits before the IPv4 address in a mapped IPv6 address (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX_LEN: u8 = 96;
