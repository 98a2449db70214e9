//! `dunlin explain`: the examples of its page, and what it does not do.

use std::fs;
use std::path::{Path, PathBuf};

use dunlin_testkit::process::Setup;
use dunlin_testkit::upstream::{Reply, Upstream};

use crate::kit::{Ended, dunlin, run};

/// A fence of a page: its tag and its lines.
struct Fence<'a> {
    tag: &'a str,
    text: Vec<&'a str>,
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explain.md")
}

fn fences(page: &str) -> Vec<Fence<'_>> {
    let mut fences = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(tag) = line.strip_prefix("```") {
            let text = lines.by_ref().take_while(|line| *line != "```").collect();
            fences.push(Fence { tag, text });
        }
    }
    fences
}

/// The upstream of the page: it has one record for each name, and follows aliases among them.
fn upstream(records: &[&str]) -> Upstream {
    let upstream = Upstream::start();
    let owner = |record: &str| record.split(' ').next().unwrap_or_default().to_owned();
    for record in records {
        let mut reply = Reply::new().answer(record);
        let target = record.split(' ').nth(4).unwrap_or_default();
        for followed in records.iter().filter(|other| owner(other) == target) {
            reply = reply.answer(followed);
        }
        upstream.on(&owner(record), reply);
    }
    upstream
}

fn explain(corefile: &str, words: &str) -> Ended {
    let setup = dunlin().argument("explain").file("Corefile", corefile);
    run(words.split(' ').fold(setup, Setup::argument))
}

/// The text with `… ms` in place of each time.
fn masked(text: &str) -> String {
    let mut pieces: Vec<&str> = text.split(" ms").collect();
    let last = pieces.pop().unwrap_or_default();
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let times = pieces.iter().map(|piece| piece.trim_end_matches(is_number).to_owned() + "… ms");
    times.collect::<String>() + last
}

#[test]
fn the_examples_of_the_page_are_what_is_printed() {
    let text = fs::read_to_string(page()).unwrap();
    let fences = fences(&text);
    let records = fences.iter().find(|fence| fence.text.iter().any(|line| line.contains(" IN ")));
    let upstream = upstream(&records.unwrap().text);
    let address = upstream.address().to_string();
    let nobody = dunlin_testkit::ports::closed().to_string();
    let (mut corefile, mut corefiles, mut examples) = (String::new(), 0, 0);
    let mut wrong = Vec::new();
    for fence in &fences {
        if fence.tag == "corefile" {
            let text = fence.text.join("\n").replace("192.0.2.53", &address);
            corefile = text.replace("192.0.2.55", &nobody) + "\n";
            corefiles += 1;
        }
        let Some((command, expected)) = fence.text.split_first() else { continue };
        let Some(words) = command.strip_prefix("$ dunlin explain ") else { continue };
        examples += 1;
        let ended = explain(&corefile, words);
        let found = ended.out.replace(&address, "192.0.2.53:53");
        let found = found.replace(&nobody, "192.0.2.55:53");
        let expected = expected.join("\n") + "\n";
        if ended.status != Some(0) || masked(&found) != masked(&expected) {
            wrong.push(format!("{command}\n{found}{}", ended.err));
        }
    }
    assert!(corefiles >= 10 && examples > corefiles, "{corefiles} Corefiles, {examples} examples");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn offline_nobody_is_asked_and_no_name_resolved() {
    let upstream = Upstream::start();
    for to in [upstream.address().to_string(), "no-such-host.invalid".into()] {
        let corefile = format!(".:53 {{\n  forward . {to} {{\n    health_check 1s\n  }}\n}}\n");
        let ended = explain(&corefile, "a.test --offline --tcp");
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        let failure = "fails: offline: no upstream was asked (SERVFAIL)";
        assert!(ended.out.contains(failure), "{}", ended.out);
    }
    assert_eq!(upstream.count_all(), 0);
}

#[test]
fn no_socket_is_needed() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let corefile = format!(
        ".:{} {{\n  bind 127.0.0.1\n  prometheus {address}\n  health {address}\n  loop\n  whoami\n}}\n",
        address.port()
    );
    let ended = explain(&corefile, "a.test");
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert!(ended.out.contains("\nwhoami "), "{}", ended.out);
}

#[test]
fn programs_get_one_object() {
    let corefile = ".:53 {\n  rewrite type A TXT\n  template ANY TXT {\n    answer \"{{ .Name }} 5 IN TXT x\"\n  }\n  whoami\n}\n";
    let ended = explain(corefile, "a.test -format json -do -from 2001:db8::1");
    let value: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let client = serde_json::json!({
        "name": "a.test", "type": "A", "client": "2001:db8::1", "transport": "udp", "do": true
    });
    assert_eq!(value["query"], client);
    assert_eq!(value["block"]["place"], "Corefile:1");
    let steps = value["steps"].as_array().unwrap();
    let of = |step: usize, key: &str| steps[step][key].clone();
    assert_eq!((of(0, "plugin"), of(0, "outcome")), ("rewrite".into(), "handed on".into()));
    assert_eq!(of(0, "query"), serde_json::json!(["type A -> TXT"]));
    assert_eq!((of(1, "plugin"), of(1, "text")), ("template".into(), "NOERROR aa".into()));
    assert_eq!(of(1, "parent"), 0);
    assert!(of(1, "milliseconds").as_f64().unwrap() > 0.0);
    assert_eq!(value["notReached"], serde_json::json!(["whoami"]));
    assert_eq!(value["reply"]["records"], serde_json::json!(["answer a.test. 5 IN TXT x"]));
    assert_eq!(value["reply"]["edns"], "1232 octets, DO");
}

#[test]
fn programs_get_each_exchange() {
    let upstream = upstream(&["a.test. 5 IN A 192.0.2.1"]);
    let nobody = dunlin_testkit::ports::closed();
    let to = format!("{nobody} {} {{\n    policy sequential\n  }}", upstream.address());
    let ended = explain(&format!(".:53 {{\n  forward . {to}\n}}\n"), "a.test -format json");
    let value: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let exchanges = value["steps"][0]["exchanges"].as_array().unwrap();
    let [first, second] = exchanges.as_slice() else { panic!("{exchanges:?}") };
    let none = serde_json::Value::Null;
    assert_eq!((&first["rcode"], &first["milliseconds"]), (&none, &none));
    assert_eq!(first["upstream"], nobody.to_string());
    let upstream = upstream.address().to_string();
    assert_eq!((&second["upstream"], &second["rcode"]), (&upstream.into(), &"NOERROR".into()));
    assert!(second["milliseconds"].as_f64().unwrap() > 0.0 && second["transport"] == "udp");
}

#[test]
fn mistakes_are_told_on_standard_error() {
    let good = ".:53 {\n  whoami\n}\n";
    // Corefile, arguments, exit status, how standard error begins.
    let table = [
        (".:53 {\n  whoami x\n}\n", "a.test", 1, "plugin/whoami: Corefile:2 - "),
        (good, "a..test", 1, ""),
        (good, "a.test -to :54", 1, "no listener :54; there are dns://:53\n"),
        (good, "-do", 1, "no NAME to ask for; -h tells the usage\n"),
        (good, "a.test -from nobody", 2, "invalid value \"nobody\" for flag -from: parse error\n"),
        (good, "-h", 0, "Usage of dunlin explain:\n"),
    ];
    for (corefile, words, status, lead) in table {
        let ended = explain(corefile, words);
        assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""), "{words}");
        assert!(ended.err.starts_with(lead) && !ended.err.is_empty(), "{words}: {}", ended.err);
    }
}
