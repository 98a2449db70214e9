//! Rows of the specification, in their order; then the compiled rules against a naive model.

use std::net::IpAddr;

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, query, stub};
use dunlin_core::zones::Zones;
use dunlin_testkit::metrics::value;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;

use super::ENTRY;
use super::metrics::Denial;
use super::rule::{Action, Policy, QTypes, Rule};

async fn block(keys: &str, text: &str) -> TestBlock {
    let behind = stub(|query| Box::pin(async move { Ok(query.error(ResponseCode::NXDomain)) }));
    let block = testing::block_for(keys, &[ENTRY], text, &Default::default());
    let mut block = block.unwrap().before(behind);
    block.start().await.unwrap();
    block
}

/// `pass`, `drop`, or rcode and INFO-CODE.
async fn ask(block: &mut TestBlock, name: &str, qtype: RecordType, client: &str) -> String {
    let asked = query(name, qtype).from(&format!("{client}:4000"));
    let reply = block.ask(asked).await.unwrap();
    match reply.extended_error() {
        _ if reply.is_silence() => "drop".into(),
        Some(error) => {
            assert!(reply.answers().is_empty());
            format!("{:?} {}", reply.rcode(), error.code)
        }
        None => {
            assert_eq!(reply.rcode(), ResponseCode::NXDomain);
            "pass".into()
        }
    }
}

#[tokio::test]
async fn the_first_policy_that_matches_decides() {
    use RecordType::{A, AAAA, TXT};
    let block_a = "acl {\n block type A net 127.0.0.0/8\n}";
    let nested = "acl {\n allow net 127.0.1.0/24\n block net 127.0.0.0/8\n}";
    let only = "acl {\n allow net 127.0.0.1\n block\n}";
    let silent = "acl {\n block net 10.0.0.0/8\n}\nacl {\n filter type *\n}";
    let words = "acl {\n BLOCK Type A AAAA type MX NET 10.0.0.0/8 net * 1.2.3.4 junk\n}";
    let v6 = "acl {\n drop net 2001:db8::/32 fe80::1\n allow\n}\nacl {\n block\n}";
    let table = [
        ("A01", block_a, A, "127.0.0.1", "Refused 15"),
        ("A02", block_a, AAAA, "127.0.0.1", "pass"),
        ("", block_a, A, "10.0.0.1", "pass"),
        ("A03", "acl {\n filter type A net 127.0.0.0/8\n}", A, "127.0.0.1", "NoError 17"),
        ("A04", "acl {\n drop net 127.0.0.1\n}", TXT, "127.0.0.1", "drop"),
        ("A05", nested, A, "127.0.1.1", "pass"),
        ("A05", nested, A, "127.0.0.1", "Refused 15"),
        ("A06", only, A, "127.0.0.1", "pass"),
        ("A06", only, A, "127.0.0.2", "Refused 15"),
        ("A06", only, A, "[2001:db8::1]", "Refused 15"),
        ("A08", silent, A, "127.0.0.1", "NoError 17"),
        ("A08", silent, A, "10.0.0.1", "Refused 15"),
        ("", words, AAAA, "1.1.1.1", "Refused 15"),
        ("", words, RecordType::MX, "[::1]", "Refused 15"),
        ("", words, TXT, "10.0.0.1", "pass"),
        ("", v6, A, "[2001:db8:1::1]", "drop"),
        ("", v6, A, "[fe80::1]", "drop"),
        ("", v6, A, "[fe80::2]", "pass"),
        ("", "acl {\n block net ::ffff:10.0.0.0/104\n}", A, "10.1.2.3", "Refused 15"),
        ("", "acl {\n block net 10.0.0.0/8\n}", A, "[::ffff:10.0.0.1]", "Refused 15"),
        ("", "acl {\n block net 10.9.9.9/8\n}", A, "10.0.0.1", "Refused 15"),
        ("", "acl", A, "10.0.0.1", "pass"),
    ];
    for (row, text, qtype, client, expected) in table {
        let mut block = block(".", text).await;
        let found = ask(&mut block, "www.example.org.", qtype, client).await;
        assert_eq!(found, expected, "{row} {text} {qtype} {client}");
    }
}

#[tokio::test]
async fn a07_names_outside_of_the_zones_pass() {
    let mut block = block("example.org", "acl A.example.org {\n block\n}").await;
    for (name, expected) in [
        ("a.example.org.", "Refused 15"),
        ("x.A.example.org.", "Refused 15"),
        ("b.example.org.", "pass"),
        ("xa.example.org.", "pass"),
    ] {
        assert_eq!(ask(&mut block, name, RecordType::A, "10.0.0.1").await, expected, "{name}");
    }
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let expect = "expect 'allow', 'block', 'filter' or 'drop'";
    let table = [
        ("A09", "block type a", "unexpected token \"a\"; expect legal QTYPE".to_owned()),
        ("A09", "block type A TYPE65", "unexpected token \"TYPE65\"; expect legal QTYPE".into()),
        ("A10", "block net x", "illegal CIDR notation \"x/32\"".into()),
        ("A10", "block net 10.0.0.0/33", "illegal CIDR notation \"10.0.0.0/33\"".into()),
        ("A10", "block net 1.2.3.4 ::x", "illegal CIDR notation \"::x/128\"".into()),
        ("A11", "block foo", "unexpected token \"foo\"; expect 'type | net'".into()),
        ("A12", "deny", format!("unexpected token \"deny\"; {expect}")),
        ("A13", "block net", "no token specified in \"net\" section".into()),
        ("A13", "block TYPE net *", "no token specified in \"type\" section".into()),
    ];
    for (row, line, expected) in table {
        let error = testing::setup(&ENTRY, &format!("acl {{\n {line}\n}}")).unwrap_err();
        let expected = format!("Corefile:3 - Error during parsing: {expected}");
        assert_eq!(format!("{error:#}"), expected, "{row} {line}");
    }
}

#[tokio::test]
async fn denials_are_counted_by_zone_and_what_passes_by_server() {
    let text =
        "acl a.test b.test {\n block net 10.0.0.1\n filter net 10.0.0.2\n drop net 10.0.0.3\n}";
    let mut block = block("test", text).await;
    for (name, client) in [
        ("x.a.test.", 1),
        ("b.test.", 1),
        ("x.b.test.", 2),
        ("a.test.", 3),
        ("a.test.", 4),
        ("test.", 1),
    ] {
        ask(&mut block, name, RecordType::A, &format!("10.0.0.{client}")).await;
    }
    let page = block.metrics().page();
    let server = ("server", "dns://:53");
    for (name, zone, expected) in [
        ("blocked", "a.test.", Some(1.0)),
        ("blocked", "b.test.", Some(1.0)),
        ("filtered", "a.test.", None),
        ("filtered", "b.test.", Some(1.0)),
        ("dropped", "a.test.", Some(1.0)),
    ] {
        let name = format!("coredns_acl_{name}_requests_total");
        assert_eq!(
            value(&page, &name, &[server, ("zone", zone), ("view", "")]),
            expected,
            "{name} {zone}"
        );
    }
    let allowed = value(&page, "coredns_acl_allowed_requests_total", &[server, ("view", "")]);
    assert_eq!(allowed, Some(2.0));
}

/// A block that nobody started counts all the same.
#[tokio::test]
async fn counts_do_not_need_a_start() {
    let mut block = testing::setup(&ENTRY, "acl {\n block\n}").unwrap();
    block.ask(query("a.", RecordType::A)).await.unwrap();
    let name = "coredns_acl_blocked_requests_total";
    assert_eq!(value(&block.metrics().page(), name, &[("zone", ".")]), Some(1.0));
}

fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let network = prop::sample::select(vec![
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.1.2.3/32",
        "::/0",
        "2001:db8::/32",
        "2001:db8::1/128",
    ]);
    let qtypes = prop_oneof![
        Just(QTypes::All),
        vec(prop::sample::select(vec![1_u16, 28, 16]), 1..3).prop_map(QTypes::These),
    ];
    let action = prop::sample::select(vec![
        Action::Allow,
        Action::Deny(Denial::Block),
        Action::Deny(Denial::Drop),
    ]);
    let sources = vec(network.prop_map(|text| text.parse().unwrap()), 1..4);
    let policy = (action, qtypes, sources).prop_map(|(action, qtypes, sources)| Policy {
        action,
        qtypes,
        sources,
    });
    vec(policy, 0..30)
}

proptest! {
    #[test]
    fn the_trie_finds_what_a_walk_over_the_policies_finds(policies in policies()) {
        let matches = |policy: &Policy, client: IpAddr, qtype: u16| {
            let by_type = match &policy.qtypes {
                QTypes::All => true,
                QTypes::These(codes) => codes.contains(&qtype),
            };
            by_type && policy.sources.iter().any(|network: &IpNet| network.contains(&client))
        };
        let rule = Rule::new(Zones::default(), policies.clone());
        for client in ["10.1.2.3", "10.1.2.4", "10.1.3.1", "10.2.0.1", "1.1.1.1", "::1", "2001:db8::1", "2001:db8::2"] {
            let client: IpAddr = client.parse().unwrap();
            for qtype in [1, 28, 16, 15] {
                let first = policies.iter().find(|policy| matches(policy, client, qtype));
                let expected = first.map(|policy| policy.action);
                prop_assert_eq!(rule.action(client, qtype), expected, "{} {}", client, qtype);
            }
        }
    }
}
