//! The acceptance rows of the specification in their order (G01 to G14), then formats in more
//! detail; lines as a whole are tested beside their code.

use std::net::Ipv4Addr;
use std::time::Duration;

use dunlin_core::op::ResponseCode;
use dunlin_core::replacer::{self, text};
use dunlin_core::rr::rdata::{A, NS, SOA};
use dunlin_core::rr::{Name, RData, RecordType};
use dunlin_core::testing::{self, Stub, TestBlock, TestQuery, query, stub};
use dunlin_core::wire::Flags;
use dunlin_core::{Entry, Error, Query, Reply, Result};

use super::*;

/// Stands in for `metadata`, which a plugin's tests cannot use.
const METADATA: Entry = Entry {
    name: "metadata",
    setup: |directive| {
        directive.parts().metadata = Some(directive.zones());
        Ok(())
    },
};

fn block(text: &str) -> anyhow::Result<TestBlock> {
    testing::block(&[METADATA, ENTRY], text)
}

/// Answers by the first label: `a` with an address, `nx` and so on with what they say.
fn upstream() -> Stub {
    stub(|query| Box::pin(async { answer(query) }))
}

fn answer(query: &Query) -> Result<Reply> {
    if let Some(metadata) = query.metadata() {
        metadata.set("forward/upstream", "192.0.2.53:53");
    }
    let name = query.name().clone();
    let text = name.to_ascii();
    let label = text.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let mut reply = query.reply();
    reply.set_flag(Flags::RA, true);
    let soa = SOA::new(name.clone(), Name::root(), 1, 2, 3, 4, 5);
    Ok(match label.as_str() {
        "fail" => return Err(Error::new("it broke")),
        "refuse" => return Err(Error::new("no").with_rcode(ResponseCode::Refused)),
        "silent" => Reply::silence(),
        "nx" => reply.with_rcode(ResponseCode::NXDomain),
        "nxsoa" => reply.with_rcode(ResponseCode::NXDomain).authority(name, 60, RData::SOA(soa)),
        "nodata" => reply.authority(name, 60, RData::SOA(soa)),
        "empty" => reply,
        "referral" => reply.authority(name.clone(), 60, RData::NS(NS(name))),
        _ => reply.answer(name, 60, RData::A(A(Ipv4Addr::new(192, 0, 2, 1)))),
    })
}

/// The lines that these queries leave behind.
async fn lines(text: &str, queries: Vec<TestQuery>) -> Vec<String> {
    let mut block = block(text).unwrap().before(upstream());
    for query in queries {
        _ = block.ask(query).await;
    }
    block.lines()
}

async fn line(text: &str, query: TestQuery) -> String {
    lines(text, vec![query]).await.join("|")
}

fn a(name: &str) -> TestQuery {
    query(name, RecordType::A)
}

#[tokio::test(start_paused = true)]
async fn g01_to_g05_the_line_is_that_of_coredns() {
    let start = "[INFO] 127.0.0.1:40000 - 4660";
    let table = [
        ("log", a("a.test."), r#""A IN a.test. udp 24 false 512" NOERROR qr,rd,ra 46 0s"#),
        (
            "log",
            a("a2.test.").tcp(),
            r#""A IN a2.test. tcp 25 false 65535" NOERROR qr,rd,ra 48 0s"#,
        ),
        (
            "log",
            a("a.test.").edns(1232).dnssec_ok().option(65001, &[0; 16]),
            r#""A IN a.test. udp 55 true 1232" NOERROR qr,rd,ra 46 0s"#,
        ),
        ("log", a("fail.test."), r#""A IN fail.test. udp 27 false 512" SERVFAIL qr,rd 27 0s"#),
        ("log", a("refuse.test."), r#""A IN refuse.test. udp 29 false 512" REFUSED qr,rd 29 0s"#),
        (
            "log",
            a("fail.test.").opcode(4),
            r#""A IN fail.test. udp 27 false 512" SERVFAIL qr 27 0s"#,
        ),
        (
            "log",
            a("fail.test.").flag(Flags::CD, true).flag(Flags::RD, false).flag(Flags::AD, true),
            r#""A IN fail.test. udp 27 false 512" SERVFAIL qr,cd 27 0s"#,
        ),
        ("log", a("silent.test."), r#""A IN silent.test. udp 29 false 512" - - 0 0s"#),
        (
            "log . {combined}",
            a("A.Test."),
            r#""A IN a.test. udp 24 false 512" NOERROR qr,rd,ra 46 0s "0""#,
        ),
    ];
    for (text, query, end) in table {
        assert_eq!(line(text, query).await, format!("{start} {end}"), "{text}");
    }
}

#[tokio::test]
async fn g06_classes_select() {
    let queries = || ["a", "nxsoa", "nx", "empty", "fail", "silent"].map(a).into();
    let table = [
        ("denial", "nxsoa. nx."),
        ("denial error", "nxsoa. nx. fail. silent."),
        ("success", "a. empty."),
        ("error", "fail. silent."),
        ("all", "a. nxsoa. nx. empty. fail. silent."),
        ("success all", "a. nxsoa. nx. empty. fail. silent."),
    ];
    for (classes, logged) in table {
        let text = format!("log . {{name}} {{\nclass {classes}\n}}");
        let found = lines(&text, queries()).await.join(" ").replace("[INFO] ", "");
        assert_eq!(found, logged, "{classes}");
    }
}

#[tokio::test]
async fn g07_the_first_rule_that_fits_decides() {
    let text = "log a.test {name}\nlog test {name}:{type} {\nclass denial\n}\nlog . {type}";
    let queries = vec![a("a.test."), a("b.test."), a("nx.test."), a("other.")];
    let expected = ["[INFO] a.test.", "[INFO] nx.test.:A", "[INFO] A"];
    assert_eq!(lines(text, queries).await, expected);
}

#[tokio::test]
async fn g08_metadata_of_others_shows() {
    let format = r#"log . "up={/forward/upstream} x={/nope/x} e={/}""#;
    let with = line(&format!("metadata\n{format}"), a("a.test.")).await;
    assert_eq!(with, "[INFO] up=192.0.2.53:53 x=- e=-");
    assert_eq!(line(format, a("a.test.")).await, "[INFO] up=- x=- e=-");
}

#[tokio::test]
async fn g09_type_and_class_are_metadata() {
    let table = [
        ("a", "success NOERROR"),
        ("empty", "success NOERROR"),
        ("nodata", "denial NODATA"),
        ("nx", "denial NXDOMAIN"),
        ("referral", "success DELEGATION"),
        ("fail", "error SERVERERROR"),
        ("refuse", "error OTHERERROR"),
        ("silent", "error OTHERERROR"),
    ];
    for (name, expected) in table {
        let text = "metadata\nlog . \"{/log/class} {/log/type}\"";
        assert_eq!(line(text, a(name)).await, format!("[INFO] {expected}"), "{name}");
    }
}

#[test]
fn g10_what_is_wrong_is_refused() {
    let arguments = "Corefile:3 - Error during parsing: \
        Wrong argument count or unexpected line ending after 'class'";
    let table = [
        ("log . {\nclass foo\n}", "invalid Class: foo"),
        ("log . {\nclass\n}", arguments),
        ("log . {\nfoo\n}", "Corefile:3 - Error during parsing: unknown property 'foo'"),
    ];
    for (text, error) in table {
        assert_eq!(block(text).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn g11_arguments_are_scopes_and_perhaps_a_format() {
    let check = |text: &'static str, scopes: &[&str], format: &str| {
        let rules = rules_of(text);
        let found: Vec<&str> = rules.iter().map(|rule| rule.scope.as_str()).collect();
        assert_eq!(found, scopes, "{text}");
        assert!(rules.iter().all(|rule| rule.format == Format::compile(format)), "{text}");
    };
    check("log", &["."], Format::COMMON);
    check("log Example.ORG", &["example.org."], Format::COMMON);
    check("log {name}", &["{name}."], Format::COMMON);
    check("log a b c {common}", &["a.", "b.", "c."], Format::COMMON);
    check("log a b {name}", &["a.", "b."], "{name}");
    check("log a {name} b", &["a.", "{name}.", "b."], Format::COMMON);
    check("log a\nlog b", &["a.", "b."], Format::COMMON);
    check("log a..b c", &["c."], Format::COMMON);
}

/// The setup hands its rules to nobody but the chain, so the test listens at the parser.
fn rules_of(text: &str) -> Vec<Rule> {
    thread_local! {
        static RULES: std::cell::RefCell<Vec<Rule>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let setup = |directive: &mut dunlin_core::Directive<'_>| {
        RULES.set(setup::parse(directive)?);
        Ok(())
    };
    testing::setup(&Entry { name: "log", setup }, text).unwrap();
    RULES.take()
}

#[tokio::test]
async fn g12_the_size_of_the_reply_excludes_an_opt_that_is_yet_to_come() {
    let plain = line("log . {rsize}", a("a.test.")).await;
    assert_eq!(line("log . {rsize}", a("a.test.").edns(1232)).await, plain);
}

#[tokio::test]
async fn g13_queries_outside_all_scopes_are_not_logged() {
    let queries = vec![a("a.test."), a("xexample.org."), a("Www.Example.ORG."), a("example.org.")];
    let expected = ["[INFO] www.example.org.", "[INFO] example.org."];
    assert_eq!(lines("log example.org {name}", queries).await, expected);
}

#[tokio::test]
async fn g14_ipv6_addresses_stand_in_brackets() {
    let from = |client| a("a.test.").from(client);
    let text = "log . \"{remote}:{port} {local}\"";
    assert_eq!(line(text, from("[::1]:53123")).await, "[INFO] [::1]:53123 127.0.0.1");
    let expected = "[INFO] [2001:db8::a]:53123 127.0.0.1";
    assert_eq!(line(text, from("[2001:db8::a]:53123")).await, expected);
}

#[tokio::test]
async fn formats_keep_what_is_no_placeholder() {
    let table = [
        ("{name}", "a.test."),
        ("x{name}y{type}z", "xa.test.yAz"),
        ("{{name}}", "{a.test.}"),
        ("{ {name} }", "{ a.test. }"),
        ("{nope} {name}", "{nope} a.test."),
        ("a } {name}", "a } a.test."),
        ("{name", "{name"),
        ("{>id} {>opcode} {>do} {>bufsize}", "4660 0 false 512"),
        ("{Type}{>ID}", "{Type}{>ID}"),
        ("{}", "{}"),
        ("one{common}", "one127.0.0.1:40000 - 4660"),
        ("tab\tand\nfeed{", "tab\tand\\010feed{"),
    ];
    for (format, expected) in table {
        let found = line(&format!("log . \"{format}\""), a("a.test.")).await;
        let found = found.strip_prefix("[INFO] ").unwrap();
        assert!(found.starts_with(expected), "{format}: {found}");
        assert!(format.contains("common") || found == expected, "{format}: {found}");
    }
}

#[tokio::test]
async fn unknown_codes_show_their_numbers() {
    let text = "log . \"{type} {class}\"";
    assert_eq!(
        line(text, query("a", RecordType::Unknown(65399)).class(7)).await,
        "[INFO] TYPE65399 CLASS7"
    );
    assert_eq!(line(text, query("a", RecordType::ANY).class(3)).await, "[INFO] ANY CH");
    let mut out = Vec::new();
    for rcode in [0, 3, 12, 16, 23, 3841] {
        replacer::append_rcode(rcode, &mut out);
        out.push(b' ');
    }
    assert_eq!(out, b"NOERROR NXDOMAIN 12 BADSIG BADCOOKIE 3841 ");
}

#[test]
fn durations_are_the_shortest_decimals() {
    let table = [
        (0, "0"),
        (1, "0.000000001"),
        (53_781, "0.000053781"),
        (556_550, "0.00055655"),
        (100_000_000, "0.1"),
        (1_000_000_000, "1"),
        (5_000_400_000, "5.0004"),
        (12_345_678_901, "12.345678901"),
    ];
    for (nanos, expected) in table {
        let mut out = Vec::new();
        text::seconds(&mut out, Duration::from_nanos(nanos));
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
