//! Rows of the specification.

use std::time::Duration;

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, query, records};
use dunlin_core::wire::Flags;
use dunlin_core::{Directive, Entry};
use tokio::time::Instant;

use super::setup::parse;
use super::{Config, ENTRY};

fn block(properties: &str) -> TestBlock {
    let text = properties.replace("; ", "\n");
    let text = if text.is_empty() { "erratic x".into() } else { format!("erratic {{\n{text}\n}}") };
    testing::setup(&ENTRY, &text).unwrap()
}

async fn ask(block: &mut TestBlock, qtype: RecordType) -> String {
    let reply = block.ask(query("EXAMPLE.org.", qtype).tcp()).await.unwrap();
    if reply.is_silence() {
        return "drop".into();
    }
    let flags = reply.flags();
    let shown = [(Flags::AA, "aa"), (Flags::TC, "tc"), (Flags::RA, "ra")];
    let words = shown.iter().filter(|(mask, _)| flags.has(*mask)).map(|(_, word)| (*word).into());
    [vec![format!("{:?}", reply.rcode())], words.collect(), records(reply.answers())]
        .concat()
        .join(" ")
}

#[tokio::test]
async fn fixed_answers_are_given() {
    use RecordType::{A, AAAA, MX};
    let large = format!("NoError aa{}", " EXAMPLE.org. 0 IN A 192.0.2.53".repeat(30));
    let table = [
        ("I01 I15", "drop 0", A, "NoError aa EXAMPLE.org. 0 IN A 192.0.2.53"),
        ("I01", "drop 0", AAAA, "NoError aa EXAMPLE.org. 0 IN AAAA 2001:db8::53"),
        ("I02", "drop 0", MX, "ServFail"),
        ("I12", "drop 0; large", A, &large),
        ("I12", "drop 0; large", AAAA, "NoError aa EXAMPLE.org. 0 IN AAAA 2001:db8::53"),
    ];
    for (row, properties, qtype, expected) in table {
        assert_eq!(ask(&mut block(properties), qtype).await, expected, "{row} {properties}");
    }
}

#[tokio::test]
async fn i13_a_transfer_has_its_end_unless_it_is_truncated() {
    let zone = "EXAMPLE.org. 0 IN";
    let soa = format!(
        "{zone} SOA sns.dns.icann.org. noc.dns.icann.org. 2018050825 7200 3600 1209600 3600"
    );
    let rest = format!(
        "{zone} NS b.EXAMPLE.org. {zone} NS a.EXAMPLE.org. a.{zone} AAAA 2001:bd8::53 b.{zone} AAAA 2001:500::54"
    );
    let mut whole = block("drop 0");
    assert_eq!(ask(&mut whole, RecordType::AXFR).await, format!("NoError aa {soa} {rest} {soa}"));
    let mut cut = block("truncate 1");
    assert_eq!(ask(&mut cut, RecordType::AXFR).await, format!("NoError aa tc {soa} {rest}"));
}

/// A letter for each of several queries: dropped, truncated, answered.
async fn run(properties: &str, queries: usize) -> String {
    let mut block = block(properties);
    let mut letters = String::new();
    for _ in 0..queries {
        let found = ask(&mut block, RecordType::A).await;
        let is_truncated = found.starts_with("NoError aa tc");
        letters.push(if found == "drop" {
            'd'
        } else if is_truncated {
            't'
        } else {
            '.'
        });
    }
    letters
}

#[tokio::test]
async fn every_so_manieth_query_is_hit() {
    let table = [
        ("I03", "", "d.d."),
        ("I03", "drop", "d.d."),
        ("I04", "drop 3", "d..d..d.."),
        ("I05", "truncate 2", "t.t."),
        ("I05", "truncate", "t.t."),
        ("I05", "truncate 3", "t..t.."),
        ("", "drop 2; truncate 3", "d.dtd."),
        ("", "drop 1", "ddd"),
        ("", "drop 0; truncate 0", "..."),
        ("", "truncate; drop", "t.t."),
        ("", "delay 0 1s", "d.d."),
    ];
    for (row, properties, expected) in table {
        assert_eq!(run(properties, expected.len()).await, expected, "{row} {properties}");
    }
}

#[tokio::test(start_paused = true)]
async fn delays_last_as_long_as_they_say() {
    let table: [(&str, &str, &[u64]); 4] = [
        ("I06", "delay 2 50ms", &[50, 0, 50]),
        ("I07", "delay", &[100, 0]),
        ("I08", "drop; delay", &[100, 0]),
        ("", "delay 1 -1s", &[0, 0]),
    ];
    for (row, properties, expected) in table {
        let mut block = block(properties);
        for milliseconds in expected {
            let start = Instant::now();
            assert!(ask(&mut block, RecordType::A).await.starts_with("NoError"), "{row}");
            // The clock of a test goes by whole milliseconds.
            let rounded = start.elapsed().saturating_sub(Duration::from_millis(1));
            let wanted = Duration::from_millis(*milliseconds);
            assert!(rounded <= wanted && wanted <= start.elapsed(), "{row} {properties}");
        }
    }
}

fn both_are_active(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let duration = Duration::from_millis(1);
    let expected = Config { drop: 2, truncate: 0, delay: 3, duration, copies: 1 };
    assert_eq!(parse(directive)?, expected);
    Ok(())
}

#[test]
fn i09_drops_in_numbers_stay_beside_delays() {
    let entry = Entry { name: "erratic", setup: both_are_active };
    testing::setup(&entry, "erratic {\n drop 2\n delay 3 1ms\n}").unwrap();
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let inside = |text: &str| format!("Corefile:3 - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let range = "strconv.ParseInt: parsing \"9999999999\": value out of range";
    let table = [
        ("I10", "drop -1", "illegal amount value given \"-1\"".to_owned()),
        ("", "drop x", "strconv.ParseInt: parsing \"x\": invalid syntax".into()),
        ("", "truncate 9999999999", range.into()),
        ("", "drop 1 2", inside(&format!("{count} '2'"))),
        ("I11", "delay 1 2 3", inside(&format!("{count} '3'"))),
        ("", "delay 1 2", "time: missing unit in duration \"2\"".into()),
        ("", "foo", inside("unknown property 'foo'")),
    ];
    for (row, line, expected) in table {
        let error = testing::setup(&ENTRY, &format!("erratic {{\n {line}\n}}")).unwrap_err();
        assert_eq!(format!("{error:#}"), expected, "{row} {line}");
    }
}

#[tokio::test]
async fn i14_it_is_ready_for_a_while() {
    use dunlin_core::directive::Monitor;
    let mut block = block("drop 0");
    block.readiness().report(0, Monitor::Continuously);
    let mut seen = Vec::new();
    for _ in 0..5 {
        ask(&mut block, RecordType::A).await;
        seen.push(block.readiness().unready().is_empty());
    }
    assert_eq!(seen, [false, false, true, true, false]);
}
