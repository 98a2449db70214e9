//! Rows of the specification, shown through the parser.

use std::path::Path;

use dunlin_core::corefile::{
    Corefile, DIRECTIVES, LoadError, MemoryLoader, Settings, Source, parse,
};

/// What a text means in the directory `/c`: server blocks as `KEY: WORDS`, and what was said.
fn outcome(text: &str) -> (Vec<String>, Vec<String>) {
    let loader = MemoryLoader::new()
        .file("/c/log.conf", "log\nerrors")
        .file("/c/site/a.block", "a.test {\n whoami\n}")
        .file("/c/site/b.block", "b.test {\n import own.conf\n}")
        .file("/c/site/own.conf", "chaos")
        .file("/c/hosts.conf", "192.0.2.1 a.test\n192.0.2.2 b.test")
        .file("/c/bad.conf", "log\nnosuch")
        .failing("/c/secret.conf", LoadError::Other("permission denied".into()));
    let environment = |name: &str| (name == "FILE").then(|| "log.conf".to_owned());
    let settings =
        Settings { loader: &loader, environment: &environment, directives: Some(DIRECTIVES) };
    let source = Source { name: "Corefile", directory: Path::new("/c"), text: text.as_bytes() };
    let outcome = parse(&source, &settings);
    let said = outcome.diagnostics.iter().map(ToString::to_string).collect();
    (shown(&outcome.corefile), said)
}

fn shown(corefile: &Corefile) -> Vec<String> {
    let words = |block: &dunlin_core::corefile::ServerBlock| {
        let names = block.directive_names();
        let words = names.iter().flat_map(|name| block.tokens_of(name));
        let words: Vec<String> = words.map(|token| token.text.to_string()).collect();
        format!("{}: {}", block.keys[0].text, words.join(" "))
    };
    corefile.blocks.iter().map(words).collect()
}

#[test]
fn what_is_imported_stands_there() {
    let table: [(&str, &str, &[&str]); 7] = [
        ("I01", "(snip) {\n log\n errors\n}\n. {\n import snip\n}", &[".: log errors"]),
        ("I02", ". {\n import log.conf\n whoami\n}", &[".: log errors whoami"]),
        ("I03", "import site/*.block", &["a.test: whoami", "b.test: chaos"]),
        (
            "I12",
            ". {\n hosts {\n  import hosts.conf\n }\n}",
            &[".: hosts { 192.0.2.1 a.test 192.0.2.2 b.test }"],
        ),
        ("", ". {\n import {$FILE}\n}", &[".: log errors"]),
        ("", ". {\n template import log.conf\n}", &[".: template import log.conf"]),
        ("", "(log.conf) {\n chaos\n}\n. {\n import log.conf\n}", &[".: chaos"]),
    ];
    for (row, text, blocks) in table {
        let (found, said) = outcome(text);
        assert_eq!(found, blocks, "{row} {text}");
        assert_eq!(said, [""; 0], "{row} {text}");
    }
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let at = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let table = [
        ("I04", ". {\n import no.conf\n}", at(2, "File to import not found: no.conf")),
        (
            "I08",
            "(a) {\n log\n}\n(a) {\n log\n}",
            at(4, "redeclaration of previously declared snippet a"),
        ),
        (
            "I09",
            ". {\n import\n}",
            at(2, "Wrong argument count or unexpected line ending after 'import'"),
        ),
        (
            "I09",
            ". {\n import a b\n}",
            at(2, "Import takes only one argument (glob pattern or file)"),
        ),
        ("", ". {\n import {$NONE}\n}", at(2, "Import requires a non-empty filepath")),
        (
            "I10",
            ". {\n import X/[ab].conf\n}",
            at(2, "Glob pattern may only contain one wildcard (*), but has others: /c/X/[ab].conf"),
        ),
        ("I11", ". {\n import site\n}", at(2, "Could not import /c/site: is a directory")),
        (
            "",
            ". {\n import secret.conf\n}",
            at(2, "Could not import /c/secret.conf: open /c/secret.conf: permission denied"),
        ),
        (
            "I13",
            ". {\n import bad.conf\n}",
            "/c/bad.conf:2 - Error during parsing: Unknown directive 'nosuch'".to_owned(),
        ),
    ];
    for (row, text, first) in table {
        assert_eq!(outcome(text).1.first(), Some(&first), "{row} {text}");
    }
}

#[test]
fn i05_a_pattern_without_match_is_a_warning() {
    let (blocks, said) = outcome(". {\n import none/*.conf\n whoami\n}");
    assert_eq!(blocks, [".: whoami"]);
    assert_eq!(said, ["No files matching import glob pattern: none/*.conf"]);
}

#[test]
fn i06_i07_a_circle_of_snippets_is_refused() {
    let table = [
        ("I06", "(a) {\n import a\n}\n. {\n import a\n}"),
        ("I07", "(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}"),
    ];
    for (row, text) in table {
        let (_, said) = outcome(text);
        let first = said.first().map_or("", String::as_str);
        assert!(first.contains("depth"), "{row}: {said:?}");
    }
}

#[test]
fn i14_a_reload_knows_what_was_imported() {
    let loader = MemoryLoader::new().file("/c/log.conf", "log");
    let settings = Settings { loader: &loader, environment: &|_| None, directives: None };
    let text = b". {\n import log.conf\n import none/*.conf\n}";
    let source = Source { name: "Corefile", directory: Path::new("/c"), text };
    let sources = parse(&source, &settings).sources;
    assert!(sources.files.contains(Path::new("/c/log.conf")), "{sources:?}");
    assert!(sources.directories.contains(Path::new("/c/none")), "{sources:?}");
}
