//! The rows of spec core.md §25 and import.md §6 that a parser can decide, in their order.

use std::path::Path;

use super::{Outcome, Settings, Source, parse};
use crate::{DIRECTIVES, LoadError, MemoryLoader, ServerBlock};

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "Z" => "env.example",
        "D" => "whoami",
        "OPEN" => "{",
        "UP" => "1.1.1.1 2.2.2.2",
        "SELF" => "{$SELF}",
        "GROW" => "x{$GROW}x",
        "PING" => "{$PONG}",
        "PONG" => "{$PING}",
        "NESTED" => "{$Z}",
        "FILE" => "whoami.conf",
        _ => return None,
    };
    Some(value.to_owned())
}

fn loader() -> MemoryLoader {
    MemoryLoader::new()
        .file("/etc/coredns/whoami.conf", "whoami\n")
        .file("/etc/coredns/errors.conf", "errors\nlog\n")
        .file("/etc/coredns/bad.conf", "errors\nbogus x\n")
        .file("/etc/coredns/hosts.conf", "10.0.0.1 a\n10.0.0.2 b")
        .file("/etc/coredns/self.conf", "log\nimport self.conf\n")
        .file("/etc/coredns/custom/b.block", "b.example {\n whoami\n}\n")
        .file("/etc/coredns/custom/a.block", "a.example {\n whoami\n}\n")
        .file("/etc/coredns/custom/inner/chain.conf", "import next.conf\nimport ../../whoami.conf")
        .file("/etc/coredns/custom/inner/next.conf", "log")
        .file("/etc/coredns/snippets.conf", "(s) {\n errors\n}\n")
        .failing("/etc/coredns/secret.conf", LoadError::Other("permission denied".into()))
}

fn outcome(text: &str) -> Outcome {
    let loader = loader();
    let settings =
        Settings { loader: &loader, environment: &environment, directives: Some(DIRECTIVES) };
    parse(
        &Source { name: "Corefile", directory: Path::new("/etc/coredns"), text: text.as_bytes() },
        &settings,
    )
}

/// `KEY KEY: TOKEN TOKEN | TOKEN` for each block, with one `|` in front of each directive.
fn shape(block: &ServerBlock) -> String {
    let keys: Vec<_> = block.keys.iter().map(|key| &*key.text).collect();
    let directives = block.directives.iter().map(|directive| {
        let tokens =
            std::iter::once(&directive.name).chain(&directive.tokens).map(|token| &*token.text);
        tokens.collect::<Vec<_>>().join(" ")
    });
    format!("{}: {}", keys.join(" "), directives.collect::<Vec<_>>().join(" | "))
}

fn check_blocks(text: &str, expected: &[&str]) {
    let outcome = outcome(text);
    assert_eq!(outcome.first_error(), None, "{text}");
    let blocks: Vec<_> = outcome.corefile.blocks.iter().map(shape).collect();
    assert_eq!(blocks, expected, "{text}");
}

fn check_error(text: &str, expected: &str) {
    let outcome = outcome(text);
    let found = outcome.first_error().unwrap_or_else(|| panic!("no error in {text:?}"));
    assert_eq!(found.to_string(), expected, "{text}");
}

#[test]
fn what_coredns_reads_is_read() {
    let table: &[(&str, &[&str])] = &[
        (".:5300 {\nbind 127.0.0.20\nwhoami\n}", &[".:5300: bind 127.0.0.20 | whoami"]),
        (".:5300\n{\nwhoami\n}", &[".:5300: whoami"]),
        ("a.:5300,\nb.:5300 {\n}", &["a.:5300 b.:5300: "]),
        ("a, b c {\n}", &["a b c: "]),
        ("a.:5300,b.:5300 {\n}", &["a.:5300,b.:5300: "]),
        ("a {\n whoami\n}\na {\n whoami\n}", &["a: whoami", "a: whoami"]),
        (".:5300\nwhoami\n}", &[".:5300: whoami"]),
        (".:5300\nwhoami\nlog", &[".:5300: whoami | log"]),
        ("", &[]),
        ("# only\n# comments", &[]),
        ("(only) {\n snippets\n}", &[]),
        ("example.org:53", &["example.org:53: "]),
        (". { }", &[".: "]),
        (", a {\n}", &[" a: "]),
        ("\"\" a {\n}", &["a: "]),
        ("\u{feff}. {\r\n\twhoami\r\n\u{c}log\u{a0}x\u{2003}y\r\n}\r\n", &[".: whoami | log x y"]),
        ("\".\" \"{\"\n\"whoami\" \"a b\"\n\"}\"", &[".: whoami a b"]),
        (". {\nwhoami#c1 c2 c3\nlog # x\n#}\n}", &[".: whoami | log"]),
        (". {\nwho\rami \"\" \"a\"b c\"d\"\n}", &[".: whoami  a b c\"d\""]),
        (
            r#". {
            log "a\"b\n\\" \x
            }"#,
            &[".: log a\"b\\n\\\\ \\x"],
        ),
        ("{$Z}:5300 {%Z%}:5300 {\n}", &["env.example:5300 env.example:5300: "]),
        (
            ". {\n {$D} a{$Z}b{%Z%} \"{$UP}\" {$} {$NESTED} $Z ${Z}\n}",
            &[".: whoami aenv.examplebenv.example 1.1.1.1 2.2.2.2 {$} env.example $Z ${Z}"],
        ),
        (". {\n forward . 1.1.1.1 { max_fails 0 }\n}", &[".: forward . 1.1.1.1 { max_fails 0 }"]),
        (". {\n hosts\n {\n a\n }\n log\n}", &[".: hosts { a } | log"]),
        (". {\n log \"a\nb\" c\n errors\n}", &[".: log a\nb c | errors"]),
        // reload.md RL17: the end of an inner block is taken for that of the server block.
        (". {\n log\n hosts {\n  a\n }\n", &[".: log | hosts { a }"]),
    ];
    for (text, expected) in table {
        check_blocks(text, expected);
    }
}

#[test]
fn the_first_mistake_is_worded_as_by_coredns() {
    let table = [
        (".\n{\nfoo bar\n}", "Corefile:3 - Error during parsing: Unknown directive 'foo'"),
        (". {\n whoami\n", "Corefile:2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
        (
            "a, {\n}",
            "Corefile:1 - Error during parsing: Expected another address but had '{' - check for extra comma",
        ),
        ("a,", "Corefile:1 - Error during parsing: Unexpected EOF"),
        (
            ". { whoami }",
            "Corefile:1 - Error during parsing: Unexpected '}' because no matching opening brace",
        ),
        (".:5300 {$OPEN}\nx", "Corefile:1 - Error during parsing: Unknown directive '{'"),
        (". {\n{\n}\n}", "Corefile:2 - Error during parsing: Unknown directive '{'"),
        (". {\n\n hosts {\n a", "Corefile:4 - Error during parsing: Unexpected EOF"),
        (
            ". {\n log \"a\n\nb\"\n bogus\n}",
            "Corefile:5 - Error during parsing: Unknown directive 'bogus'",
        ),
        (
            ". {\n log \"a\n}\n",
            "Corefile:2 - Syntax error: Unexpected token 'a\n}\n', expecting '}'",
        ),
        // Deliberate differences: CoreDNS makes zones of these, or hangs.
        (
            ". {\n}\n}",
            "Corefile:3 - Error during parsing: Unexpected '}' because no matching opening brace",
        ),
        (
            ". {}",
            "Corefile:1 - Error during parsing: Unexpected '{}' where a key or a block is expected",
        ),
        (
            "(s) a {\n}",
            "Corefile:1 - Error during parsing: snippet '(s)' must be the only key of its block",
        ),
        ("\n(s)", "Corefile:2 - Error during parsing: Unexpected EOF"),
        (
            ". {\n log {$SELF}\n}",
            "Corefile:2 - Error during parsing: value of environment variable 'SELF' refers to itself or is too long",
        ),
        (
            ". {\n log {$GROW}\n}",
            "Corefile:2 - Error during parsing: value of environment variable 'GROW' refers to itself or is too long",
        ),
    ];
    for (text, expected) in table {
        check_error(text, expected);
    }
}

#[test]
fn imports_bring_blocks_directives_and_lines() {
    let table: &[(&str, &[&str])] = &[
        // I01 I02 I03 I12
        ("(s) {\n whoami\n}\n. {\n import s\n}", &[".: whoami"]),
        (". {\n import whoami.conf\n}", &[".: whoami"]),
        (". {\n import /etc/coredns/{$FILE}\n log\n}", &[".: whoami | log"]),
        ("import custom/*.block\n. {\n}", &["a.example: whoami", "b.example: whoami", ".: "]),
        ("import snippets.conf\n. {\n import s\n}", &[".: errors"]),
        (
            ". {\n hosts {\n  import hosts.conf\n  fallthrough\n }\n}",
            &[".: hosts { 10.0.0.1 a 10.0.0.2 b fallthrough }"],
        ),
        (". {\n import custom/inner/chain.conf\n errors\n}", &[".: log | whoami | errors"]),
        (". {\n log import x\n}", &[".: log import x"]),
        ("(s) {\n}\n. {\n import s\n log\n}", &[".: log"]),
        ("(s) {\n hosts {\n a\n }\n}\n. {\n import s\n}", &[".: hosts { a }"]),
        // The same snippet twice: CoreDNS reads the second line as an argument of the first.
        ("(s) {\n errors\n}\n. {\n import s\n import s\n}", &[".: errors | errors"]),
        ("(a) {\n import b\n log\n}\n(b) {\n\n errors\n}\n. {\n import a\n}", &[".: errors | log"]),
    ];
    for (text, expected) in table {
        check_blocks(text, expected);
    }
}

#[test]
fn mistakes_about_imports_are_worded_as_by_coredns() {
    let deep = "maximum snippet import depth (10000) exceeded";
    let table = [
        // I04 I06 I07 I08
        (
            ". {\n import nope.conf\n}",
            "2 - Error during parsing: File to import not found: nope.conf",
        ),
        ("(a) {\n import a\n}", &*format!("3 - Error during parsing: {deep}")),
        (
            "(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}",
            &*format!("5 - Error during parsing: {deep}"),
        ),
        (
            "(a) {\n}\n(a) {\n}",
            "3 - Error during parsing: redeclaration of previously declared snippet a",
        ),
        // I09
        (
            ". {\n import\n}",
            "2 - Error during parsing: Wrong argument count or unexpected line ending after 'import'",
        ),
        (
            ". {\n import a b\n}",
            "2 - Error during parsing: Import takes only one argument (glob pattern or file)",
        ),
        (
            ". {\n import a {\n}\n}",
            "2 - Error during parsing: Import takes only one argument (glob pattern or file)",
        ),
        (". {\n import \"\"\n}", "2 - Error during parsing: Import requires a non-empty filepath"),
        (
            ". {\n import {$NOPE}\n}",
            "2 - Error during parsing: Import requires a non-empty filepath",
        ),
        // I10 I11
        (
            "import X/[ab].conf",
            "1 - Error during parsing: Glob pattern may only contain one wildcard (*), but has others: \
             /etc/coredns/X/[ab].conf",
        ),
        (
            "import */*.conf",
            "1 - Error during parsing: Glob pattern may only contain one wildcard (*), but has others: \
             /etc/coredns/*/*.conf",
        ),
        (
            "import x[",
            "1 - Error during parsing: Failed to use import pattern x[: syntax error in pattern",
        ),
        (
            "import custom",
            "1 - Error during parsing: Could not import /etc/coredns/custom: is a directory",
        ),
        (
            ". {\n import secret.conf\n}",
            "2 - Error during parsing: Could not import /etc/coredns/secret.conf: open /etc/coredns/secret.conf: \
             permission denied",
        ),
        (
            "import custom/*\n",
            "1 - Error during parsing: Could not import /etc/coredns/custom/inner: is a directory",
        ),
        (". {\n import s\n}\n(s) {\n}", "2 - Error during parsing: File to import not found: s"),
        ("(s)\nwhoami", "2 - Syntax error: Unexpected token 'whoami', expecting '{'"),
        ("(s) {\nwhoami", "2 - Syntax error: Unexpected token 'whoami', expecting '}'"),
    ];
    for (text, expected) in table {
        check_error(text, &format!("Corefile:{expected}"));
    }
    // I13, and a file that imports itself
    check_error(
        ". {\n import bad.conf\n}",
        "/etc/coredns/bad.conf:2 - Error during parsing: Unknown directive 'bogus'",
    );
    check_error(
        ". {\n import self.conf\n}",
        "/etc/coredns/self.conf:2 - Error during parsing: maximum file import depth (10000) exceeded",
    );
    check_error(
        ". {\n import custom/a.block\n}",
        "/etc/coredns/custom/a.block:1 - Error during parsing: Unknown directive 'a.example'",
    );
}

#[test]
fn a_wildcard_without_a_match_is_a_warning_and_is_watched() {
    let outcome = outcome(". {\n import none/*.conf\n log\n}");
    let warnings: Vec<_> = outcome.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["No files matching import glob pattern: none/*.conf"]);
    assert!(outcome.first_error().is_none());
    assert!(outcome.sources.directories.contains(Path::new("/etc/coredns/none")));
    assert_eq!(shape(&outcome.corefile.blocks[0]), ".: log");
}

#[test]
fn a_server_block_that_is_not_closed_is_told_where_coredns_takes_it() {
    let outcome = outcome(". {\n log\n hosts {\n  a\n }\n");
    let [warning] = outcome.diagnostics.as_slice() else { panic!("{:?}", outcome.diagnostics) };
    assert!(!warning.is_error() && warning.message.starts_with("server block is not closed"));
    assert_eq!((warning.position.line, warning.position.column), (5, 2));
}

#[test]
fn all_mistakes_are_told_and_the_rest_is_understood() {
    let text = ". {\n forwrad . 1.1.1.1 {\n x\n }\n import nope\n log\n}\n}\n\nb {\n whoami }\nc {\n errors\n";
    let outcome = outcome(text);
    let told: Vec<_> = outcome.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "Corefile:2 - Error during parsing: Unknown directive 'forwrad'",
            "Corefile:5 - Error during parsing: File to import not found: nope",
            "Corefile:8 - Error during parsing: Unexpected '}' because no matching opening brace",
            "Corefile:11 - Error during parsing: Unexpected '}' because no matching opening brace",
            "Corefile:13 - Syntax error: Unexpected token 'errors', expecting '}'",
        ]
    );
    assert_eq!(outcome.diagnostics[0].hint.as_deref(), Some("did you mean 'forward'?"));
    let blocks: Vec<_> = outcome.corefile.blocks.iter().map(shape).collect();
    assert_eq!(blocks, [".: log", "b: whoami", "c: errors"]);
    assert!(outcome.sources.files.contains(Path::new("/etc/coredns/nope")));
}

#[test]
fn every_token_knows_its_place() {
    let outcome = outcome("\n  a, b {\n\tlog \"x\ny\" z\n}");
    let block = &outcome.corefile.blocks[0];
    let log = &block.directives[0];
    let tokens = block.keys.iter().chain([&log.name]).chain(&log.tokens);
    let places: Vec<_> = tokens.map(|t| (&*t.text, t.position.line, t.position.column)).collect();
    assert_eq!(places, [("a", 2, 3), ("b", 2, 6), ("log", 3, 2), ("x\ny", 3, 6), ("z", 4, 4)]);
}
