//! The acceptance rows of the specification that the Corefile side decides (TO4 to TO11); what
//! connections make of it is tested in the engine and in the black box.

use std::num::NonZeroUsize;
use std::time::Duration;

use dunlin_core::directive::{QueryLimit, Timeouts};
use dunlin_core::testing;

use super::ENTRY;

fn timeouts(text: &str) -> Timeouts {
    testing::setup(&ENTRY, text).unwrap().parts().timeouts
}

#[test]
fn to3_to7_to11_values_are_read() {
    let seconds = |count| Some(Duration::from_secs(count));
    let none = Timeouts::default();
    let at_most = |count| Some(QueryLimit::AtMost(NonZeroUsize::new(count).unwrap()));
    let table = [
        ("read 1s\nidle 2s", Timeouts { read: seconds(1), idle: seconds(2), ..none }),
        ("write 1h20m", Timeouts { write: seconds(4800), ..none }),
        ("read 5", Timeouts { read: seconds(5), ..none }),
        ("read 1000ms\nidle 24h", Timeouts { read: seconds(1), idle: seconds(86_400), ..none }),
        ("read 5\nread 6", Timeouts { read: seconds(6), ..none }),
        ("maxtcpqueries 5", Timeouts { queries: at_most(5), ..none }),
        ("maxtcpqueries -1", Timeouts { queries: Some(QueryLimit::Unlimited), ..none }),
    ];
    for (text, expected) in table {
        assert_eq!(timeouts(&format!("timeouts {{\n{text}\n}}")), expected, "{text}");
    }
    let twice = timeouts("timeouts {\nread 5\n}\ntimeouts {\nwrite 6\n}");
    assert_eq!(twice, Timeouts { read: seconds(5), write: seconds(6), ..none });
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let parsing = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let twice = |text: &str| format!("plugin/timeouts: {}", parsing(2, text));
    let count = "Wrong argument count or unexpected line ending after";
    let range = |value: &str| {
        let text = format!("timeout provided '{value}' needs to be between 1 second and 24 hours");
        parsing(3, &text)
    };
    let table = [
        ("TO4", "timeouts", twice("timeouts block with no timeouts specified")),
        ("TO4", "timeouts {\n}", parsing_empty()),
        ("TO5", "timeouts x", twice(&format!("{count} 'x'"))),
        ("TO6", "timeouts {\nread 0\n}", range("0s")),
        ("TO6", "timeouts {\nread 25h\n}", range("25h0m0s")),
        ("TO6", "timeouts {\nidle 500ms\n}", range("500ms")),
        ("TO6", "timeouts {\nidle -5\n}", range("-5s")),
        ("TO8", "timeouts {\nfoo 5s\n}", parsing(3, "unknown option: 'foo'")),
        ("TO8", "timeouts {\nfoo x\n}", parsing(3, "failed to parse duration 'x'")),
        ("TO9", "timeouts {\nidle\n}", parsing(3, &format!("{count} 'idle'"))),
        ("TO9", "timeouts {\nidle 1s 2s\n}", parsing(3, &format!("{count} '2s'"))),
        ("TO10", "timeouts {\nread abc\n}", parsing(3, "failed to parse duration 'abc'")),
        (
            "TO11",
            "timeouts {\nmaxtcpqueries x\n}",
            parsing(
                3,
                "invalid value for maxtcpqueries 'x': strconv.Atoi: parsing \"x\": invalid syntax",
            ),
        ),
        (
            "TO11",
            "timeouts {\nmaxtcpqueries 0\n}",
            parsing(
                3,
                "maxtcpqueries provided '0' needs to be -1 (unlimited) or a positive integer",
            ),
        ),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}

/// The closing brace was read when the block is found empty.
fn parsing_empty() -> String {
    "plugin/timeouts: Corefile:3 - Error during parsing: timeouts block with no timeouts specified"
        .into()
}
