//! Plugin folders that keep and break the rules.

use super::*;

fn file(inside: &str, text: &str) -> File {
    File { path: format!("crates/plugins/src/{inside}"), text: text.to_owned() }
}

#[test]
fn missing_files_and_an_unlisted_plugin_are_found() {
    let complete: Vec<File> = FILES.iter().map(|name| file(&format!("cache/{name}"), "")).collect();
    let all: Vec<&File> = complete.iter().collect();
    assert_eq!(incomplete("cache", &all, "mod cache;"), []);
    assert_eq!(incomplete("cache", &all, "// cache\nmod cached;").len(), 1);
    for (at, name) in FILES.iter().enumerate() {
        let rest: Vec<&File> = all
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, file)| *file)
            .collect();
        let found: Vec<String> =
            incomplete("cache", &rest, "mod cache;").iter().map(ToString::to_string).collect();
        assert_eq!(found, [format!("crates/plugins/src/cache/{name}: missing")]);
    }
}

#[test]
fn module_declarations_are_seen() {
    for (text, expected) in [
        ("//! mod a;\n", false),
        ("mod a;\n", true),
        ("pub mod a;\n", true),
        ("pub use model;", false),
        ("", false),
    ] {
        assert_eq!(declares_modules(text), expected, "{text}");
    }
}

#[test]
fn the_use_of_another_plugin_is_found() {
    let rows: [(&str, &str, &[usize]); 10] = [
        ("mod.rs", "use crate::forward::Pool;", &[1]),
        ("mod.rs", "x\nuse crate::{cache::Store, forward};", &[2]),
        ("mod.rs", "use crate::{\n    cache::{forward, Store},\n};", &[]),
        ("mod.rs", "use super::forward::Pool;", &[1]),
        ("store.rs", "use super::forward::Pool;", &[]),
        ("store.rs", "use super::super::forward::Pool;", &[1]),
        ("tests/mod.rs", "use super::super::forward::Pool;", &[1]),
        (
            "mod.rs",
            "use crate::cache::Store;\nuse self::forward::Pool;\nuse dunlin_core::forward::X;",
            &[],
        ),
        ("mod.rs", "// crate::forward\nlet a = \"crate::forward\";\nuse mycrate::forward;", &[]),
        ("mod.rs", "fn a() { crate::forward::go() }", &[1]),
    ];
    for (inside, text, lines) in rows {
        let found = uses_of_other_plugins(
            &format!("crates/plugins/src/cache/{inside}"),
            text,
            &["cache", "forward"],
        );
        assert_eq!(found.len(), lines.len(), "{inside}: {text}: {found:?}");
        for (finding, line) in found.iter().zip(lines) {
            assert!(finding.to_string().contains(&format!(":{line}: ")), "{finding}");
        }
    }
}

#[test]
fn a_manual_page_out_of_shape_is_found() {
    let page = "# cache\n\n## Name\n\n*cache* - keeps answers.\n\n## Description\n\n## Syntax\n\n```txt\n## Fenced\n```\n\n## Metrics\n\n## Examples\n\n## See Also\n";
    assert_eq!(manual_page("cache", "a", page), []);
    let rows = [
        ("# cache", "# Cache", 1),
        ("*cache* - keeps answers.", "keeps answers.", 1),
        ("*cache* - keeps answers.", "*cache* - ", 1),
        ("## Syntax\n", "## Usage\n", 2),
        ("## Syntax\n", "", 1),
        ("## Description\n\n## Syntax\n", "## Syntax\n\n## Description\n", 1),
        ("## Examples\n", "## Examples\n\n## Examples\n", 1),
        ("## See Also\n", "## Thanks\n", 1),
    ];
    for (from, to, findings) in rows {
        let found = manual_page("cache", "a", &page.replacen(from, to, 1));
        assert_eq!(found.len(), findings, "{from} -> {to}: {found:?}");
    }
    assert_eq!(manual_page("cache", "a", "").len(), 3);
}

#[test]
fn metrics_that_only_one_side_names_are_found() {
    let shared = metrics_in(
        [File {
            path: "crates/upstream/src/a.rs".into(),
            text: "const A: &str = \"coredns_proxy_conns_total\";".into(),
        }]
        .iter(),
    );
    let told = "# cache\n\n## Metrics\n\n* `coredns_cache_hits_total{type}` - hits.\n\n## Examples\n\n`coredns_other_hits_total`\n";
    let made = "const HITS: &str = \"coredns_cache_hits_total\";\nuse dunlin_core::x; // \"coredns_cache_x_total\"\n";
    let rows = [
        (told.to_owned(), made.to_owned(), ""),
        (told.to_owned(), String::new(), "README.md:5: no code makes `coredns_cache_hits_total`"),
        (
            told.to_owned(),
            format!("{made}\"dunlin_cache_bytes_total\""),
            "mod.rs:3: `dunlin_cache_bytes_total` is missing",
        ),
        (
            told.to_owned(),
            format!("{made}\"dunlin_stored\""),
            "mod.rs:3: `dunlin_stored` is missing",
        ),
        (String::new(), made.to_owned(), "mod.rs:1: `coredns_cache_hits_total` is missing"),
        (told.replace("hits.", "see `coredns_proxy_conns_total`."), made.to_owned(), ""),
        (
            told.to_owned(),
            format!("{made}\"dunlin_core\" \"coredns_cache_\" \"of coredns_cache_a_total\""),
            "",
        ),
    ];
    for (page, code, expected) in rows {
        let files = [
            file("cache/README.md", &page),
            file("cache/mod.rs", &code),
            file("cache/tests.rs", "\"coredns_cache_test_total\""),
        ];
        let found: Vec<String> = metrics_that_differ(&files.iter().collect::<Vec<_>>(), &shared)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.is_empty(), expected.is_empty(), "{found:?}");
        assert!(found.iter().all(|finding| finding.contains(expected)), "{found:?}");
    }
}
