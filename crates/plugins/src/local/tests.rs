//! Rows of the specification.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, query, records, stub};
use dunlin_core::wire::Flags;
use dunlin_testkit::metrics::value;

use super::{ENTRY, names};

/// `next`, or rcode, answers, and authorities behind a bar.
async fn ask(block: &mut testing::TestBlock, name: &str, qtype: RecordType) -> String {
    let mut reply = block.ask(query(name, qtype)).await.unwrap();
    if reply.flags().has(Flags::AD) {
        return "next".into();
    }
    assert!(!reply.flags().has(Flags::AA | Flags::RA));
    let short = |record: String| record.replace(" 604800 IN", "");
    let rcode = format!("{:?}", reply.rcode());
    let answers: Vec<String> = records(reply.answers()).into_iter().map(short).collect();
    let authorities: Vec<String> = records(reply.authorities()).into_iter().map(short).collect();
    reply.wire().unwrap();
    [vec![rcode], answers, authorities.into_iter().map(|text| format!("| {text}")).collect()]
        .concat()
        .join(" ")
}

fn block(text: &str) -> testing::TestBlock {
    let behind = stub(|query| {
        Box::pin(async move {
            let mut reply = query.reply();
            reply.set_flag(Flags::AD, true);
            Ok(reply)
        })
    });
    testing::setup(&ENTRY, text).unwrap().before(behind)
}

#[tokio::test]
async fn names_of_this_machine_are_answered() {
    use RecordType::{A, AAAA, MX, NS, PTR, SOA, TXT};
    let on = "local";
    let off = "local {\n localhost_prefix off\n}";
    let soa = "SOA localhost. root.localhost. 1 0 0 0 604800";
    let denial = |apex: &str| format!("NoError | {apex} {soa}");
    let nothing = |apex: &str| format!("NXDomain | {apex} {soa}");
    let table = [
        ("L01", on, "localhost.", A, "NoError localhost. A 127.0.0.1".to_owned()),
        ("L01", on, "localhost.", AAAA, "NoError localhost. AAAA ::1".into()),
        ("L02", on, "LOCALHOST.", NS, "NoError LOCALHOST. NS localhost.".into()),
        ("L03", on, "localhost.", SOA, format!("NoError localhost. {soa}")),
        ("L04", on, "localhost.", TXT, denial("localhost.")),
        ("L05", on, "foo.localhost.", A, "NoError foo.localhost. A 127.0.0.1".into()),
        ("L06", on, "foo.localhost.", MX, denial("foo.localhost.")),
        (
            "L07",
            on,
            "localhost.example.net.",
            AAAA,
            "NoError localhost.example.net. AAAA ::1".into(),
        ),
        ("L08", off, "localhost.example.net.", AAAA, "next".into()),
        ("L08", off, "a.b.localhost.", A, "NoError a.b.localhost. A 127.0.0.1".into()),
        ("L09", on, "localhost.example.net.", MX, denial("localhost.example.net.")),
        ("L10", on, "0.in-addr.arpa.", A, denial("0.in-addr.arpa.")),
        ("L11", on, "127.in-addr.arpa.", NS, "NoError 127.in-addr.arpa. NS localhost.".into()),
        (
            "L12",
            on,
            "1.0.0.127.in-addr.arpa.",
            PTR,
            "NoError 1.0.0.127.in-addr.arpa. PTR localhost.".into(),
        ),
        ("L13", on, "2.0.0.127.In-Addr.arpa.", PTR, nothing("127.In-Addr.arpa.")),
        ("L14", on, "1.0.0.127.in-addr.arpa.", A, denial("127.in-addr.arpa.")),
        ("L15", on, "0.0.127.in-addr.arpa.", PTR, denial("127.in-addr.arpa.")),
        ("L15", on, "0.127.in-addr.arpa.", PTR, denial("127.in-addr.arpa.")),
        ("L15", on, "1.0.127.in-addr.arpa.", PTR, nothing("127.in-addr.arpa.")),
        ("L15", on, "0.0.0.0.in-addr.arpa.", PTR, nothing("0.in-addr.arpa.")),
        ("L16", on, "xlocalhost.", A, "next".into()),
        ("L16", on, "localhostx.org.", A, "next".into()),
        ("L16", on, "127.0.0.1.", A, "next".into()),
        ("L16", on, "1127.in-addr.arpa.", A, "next".into()),
        ("L16", on, "128.in-addr.arpa.", A, "next".into()),
        ("L16", on, "in-addr.arpa.", NS, "next".into()),
        (
            "L17",
            on,
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
            PTR,
            "next".into(),
        ),
        ("", on, "255.in-addr.arpa.", SOA, format!("NoError 255.in-addr.arpa. {soa}")),
    ];
    for (row, text, name, qtype, expected) in table {
        assert_eq!(ask(&mut block(text), name, qtype).await, expected, "{row} {name} {qtype}");
    }
}

#[test]
fn l16_a_name_that_only_seems_to_end_so_passes() {
    assert!(names::is_below_localhost(b"\x01x\x09localhost\x00"));
    assert!(!names::is_below_localhost(b"\x0bx\x09localhost\x00"));
    assert!(!names::is_below_localhost(b"\x09localhost\x00"));
    assert_eq!(names::place(b"\x05x\x03127\x07in-addr\x04arpa\x00"), None);
}

#[tokio::test]
async fn l18_only_names_below_and_behind_localhost_are_counted() {
    let mut block = block("local");
    for name in
        ["localhost.", "foo.localhost.", "localhost.example.net.", "1.0.0.127.in-addr.arpa."]
    {
        ask(&mut block, name, RecordType::A).await;
    }
    let name = "coredns_local_localhost_requests_total";
    assert_eq!(value(&block.metrics().page(), name, &[]), Some(2.0));
}

#[test]
fn l19_mistakes_are_told_as_coredns_tells_them() {
    let count = "Wrong argument count or unexpected line ending after";
    let table = [
        ("local x", 2, format!("{count} 'x'")),
        (
            "local {\n localhost_prefix maybe\n}",
            3,
            "localhost_prefix expects 'on' or 'off', got \"maybe\"".into(),
        ),
        ("local {\n localhost_prefix\n}", 3, format!("{count} 'localhost_prefix'")),
        ("local {\n localhost_prefix on off\n}", 3, format!("{count} 'off'")),
        ("local {\n foo\n}", 3, "unknown property 'foo'".into()),
    ];
    for (text, line, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, format!("Corefile:{line} - Error during parsing: {expected}"), "{text}");
    }
}

#[tokio::test]
async fn of_several_the_last_one_counts() {
    let mut block = block("local {\n localhost_prefix off\n}\nlocal");
    let found = ask(&mut block, "localhost.example.net.", RecordType::A).await;
    assert_eq!(found, "NoError localhost.example.net. A 127.0.0.1");
}
