//! Properties that hold for any text.

use std::path::Path;

use proptest::prelude::*;

use crate::{
    DIRECTIVES, MemoryLoader, Outcome, Reader, ServerKey, Settings, Source, go, normalize_zone,
    parse,
};
use crate::{print, semantic_json};

fn outcome(text: &[u8], directives: Option<&[&str]>) -> Outcome {
    let loader = MemoryLoader::new()
        .file("/c/a.conf", "log\nimport b.conf")
        .file("/c/b.conf", "import a.conf\nx {");
    let environment = |name: &str| match name {
        "A" => Some("{$B}".to_owned()),
        "B" => Some("b {$A} }".to_owned()),
        _ => None,
    };
    let settings = Settings { loader: &loader, environment: &environment, directives };
    parse(&Source { name: "Corefile", directory: Path::new("/c"), text }, &settings)
}

/// Texts made of the pieces that mean something.
fn corefile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("\n".to_owned()),
        4 => Just(" ".to_owned()),
        2 => Just(" {\n".to_owned()),
        2 => Just("\n}\n".to_owned()),
        2 => proptest::sample::select(vec!["log", "errors", "hosts", "import", "cache", "whoami"]).prop_map(str::to_owned),
        1 => proptest::sample::select(vec![
            "(s)", "s", "a.conf", "*.conf", "{$A}", "{%C%}", "{$", "{", "}", "{}", "\"", "\\", "\\\"", "\"\"", ",", "#",
            "\r", ".:53", "a, b", "10.0.0.0/9", "\u{feff}", "\u{a0}", "tls://x", "::1", "unix://",
        ]).prop_map(str::to_owned),
        1 => "[a-z\"\\\\ ,{}]{0,6}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn exercise(outcome: &Outcome) {
    let _ = outcome.corefile.server_keys(53);
    let _ = semantic_json(&outcome.corefile);
    let _ = print(&outcome.corefile);
    for block in &outcome.corefile.blocks {
        assert!(!block.keys.is_empty());
        for name in block.directive_names() {
            let tokens = block.tokens_of(name);
            let mut reader = Reader::new("Corefile", &tokens);
            let mut steps = 0;
            while reader.next() {
                let _ = (reader.args::<1>(), reader.remaining_args(), reader.arg_error());
                while reader.next_block() {
                    let _ = (reader.remaining_args(), reader.next_line(), reader.eof_error());
                }
                steps += 1;
            }
            assert!(steps <= tokens.len());
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_octets_are_read_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&outcome(&octets, Some(DIRECTIVES)));
        exercise(&outcome(&octets, None));
    }

    #[test]
    fn plausible_text_is_read_without_panic(text in corefile()) {
        exercise(&outcome(text.as_bytes(), Some(DIRECTIVES)));
        exercise(&outcome(text.as_bytes(), None));
    }

    #[test]
    fn what_is_printed_reads_the_same(text in corefile()) {
        let first = outcome(text.as_bytes(), None).corefile;
        if let Ok(printed) = print(&first) && !printed.contains("{$") && !printed.contains("{%") {
            let again = outcome(printed.as_bytes(), None);
            prop_assert_eq!(again.first_error(), None, "{}", printed);
            prop_assert_eq!(semantic_json(&again.corefile), semantic_json(&first), "{}", printed);
            prop_assert_eq!(print(&again.corefile).unwrap(), printed);
        }
    }

    #[test]
    fn comments_and_blank_lines_do_not_change_the_meaning(words in proptest::collection::vec("[a-z]{1,8}", 1..8)) {
        let plain = format!(". {{\n{}\n}}\n", words.join("\n"));
        let moved = format!("# x\n\n.\n{{ # y\n\n  {} # z\n}}", words.join("#c\n\n\t"));
        let json = |text: &str| semantic_json(&outcome(text.as_bytes(), None).corefile);
        prop_assert_eq!(json(&plain), json(&moved));
    }

    #[test]
    fn keys_and_zones_are_read_without_panic(text in ".{0,40}|[0-9a-f:./]{0,20}|[a-z.\\\\0-9]{0,300}") {
        if let Ok(keys) = ServerKey::parse(&text, 53) {
            prop_assert!(keys.len() <= 128);
            for key in keys {
                let mut expected = key.clone();
                expected.zone = key.zone.clone();
                prop_assert!(key.zone.ends_with('.'));
                prop_assert_eq!(ServerKey::parse(&key.to_string(), 53), Ok(vec![expected]));
            }
        }
        let _ = normalize_zone(&text);
    }

    #[test]
    fn durations_survive_printing(nanoseconds in any::<i64>()) {
        let duration = go::GoDuration::from_nanoseconds(nanoseconds);
        prop_assert_eq!(go::parse_duration(&duration.to_string()), Ok(duration));
    }

    #[test]
    fn go_formats_are_read_without_panic(text in ".{0,30}|[-+0-9.nusµmh]{0,30}") {
        let _ = (go::parse_duration(&text), go::atoi(&text), go::parse_uint32(&text), go::quote(&text));
    }
}
