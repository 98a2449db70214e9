//! How states differ, and what the report makes of the runs of plugins that do odd things.

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_core::{
    Directive, Entry, Error, Next, Plugin, Query, Registry, Reply, Result, async_trait,
};

use super::state::{QueryState, RecordState, ReplyState};
use super::*;
use crate::config::Origin;

#[test]
fn changes_of_a_query_have_a_line_each() {
    let plain = || query("a.test", RecordType::A);
    let state = |query: Query| QueryState::of(&query);
    let table: [(QueryState, QueryState, &[&str]); 6] = [
        (state(plain().build()), state(plain().build()), &[]),
        (
            state(plain().build()),
            state(query("b.test", RecordType::AAAA).class(3).tcp().build()),
            &[
                "name a.test. -> b.test.",
                "type A -> AAAA",
                "class IN -> CH",
                "transport udp -> tcp",
            ],
        ),
        (
            state(plain().build()),
            state(plain().edns(1232).option(65_001, b"x").build()),
            &["EDNS added, 1232 octets", "EDNS option +65001=0x78"],
        ),
        (
            state(plain().edns(4096).dnssec_ok().option(3, b"").build()),
            state(plain().edns(512).option(3, b"ab").build()),
            &["EDNS size 4096 -> 512", "flag -DO", "EDNS option -3", "EDNS option +3=0x6162"],
        ),
        (state(plain().edns(512).build()), state(plain().build()), &["EDNS removed"]),
        (
            state(plain().build()),
            state({
                let mut query = plain().build();
                query.set_flag(Flags::AD, true);
                query.add_reply_option(3, b"n");
                query
            }),
            &["flag +AD", "EDNS option for the reply +3=0x6e"],
        ),
    ];
    for (from, to, lines) in table {
        assert_eq!(changes::of_query(&from, &to), lines, "{from:?} {to:?}");
    }
}

#[test]
fn changes_of_records_say_what_is_other() {
    let record = |name: &str, ttl: u32, data: &str| RecordState {
        name: name.into(),
        ttl,
        rest: format!("IN A {data}"),
    };
    let reply = |answers: &[RecordState]| ReplyState {
        sections: [answers.to_vec(), Vec::new(), Vec::new()],
        ..ReplyState::default()
    };
    let one = record("a.", 5, "192.0.2.1");
    let two = record("a.", 5, "192.0.2.2");
    let (only_one, only_two) = ([one.clone()], [two.clone()]);
    let table: [(&[_], &[_], &[&str]); 8] = [
        (&only_one, &only_one, &[]),
        (&[one.clone(), two.clone()], &[two.clone(), one.clone()], &["answer in another order"]),
        (&only_one, &[record("a.", 9, "192.0.2.1")], &["answer a. 5 IN A 192.0.2.1 -> TTL 9"]),
        (&only_one, &[record("b.", 5, "192.0.2.1")], &["answer a. 5 IN A 192.0.2.1 -> b."]),
        (&only_one, &only_two, &["answer a. 5 IN A 192.0.2.1 -> IN A 192.0.2.2"]),
        (
            &only_one,
            &[record("b.", 9, "192.0.2.1")],
            &["answer - a. 5 IN A 192.0.2.1", "answer + b. 9 IN A 192.0.2.1"],
        ),
        (&[one.clone(), one.clone()], &only_one, &["answer - a. 5 IN A 192.0.2.1"]),
        (&[], &only_two, &["answer + a. 5 IN A 192.0.2.2"]),
    ];
    for (from, to, lines) in table {
        assert_eq!(changes::of_reply(&reply(from), &reply(to)), lines);
    }
}

/// A plugin that does what its directive is called.
struct Does(&'static str);

#[async_trait]
impl Plugin for Does {
    fn name(&self) -> &'static str {
        self.0
    }

    fn asks_upstreams(&self, query: &Query) -> bool {
        self.0 == "asks" && query.qtype() != RecordType::TXT
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        match self.0 {
            "tells" => {
                query.metadata().unwrap().set("tells/before", "1");
                assert_eq!(query.metadata().unwrap().get("tells/before"), None);
                let reply = next.run(query).await;
                query.metadata().unwrap().set("tells/behind", "2");
                reply
            }
            "twice" => {
                next.run(query).await?;
                next.run(query).await
            }
            "replaces" => {
                next.run(query).await?;
                Ok(query.error(ResponseCode::NXDomain))
            }
            "fails" => Err(Error::new("it never works").with_rcode(ResponseCode::Refused)),
            "panics" => panic!("a mistake"),
            "silent" => Ok(Reply::silence()),
            "detached" => {
                let (rest, mut later) = (next.detach(), query.duplicate());
                tokio::spawn(async move { rest.run(&mut later).await }).await.unwrap()
            }
            _ => Ok(query.reply().authoritative()),
        }
    }
}

macro_rules! entries {
    ($($name:literal),+) => {
        vec![$(Entry {
            name: $name,
            setup: |directive: &mut Directive<'_>| {
                directive.no_arguments()?;
                directive.add(Does($name));
                Ok(())
            },
        }),+]
    };
}

fn setup(corefile: &str) -> Setup {
    let entries = entries![
        "tells", "twice", "replaces", "fails", "panics", "silent", "detached", "asks", "answers"
    ];
    Setup {
        origin: Origin::Stdin(corefile.as_bytes().to_vec()),
        port: 53,
        registry: Registry::new(entries),
        fallback: String::new(),
    }
}

fn question(name: &str) -> Question {
    Question {
        name: name.into(),
        qtype: 1,
        client: "192.0.2.7:4000".parse().unwrap(),
        transport: Transport::Udp,
        dnssec_ok: false,
        listener: None,
    }
}

async fn explained(corefile: &str, asks: Upstreams, question: &Question) -> Explanation {
    let explainer = Explainer::new(&setup(corefile), asks).await.unwrap();
    let found = explainer.ask(question).await.unwrap();
    explainer.stop().await;
    found
}

/// `DEPTH plugin: outcome`.
fn lines(found: &Explanation) -> Vec<String> {
    let line = |step: &Step| {
        let Step { depth, plugin, outcome, .. } = step;
        format!("{depth} {plugin}: {outcome:?}")
    };
    found.steps.iter().map(line).collect()
}

#[tokio::test]
async fn each_run_of_a_plugin_is_told_with_what_came_of_it() {
    // Directives, the runs, what was not reached, whether a reply is sent.
    let answers = "0 answers: Answered(\"NOERROR aa\")";
    let table: [(&str, &[&str], &[&str], bool); 7] = [
        ("answers", &[answers], &[], true),
        (
            "twice\n answers",
            &[
                "0 twice: HandedOn",
                "1 answers: Answered(\"NOERROR aa\")",
                "1 answers: Answered(\"NOERROR aa\")",
            ],
            &[],
            true,
        ),
        ("replaces\n answers", &["0 replaces: Answered(\"NXDOMAIN\")", answers], &[], true),
        (
            "tells\n fails\n answers",
            &["0 tells: HandedOn", "0 fails: Failed(\"it never works (REFUSED)\")"],
            &["answers"],
            true,
        ),
        ("panics\n answers", &["0 panics: Unfinished"], &["answers"], true),
        ("silent", &["0 silent: Silent"], &[], false),
        ("detached\n answers", &["0 detached: Answered(\"NOERROR aa\")", answers], &[], true),
    ];
    for (directives, runs, not_reached, is_sent) in table {
        let corefile = format!(". {{\n {directives}\n}}\n");
        let found = explained(&corefile, Upstreams::Asked, &question("a.test")).await;
        assert_eq!(lines(&found), runs, "{directives}");
        assert_eq!(found.not_reached, not_reached, "{directives}");
        assert_eq!(found.reply.is_some(), is_sent, "{directives}");
    }
}

#[tokio::test]
async fn who_would_ask_an_upstream_does_not_offline() {
    let mut question = question("a.test");
    let table = [
        (Upstreams::Asked, 1, "0 asks: Answered(\"NOERROR aa\")"),
        (Upstreams::Offline, 1, "0 asks: Failed(\"offline: no upstream was asked (SERVFAIL)\")"),
        (Upstreams::Offline, 16, "0 asks: Answered(\"NOERROR aa\")"),
    ];
    for (asks, qtype, line) in table {
        question.qtype = qtype;
        let found = explained(". {\n asks\n}\n", asks, &question).await;
        assert_eq!(lines(&found), [line]);
    }
}

#[tokio::test]
async fn metadata_are_told_by_whom_they_come_from_and_read_by_nobody() {
    let found =
        explained(". {\n tells\n answers\n}\n", Upstreams::Asked, &question("a.test")).await;
    let told: Vec<_> = found.steps.iter().map(|step| step.metadata.clone()).collect();
    let pair = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    assert_eq!(told, [vec![pair("tells/before", "1"), pair("tells/behind", "2")], Vec::new()]);
    assert!(found.metadata.is_empty());
}

#[tokio::test]
async fn the_place_is_the_longest_zone_of_the_listener() {
    let corefile =
        ".:53 test:53 {\n answers\n}\na.test:53 {\n twice\n answers\n}\nb:54 {\n answers\n}\n";
    let found = explained(corefile, Upstreams::Asked, &question("x.A.test")).await;
    let zones: Vec<_> =
        found.candidates.iter().map(|zone| format!("{} {}", zone.zone, zone.place)).collect();
    assert_eq!(zones, ["a.test. /dev/stdin:4", "test. /dev/stdin:1", ". /dev/stdin:1"]);
    assert_eq!((found.listener.as_str(), found.place.as_str()), ("dns://:53", "/dev/stdin:4"));
    assert_eq!(found.other_listeners, ["dns://:54"]);

    let mut other = question("a.test");
    for listener in ["dns://:54", ":54"] {
        other.listener = Some(listener.into());
        let found = explained(corefile, Upstreams::Asked, &other).await;
        assert!(found.steps.is_empty() && found.site.is_none() && found.place.is_empty());
        assert_eq!(found.reply.unwrap().header, "REFUSED");
    }
    other.listener = Some(":55".into());
    let explainer = Explainer::new(&setup(corefile), Upstreams::Asked).await.unwrap();
    let error = explainer.ask(&other).await.unwrap_err().to_string();
    assert_eq!(error, "no listener :55; there are dns://:53, dns://:54");
    assert!(explainer.ask(&question("a..b")).await.is_err());
}
