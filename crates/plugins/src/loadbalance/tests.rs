//! The acceptance rows of the specification (L01 to L14), then what an order does to the octets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dunlin_core::op::{Message, MessageType, OpCode};
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, Stub, TestBlock, query, stub};
use dunlin_testkit::metrics::value;
use dunlin_testkit::records::record;
use dunlin_testkit::wait::until_async;

use super::setup::parse;
use super::watch::{Failure, WeightFile};
use super::*;

const FIVE: [&str; 6] = [
    "w.test. 60 IN CNAME t.test.",
    "t.test. 60 IN A 192.0.2.1",
    "t.test. 60 IN A 192.0.2.2",
    "t.test. 60 IN A 192.0.2.3",
    "t.test. 60 IN A 192.0.2.4",
    "t.test. 60 IN A 192.0.2.5",
];

/// Answers with these records: of the answer, authority and additional section.
fn upstream(rcode: ResponseCode, sections: [&[&str]; 3]) -> Stub {
    let [answers, authorities, additionals] =
        sections.map(|lines| lines.iter().map(|line| record(line)).collect::<Vec<_>>());
    stub(move |query| {
        let mut reply = query.reply().with_rcode(rcode);
        let message = reply.message_mut().unwrap();
        message.answers.clone_from(&answers);
        message.authorities.clone_from(&authorities);
        message.additionals.clone_from(&additionals);
        // As it comes from a cache or an upstream.
        reply.wire().unwrap();
        Box::pin(async move { Ok(reply) })
    })
}

fn block(text: &str, answers: &[&str]) -> TestBlock {
    let upstream = upstream(ResponseCode::NoError, [answers, &[], &[]]);
    testing::setup(&ENTRY, text).unwrap().before(upstream)
}

async fn ask(block: &mut TestBlock, qtype: RecordType) -> Vec<String> {
    let reply = block.ask(query("w.test.", qtype).tcp()).await.unwrap();
    reply.answers().iter().map(|record| record.data.to_string()).collect()
}

fn last_octets(data: &[String]) -> String {
    data.iter().map(|data| data.rsplit('.').next().unwrap()).collect()
}

#[tokio::test]
async fn l01_the_alias_stays_first_and_addresses_come_in_all_orders() {
    let mut block = block("loadbalance", FIVE.get(..4).unwrap());
    let mut seen = BTreeMap::<String, u32>::new();
    for _ in 0..600 {
        let mut data = ask(&mut block, RecordType::A).await;
        assert_eq!(data.remove(0), "t.test.");
        *seen.entry(last_octets(&data)).or_default() += 1;
    }
    let orders: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(orders, ["123", "132", "213", "231", "312", "321"]);
    // A fair one is below 40 of 600 once in billions of runs.
    assert!(seen.values().all(|count| *count > 40), "{seen:?}");
}

#[tokio::test]
async fn l02_other_records_stand_between_aliases_and_addresses() {
    let answers = [
        "w.test. 60 IN A 192.0.2.1",
        "w.test. 60 IN MX 10 m.test.",
        "w.test. 60 IN CNAME t.test.",
        "w.test. 60 IN TXT x",
    ];
    let expected = ["t.test.", "x", "192.0.2.1", "10 m.test."];
    assert_eq!(ask(&mut block("loadbalance", &answers), RecordType::ANY).await, expected);
    let preferred = "loadbalance {\nprefer 198.51.100.0/24\n}";
    let expected = ["t.test.", "192.0.2.1", "10 m.test.", "x"];
    assert_eq!(ask(&mut block(preferred, &answers), RecordType::ANY).await, expected);
}

#[tokio::test]
async fn l03_preferred_networks_come_first_in_their_order() {
    let text = "loadbalance round_robin {\nprefer 192.0.2.4/32 192.0.2.2/31\n}";
    let mut block = block(text, &FIVE);
    let mut seen = BTreeSet::new();
    while seen.len() < 4 {
        let data = ask(&mut block, RecordType::A).await;
        assert_eq!(data[..2], ["t.test.", "192.0.2.4"]);
        seen.insert(last_octets(&data[2..]));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["2315", "2351", "3215", "3251"]);
}

/// How often each address comes first in 300 draws.
async fn shares(block: &mut TestBlock, qtype: RecordType) -> Vec<u32> {
    let mut counts = vec![0; 3];
    for _ in 0..300 {
        let data = ask(block, qtype).await;
        let first: usize = data[1].rsplit('.').next().unwrap().parse().unwrap();
        counts[first - 1] += 1;
        let rest = last_octets(&data[2..]);
        let kept = ["23", "13", "21"][first - 1];
        assert_eq!(rest, kept, "the others keep their order, but for a swap");
    }
    counts
}

struct File(tempfile::TempDir);

impl File {
    fn new(content: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(content);
        file
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("weights")
    }

    fn write(&self, content: &str) {
        let new = self.0.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.path()).unwrap();
    }

    fn directive(&self, reload: &str) -> String {
        format!("loadbalance weighted {} {{\nreload {reload}\n}}", self.path().display())
    }
}

#[tokio::test(start_paused = true)]
async fn l04_to_l06_the_file_decides_who_comes_first_and_a_bad_one_changes_nothing() {
    let file = File::new("# shares\nT.test\n192.0.2.1 8\n192.0.2.2 1\n\n192.0.2.3 1\n");
    let mut block = block(&file.directive("1s"), FIVE.get(..4).unwrap());
    let failures = |block: &TestBlock| {
        let name = "dunlin_loadbalance_weight_file_failures_total";
        value(&block.metrics().page(), name, &[]).unwrap()
    };
    block.start().await.unwrap();
    let l04 = shares(&mut block, RecordType::A).await;
    assert!(l04[0] > 190 && l04[1] > 5 && l04[2] > 5, "{l04:?}");

    file.write("t.test.\n192.0.2.1 1\n192.0.2.2 1\n192.0.2.3 255\n");
    until_async("the new weights", async || shares(&mut block, RecordType::A).await[2] > 280).await;
    assert_eq!(failures(&block), 0.0);

    for (bad, count) in [("t.test.\n192.0.2.1 0\n", 1.0), ("nonsense x y\n", 2.0)] {
        file.write(bad);
        until_async("the failure", async || failures(&block) == count).await;
        assert!(shares(&mut block, RecordType::A).await[2] > 280);
    }
    block.stop().await;
    // MX is nothing that is weighed.
    let data = ask(&mut block, RecordType::MX).await;
    assert_eq!(last_octets(&data[1..]), "123");
}

#[test]
fn l06_a_bad_content_is_told_once() {
    let metrics = dunlin_core::metrics::Metrics::new(0);
    let failures = metrics.counter("dunlin_test_total", "Failures.", &[]).with(&[]);
    let mut file = WeightFile {
        path: "F".into(),
        reload: std::time::Duration::ZERO,
        weights: Arc::default(),
        failures: failures.clone(),
        seen: None,
    };
    let open = || Err(std::io::ErrorKind::NotFound.into());
    let bad = || Ok(b"x\ny z\n".to_vec());
    let good = || Ok(b"x\n192.0.2.1 2\n".to_vec());
    let told = |result: Result<(), Failure>| result.map_err(|error| error.to_string()).err();
    let address = Some("wrong IP address:\"y\" in weight file F".to_owned());
    let steps = [
        (open(), Some("weight file open error".to_owned()), 1),
        (open(), None, 1),
        (good(), None, 1),
        (bad(), address.clone(), 2),
        (bad(), None, 2),
        (open(), Some("weight file open error".to_owned()), 3),
        (bad(), address, 4),
        (good(), None, 4),
    ];
    for (number, (content, expected, count)) in steps.into_iter().enumerate() {
        assert_eq!(told(file.look(content)), expected, "step {number}");
        assert_eq!(failures.value(), count, "step {number}");
    }
    let weights = Weights::parse("x\n192.0.2.1 2\n", Path::new("F")).unwrap();
    assert_eq!(**file.weights.load(), weights);
}

#[tokio::test]
async fn l07_l08_what_is_wrong_with_the_file_at_start() {
    let at = |text: &str, rest: &str| Some(format!("{text} in weight file F{rest}"));
    let table = [
        ("192.0.2.1", at("wrong domain name:\"192.0.2.1\"", ". (Maybe a missing weight value?)")),
        ("a\nb 1", at("wrong IP address:\"b\"", "")),
        ("a\n192.0.2.1 0", at("wrong weight value:\"0\"", "")),
        ("a\n192.0.2.1 256", at("wrong weight value:\"256\"", "")),
        ("a\n192.0.2.1 +1", at("wrong weight value:\"+1\"", "")),
        ("192.0.2.1 1", at("missing domain name", "")),
        ("  a b c ", at("could not parse weight line:\"a b c\"", "")),
        ("", None),
        ("a..b\n192.0.2.1 1\n#\n\n.\n2001:db8::1 255", None),
    ];
    for (content, expected) in table {
        let file = File::new(content);
        let mut block = block(&file.directive("0s"), &[]);
        let path = file.path().display().to_string();
        let expected = expected.map(|text| {
            format!("plugin/loadbalance: {}", text.replacen(" file F", &format!(" file {path}"), 1))
        });
        assert_eq!(block.start().await.map_err(|error| error.to_string()).err(), expected);
    }
    for (reload, expected) in [("30s", None), ("0s", Some("weight file open error"))] {
        let file = File::new("");
        std::fs::remove_file(file.path()).unwrap();
        let started = block(&file.directive(reload), &[]).start().await;
        let expected = expected.map(|text| format!("plugin/loadbalance: {text}"));
        assert_eq!(started.map_err(|error| error.to_string()).err(), expected, "{reload}");
    }
}

#[test]
fn l09_l10_mistakes_are_told_as_coredns_tells_them() {
    let parsing = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let table = [
        ("loadbalance foo", "unknown policy: foo".to_owned()),
        ("loadbalance round_robin x", parsing(2, "unknown property for round_robin")),
        ("loadbalance weighted", parsing(2, "missing weight file argument")),
        ("loadbalance weighted a b", parsing(2, "unexpected argument(s)")),
        ("loadbalance {\nfoo\n}", parsing(3, "unknown property 'foo'")),
        ("loadbalance {\nreload 1s\n}", parsing(3, "unknown property 'reload'")),
        ("loadbalance {\nprefer x\n}", parsing(3, "invalid CIDR \"x\": invalid CIDR address: x")),
        ("loadbalance weighted W {\nprefer ::/0\n}", parsing(3, "unknown property 'prefer'")),
        ("loadbalance weighted W {\nreload\n}", parsing(3, "reload duration value is missing")),
        ("loadbalance weighted W {\nreload 1s 2s\n}", parsing(3, "unexpected argument")),
        ("loadbalance weighted W {\nreload x\n}", parsing(3, "invalid reload duration 'x'")),
        ("loadbalance weighted W {\nreload -1s\n}", parsing(3, "invalid reload duration '-1s'")),
    ];
    for (text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{text}");
    }
}

#[test]
fn l11_the_last_policy_counts_and_preferences_add_up() {
    let entry = dunlin_core::Entry {
        name: "loadbalance",
        setup: |directive| Err(anyhow::anyhow!("{:?}", parse(directive)?)),
    };
    let parsed = |text: &str| testing::setup(&entry, text).unwrap_err().to_string();
    let table = [
        ("loadbalance", "None", "[]"),
        ("loadbalance\nloadbalance", "None", "[]"),
        ("loadbalance {\nprefer\n}", "None", "[]"),
        (
            "loadbalance {\nprefer ::/0 10.0.0.0/8\nprefer 10.1.0.0/16\n}",
            "None",
            "[::/0, 10.0.0.0/8, 10.1.0.0/16]",
        ),
        ("loadbalance {\nprefer ::/0\n}\nloadbalance", "None", "[::/0]"),
        ("loadbalance {\nprefer ::/0\n}\nloadbalance weighted W", r#"Some(("W", 30s))"#, "[]"),
        ("loadbalance weighted W {\nreload 0\n}", r#"Some(("W", 0ns))"#, "[]"),
        ("loadbalance weighted W\nloadbalance round_robin", "None", "[]"),
    ];
    for (text, weights, preferred) in table {
        let expected = format!("Config {{ weights: {weights}, preferred: {preferred} }}");
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[tokio::test]
async fn l12_l13_denials_and_transfers_are_left_alone() {
    let table =
        [(ResponseCode::NXDomain, RecordType::A), (ResponseCode::NoError, RecordType::AXFR)];
    for (rcode, qtype) in table {
        let upstream = upstream(rcode, [&FIVE, &[], &[]]);
        let mut block = testing::setup(&ENTRY, "loadbalance").unwrap().before(upstream);
        for _ in 0..20 {
            let data = ask(&mut block, qtype).await;
            assert_eq!(last_octets(&data[1..]), "12345", "{rcode} {qtype}");
        }
    }
    let silent = stub(|_| Box::pin(async { Ok(Reply::silence()) }));
    let mut block = testing::setup(&ENTRY, "loadbalance").unwrap().before(silent);
    assert!(block.ask(query("w.test.", RecordType::A)).await.unwrap().is_silence());
}

/// The name server's records are ordered too, in all sections, without a preference for them.
#[tokio::test]
async fn every_section_is_ordered_by_itself() {
    let glue = ["n.test. 60 IN AAAA 2001:db8::1", "n.test. 60 IN AAAA 2001:db8::2"];
    let authority = ["test. 60 IN NS n.test.", "test. 60 IN NS m.test."];
    let upstream = upstream(ResponseCode::NoError, [&FIVE, &authority, &glue]);
    let mut block = testing::setup(&ENTRY, "loadbalance").unwrap().before(upstream);
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let reply = block.ask(query("w.test.", RecordType::A)).await.unwrap();
        assert_eq!(testing::records(reply.authorities()), authority);
        seen.insert(testing::records(reply.additionals()));
    }
}

fn loadbalance(preferred: &[&str]) -> LoadBalance {
    let preferred = preferred.iter().map(|text| text.parse().unwrap()).collect();
    LoadBalance { policy: Policy::RoundRobin, preferred }
}

/// What a reply with these answers becomes if chance always takes the first.
fn arranged(answers: &[&str], loadbalance: &LoadBalance) -> (Vec<String>, bool) {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    message.answers = answers.iter().map(|line| record(line)).collect();
    let mut reply = Reply::from_message(message);
    let before = reply.wire().unwrap().0.to_vec();
    loadbalance.arrange(types::A, &mut reply, |_| 0);
    let in_place = reply.wire().unwrap().0.len() == before.len();
    (testing::records(reply.answers()), in_place)
}

#[test]
fn records_keep_their_owner_and_ttl_wherever_they_go() {
    let table: [(&[&str], &[&str]); 5] = [
        (
            &["a.test. 1 IN A 192.0.2.1", "a.test. 2 IN A 192.0.2.2", "a.test. 3 IN A 192.0.2.3"],
            &["a.test. 2 IN A 192.0.2.2", "a.test. 3 IN A 192.0.2.3", "a.test. 1 IN A 192.0.2.1"],
        ),
        (
            &["a.test. 1 IN A 192.0.2.1", "b.test. 2 IN A 192.0.2.2"],
            &["b.test. 2 IN A 192.0.2.2", "a.test. 1 IN A 192.0.2.1"],
        ),
        (
            &["a.test. 1 IN A 192.0.2.1", "a.test. 2 IN AAAA 2001:db8::1"],
            &["a.test. 2 IN AAAA 2001:db8::1", "a.test. 1 IN A 192.0.2.1"],
        ),
        (
            &["a.test. 1 IN MX 1 m.test.", "a.test. 2 IN MX 2 n.test."],
            &["a.test. 2 IN MX 2 n.test.", "a.test. 1 IN MX 1 m.test."],
        ),
        (
            &["a.test. 1 IN TXT x", "a.test. 1 IN TXT y"],
            &["a.test. 1 IN TXT x", "a.test. 1 IN TXT y"],
        ),
    ];
    for (answers, expected) in table {
        assert_eq!(arranged(answers, &loadbalance(&[])).0, expected);
    }
    // The decoder's reading of a message is that of the octets, in any order.
    let (records, in_place) = arranged(&FIVE, &loadbalance(&["192.0.2.5/32"]));
    assert!(in_place);
    assert_eq!(records[1], "t.test. 60 IN A 192.0.2.5");
}

#[test]
fn a_signed_message_and_a_broken_record_are_left_alone() {
    let mut bytes = vec![0, 1, 0x80, 0, 0, 0, 0, 2, 0, 0, 0, 1];
    for last in [1, 2] {
        bytes.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, last]);
    }
    let tsig = [&bytes[..], &[0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]].concat();
    // Another owner forces decoding, and an AAAA of class CH with four octets does not decode.
    let broken =
        [&bytes[..12], &[1, b'a', 0], &bytes[13..], &[0, 0, 33, 0, 1, 0, 0, 0, 0, 0, 1, 0]]
            .concat();
    for (octets, changes) in [(tsig, false), (broken, false)] {
        let Ok(mut reply) = Reply::from_wire(octets.clone().into()) else { continue };
        loadbalance(&[]).arrange(types::A, &mut reply, |_| 0);
        assert_eq!(reply.wire().unwrap().0 != octets, changes);
    }
}

#[tokio::test]
async fn l14_every_hit_of_a_cache_is_ordered_anew() {
    // The cache stands behind it and gives the same octets each time.
    let mut block = block("loadbalance", &FIVE);
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        seen.insert(last_octets(&ask(&mut block, RecordType::A).await[1..]));
    }
}
