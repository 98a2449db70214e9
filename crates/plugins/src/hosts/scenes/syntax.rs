//! What the directive says, and what it may not say.

use std::path::Path;
use std::time::Duration;

use dunlin_core::{Directive, Entry, testing};

use super::super::setup::parse;
use super::super::{ENTRY, Unsupported};

fn error(text: &str) -> Option<String> {
    testing::setup(&ENTRY, text).err().map(|error| format!("{error:#}"))
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let inside = |text: &str| Some(format!("Corefile:3 - Error during parsing: {text}"));
    let needs = "reload needs a duration (zero seconds to disable)";
    let table = [
        ("HO9", "hosts {\n foo bar baz\n 10.1.1.1 q.test\n}", None),
        (
            "HO10",
            "hosts {\n fallthrough\n foo bar\n}",
            Some("Corefile:4 - Error during parsing: unknown property 'foo'".into()),
        ),
        ("HO11", "hosts {\n ttl 0\n}", inside("ttl provided is invalid")),
        ("HO11", "hosts {\n ttl -1\n}", inside("ttl provided is invalid")),
        ("HO11", "hosts {\n ttl 65536\n}", inside("ttl provided is invalid")),
        ("HO11", "hosts {\n ttl x\n}", inside("ttl needs a number of second")),
        ("HO11", "hosts {\n ttl\n}", inside("ttl needs a time in second")),
        ("", "hosts {\n ttl 65535 and more\n}", None),
        ("HO12", "hosts {\n reload -1s\n}", inside("invalid negative duration for reload '-1s'")),
        ("HO12", "hosts {\n reload\n}", inside(needs)),
        ("HO12", "hosts {\n reload 1s 2s\n}", inside(needs)),
        ("HO12", "hosts {\n reload 5\n}", inside("invalid duration for reload '5'")),
        ("HO13", "hosts\nhosts", Some("this plugin can only be used once per Server Block".into())),
        ("HO14", "hosts /nonexistent", None),
        ("HO14", "hosts /", None),
        ("HO14", "hosts /dev/null/x", Some("Corefile:2 - Error during parsing: unable to access hosts file '/dev/null/x': stat /dev/null/x: not a directory".into())),
        (
            "HO19",
            "hosts {\n fallthrough_unsupported\n}",
            Some("Corefile:4 - Error during parsing: fallthrough_unsupported requires fallthrough".into()),
        ),
        (
            "HO19",
            "hosts {\n fallthrough_unsupported x\n}",
            inside("Wrong argument count or unexpected line ending after 'x'"),
        ),
    ];
    for (row, text, expected) in table {
        assert_eq!(error(text), expected, "{row} {text}");
    }
}

/// The configuration is looked at where it is made, as setups keep it to themselves.
fn check(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    assert_eq!(config.path, Path::new("/nonexistent"));
    assert_eq!((config.ttl, config.reload), (30, Some(Duration::from_millis(100))));
    assert_eq!(
        config.zones.iter().map(|zone| zone.as_str()).collect::<Vec<_>>(),
        ["a.test.", "10.in-addr.arpa."]
    );
    assert_eq!(config.inline, ["10.0.0.1 a.a.test b.a.test"]);
    assert_eq!(config.unsupported, Unsupported::Fallthrough);
    Ok(())
}

#[test]
fn arguments_and_properties_are_read() {
    let text = "hosts /nonexistent A.test 10.0.0.0/8 {\n 10.0.0.1 a.a.test b.a.test\n ttl 30\n reload 1ns\n fallthrough\n fallthrough_unsupported\n}";
    testing::setup(&Entry { name: "hosts", setup: check }, text).unwrap();
}

fn check_defaults(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    assert_eq!(config.path, Path::new("/etc/hosts"));
    assert_eq!((config.ttl, config.reload), (3600, None));
    Ok(())
}

#[test]
fn without_words_the_system_file_is_meant() {
    let text = "hosts {\n reload 0s\n}";
    testing::setup(&Entry { name: "hosts", setup: check_defaults }, text).unwrap();
}
