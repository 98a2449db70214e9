//! Any text as an expression of `view` and `template`: no panic, bounded work, and one that is read
//! gives the same value twice.
//!
//! `cargo +nightly fuzz run expression`. The octets are lines: the name, then variables, an
//! expression each, then the condition.
#![no_main]

use dunlin_core::expression::{Names, Scope};
use dunlin_core::metadata::Metadata;
use dunlin_core::rr::{Name, RecordType};
use dunlin_core::testing::query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines: Vec<&str> = text.splitn(6, '\n').collect();
    let Some(condition) = lines.pop() else { return };
    let mut lines = lines.into_iter();
    let name = lines.next().filter(|name| Name::from_ascii(name).is_ok()).unwrap_or("a.test.");
    let Ok(asked) = Name::from_ascii(name) else { return };
    let mut query = query(&asked.to_ascii(), RecordType::A).edns(1232).build();
    query.attach_metadata(Metadata::default());
    let groups = [(None, name.to_owned()), (Some("one"), "10-0-0-1".to_owned())];
    let mut names = Names::with_groups();
    let mut values = Vec::new();
    for (variable, text) in ["a", "b", "c", "d"].into_iter().zip(lines) {
        let Ok(expression) = names.compile(text) else { continue };
        let scope = Scope { query: &query, groups: &groups, variables: &values };
        let Some(value) = expression.value(&scope) else { return };
        names.declare(variable, &expression);
        values.push(value);
    }
    let Ok(condition) = names.compile(condition) else { return };
    let scope = Scope { query: &query, groups: &groups, variables: &values };
    let (one, other) = (condition.value(&scope), condition.value(&scope));
    // A number that is none is not equal to itself.
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
});
