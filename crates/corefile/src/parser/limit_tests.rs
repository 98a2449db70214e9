//! Security CF-09: whatever the text, work and memory are bounded, and the message is clear.

use std::path::Path;

use super::{Outcome, Settings, Source, parse};
use crate::limits::{FILE_OCTETS, IMPORT_DEPTH, MISTAKES};
use crate::{DIRECTIVES, Loader, MemoryLoader};

fn outcome(text: &[u8], loader: &dyn Loader) -> Outcome {
    let environment = |name: &str| (name == "LONG").then(|| "x".repeat(1000));
    let settings = Settings { loader, environment: &environment, directives: Some(DIRECTIVES) };
    parse(&Source { name: "Corefile", directory: Path::new("/c"), text }, &settings)
}

fn check(text: &str, loader: &MemoryLoader, expected: &str) {
    let outcome = outcome(text.as_bytes(), loader);
    assert_eq!(outcome.first_error().map(ToString::to_string).as_deref(), Some(expected));
}

#[test]
fn files_are_at_most_a_mebibyte() {
    let filler = format!(". {{\n log\n}}\n#{}", "x".repeat(FILE_OCTETS));
    let none = MemoryLoader::new();
    let message = format!(
        "Corefile:1 - Error during parsing: file of {} octets is too large: the limit is 1048576",
        filler.len()
    );
    check(&filler, &none, &message);
    let fits = filler.get(..FILE_OCTETS).unwrap();
    assert!(outcome(fits.as_bytes(), &none).first_error().is_none());
    let loader = MemoryLoader::new().file("/c/big", filler);
    check(
        "import big",
        &loader,
        "Corefile:1 - Error during parsing: Could not import /c/big: larger than 1048576 octets",
    );
}

#[test]
fn a_line_has_at_most_ten_thousand_words() {
    let line = |words: usize| format!(". {{\nlog{}\nerrors\n}}", " x".repeat(words));
    let none = MemoryLoader::new();
    assert!(outcome(line(9_999).as_bytes(), &none).first_error().is_none());
    check(
        &line(10_000),
        &none,
        "Corefile:2 - Error during parsing: more than 10000 words on one line",
    );
    let outcome = outcome(line(10_000).as_bytes(), &none);
    assert_eq!(outcome.corefile.blocks[0].directives.len(), 2, "the next line is read");
}

#[test]
fn files_nest_sixteen_deep() {
    let chain = |length: usize| {
        (1..=length).fold(MemoryLoader::new(), |loader, at| {
            let content =
                if at == length { "log".to_owned() } else { format!("import {}", at + 1) };
            loader.file(format!("/c/{at}"), content)
        })
    };
    let text = ". {\n import 1\n}";
    assert!(outcome(text.as_bytes(), &chain(IMPORT_DEPTH)).first_error().is_none());
    let message = "imports are nested too deep: more than 16 files inside one another";
    check(text, &chain(IMPORT_DEPTH + 1), &format!("/c/16:1 - Error during parsing: {message}"));
}

#[test]
fn a_wildcard_that_finds_the_importing_file_is_recursion() {
    let loader = MemoryLoader::new().file("/c/d/a", "log").file("/c/d/b", "import *");
    let message = "maximum file import depth (10000) exceeded";
    check(". {\n import d/*\n}", &loader, &format!("/c/d/b:1 - Error during parsing: {message}"));
}

#[test]
fn snippets_that_double_at_each_step_are_stopped() {
    let mut text = String::from("(s0) {\n log\n}\n");
    for step in 1..40 {
        let before = step - 1;
        text.push_str(&format!("(s{step}) {{\n import s{before}\n import s{before}\n}}\n"));
    }
    text.push_str(". {\n import s39\n}");
    let outcome = outcome(text.as_bytes(), &MemoryLoader::new());
    let first = outcome.first_error().unwrap();
    assert_eq!(first.message, "maximum snippet import depth (10000) exceeded");
    assert!(outcome.diagnostics.len() <= MISTAKES + 1);
}

#[test]
fn large_snippets_used_often_are_stopped() {
    let text = format!(
        "(s) {{\n{}}}\n. {{\n{}}}",
        " log a b c d\n".repeat(2_000),
        "import s\n".repeat(500)
    );
    let outcome = outcome(text.as_bytes(), &MemoryLoader::new());
    assert_eq!(
        outcome.first_error().unwrap().message,
        "the Corefile is too large after all imports"
    );
}

#[test]
fn large_values_used_often_are_stopped() {
    let text = format!(". {{\n{}}}", " log {$LONG}{$LONG}{$LONG}\n".repeat(25_000));
    let outcome = outcome(text.as_bytes(), &MemoryLoader::new());
    assert_eq!(
        outcome.first_error().unwrap().message,
        "the Corefile is too large after all imports"
    );
}

#[test]
fn the_list_of_mistakes_ends() {
    let text = format!(". {{\n{}}}", "bogus\n".repeat(50_000));
    let outcome = outcome(text.as_bytes(), &MemoryLoader::new());
    assert_eq!(outcome.diagnostics.len(), MISTAKES + 1);
    assert_eq!(outcome.diagnostics[MISTAKES].message, "too many mistakes: the rest was not read");
}

#[test]
fn octets_that_are_no_text_are_replaced_one_by_one() {
    let outcome = outcome(b". {\n log \xe2\x82 \xff\n}", &MemoryLoader::new());
    let texts: Vec<_> =
        outcome.corefile.blocks[0].directives[0].tokens.iter().map(|token| &*token.text).collect();
    assert_eq!(texts, ["\u{fffd}\u{fffd}", "\u{fffd}"]);
}
