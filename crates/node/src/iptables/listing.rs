//! What `iptables -S CHAIN` prints, as far as it is about rules like ours.

use std::net::IpAddr;

use crate::rules::{End, Protocol, Rule, Table};

/// How often the listing of a rule's chain has the rule. Other people's rules, and forms that are not
/// known, are no rules of ours.
pub(super) fn count(listing: &str, rule: &Rule) -> usize {
    listing.lines().filter(|line| is_rule(line, rule)).count()
}

fn is_rule(line: &str, rule: &Rule) -> bool {
    parse(line, rule).is_some_and(|parsed| {
        let comment = match rule.table {
            Table::Raw => "NodeLocal DNS Cache: skip conntrack",
            Table::Filter => "NodeLocal DNS Cache: allow DNS traffic",
        };
        parsed.comment == comment
            && parsed.address == Some((rule.end, rule.address))
            && parsed.port == Some((rule.end, rule.port))
            && parsed.protocol == Some(rule.protocol)
            && parsed.has_target
    })
}

#[derive(Default)]
struct Parsed {
    protocol: Option<Protocol>,
    address: Option<(End, IpAddr)>,
    port: Option<(End, u16)>,
    comment: String,
    has_target: bool,
}

/// `None` if there is a word that none of our rules has.
fn parse(line: &str, rule: &Rule) -> Option<Parsed> {
    let words = words(line);
    let mut words = words.iter().map(String::as_str);
    if (words.next()?, words.next()?) != ("-A", rule.chain.name()) {
        return None;
    }
    let mut parsed = Parsed::default();
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("-p", Some("tcp")) => parsed.protocol = Some(Protocol::Tcp),
            ("-p", Some("udp")) => parsed.protocol = Some(Protocol::Udp),
            ("-m", Some("tcp" | "udp" | "comment")) => {}
            ("-s", Some(text)) => parsed.address = Some((End::Source, host(text)?)),
            ("-d", Some(text)) => parsed.address = Some((End::Destination, host(text)?)),
            ("--sport", Some(text)) => parsed.port = Some((End::Source, text.parse().ok()?)),
            ("--dport", Some(text)) => parsed.port = Some((End::Destination, text.parse().ok()?)),
            ("--comment", Some(text)) => text.clone_into(&mut parsed.comment),
            ("-j", Some("ACCEPT")) => parsed.has_target = rule.table == Table::Filter,
            ("-j", Some("NOTRACK")) => parsed.has_target = rule.table == Table::Raw,
            // Newer ones show the same target by another name.
            ("-j", Some("CT")) if words.next() == Some("--notrack") => {
                parsed.has_target = rule.table == Table::Raw;
            }
            _ => return None,
        }
    }
    Some(parsed)
}

/// An address with the prefix length of a host, or none.
fn host(text: &str) -> Option<IpAddr> {
    match text.split_once('/') {
        None => text.parse().ok(),
        Some((address, length)) => {
            let address: IpAddr = address.parse().ok()?;
            let whole = if address.is_ipv4() { "32" } else { "128" };
            (length == whole).then_some(address)
        }
    }
}

/// Words with blanks between; those in double quotes may have blanks inside.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;
    use crate::rules::rules;

    fn first_of(local: &str) -> Rule {
        let mut flags = Flags::default();
        flags.value("localip", local).unwrap();
        rules(&flags.check().unwrap()).swap_remove(0)
    }

    #[test]
    fn a_rule_is_found_in_every_form_that_it_is_shown_in() {
        let skip = "NodeLocal DNS Cache: skip conntrack";
        let good = [
            format!(
                "-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 53 -m comment --comment \"{skip}\" -j NOTRACK"
            ),
            format!(
                "-A PREROUTING -d 10.0.0.1/32 -p tcp -m tcp --dport 53 -m comment --comment \"{skip}\" -j CT --notrack"
            ),
            format!(
                "-A PREROUTING -p tcp -d 10.0.0.1 --dport 53 -j NOTRACK -m comment --comment \"{skip}\""
            ),
        ];
        let bad = [
            "-P PREROUTING ACCEPT".to_owned(),
            String::new(),
            good[0].replace("PREROUTING", "OUTPUT"),
            good[0].replace("10.0.0.1/32", "10.0.0.0/24"),
            good[0].replace("10.0.0.1", "10.0.0.2"),
            good[0].replace("tcp", "udp"),
            good[0].replace("53", "54"),
            good[0].replace("skip", "slip"),
            good[0].replace("-j NOTRACK", "-j ACCEPT"),
            good[0].replace("-j NOTRACK", "-i eth0 -j NOTRACK"),
            good[1].replace("--notrack", "--zone"),
        ];
        let rule = first_of("10.0.0.1");
        for line in &good {
            assert_eq!(count(line, &rule), 1, "{line}");
        }
        for line in &bad {
            assert_eq!(count(line, &rule), 0, "{line}");
        }
        assert_eq!(count(&good.join("\n"), &rule), 3);
        let v6 = good[0].replace("10.0.0.1/32", "fd00::a/128");
        assert_eq!(count(&v6, &first_of("fd00:0::a")), 1);
    }
}
