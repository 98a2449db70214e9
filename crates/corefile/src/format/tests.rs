//! The canonical layout, word for word, and what cannot be laid out.

use std::path::Path;

use proptest::prelude::*;

use super::format;
use crate::{MemoryLoader, Settings, Source, parse, semantic_json};

#[test]
fn the_layout_is_canonical_and_comments_stay() {
    let table = [
        ("", ""),
        ("\n\n  \n", ""),
        ("\u{feff}# a\r\n", "# a\n"),
        (". {\nwhoami\n}", ". {\n    whoami\n}\n"),
        (".:53\t{\r\n\r\n\tlog   .\r\n\r\n}\r\n", ".:53 {\n    log .\n}\n"),
        ("a, b\n{\nlog\n}\n", "a, b {\n    log\n}\n"),
        ("a,\nb\n\n{ # why\nlog\n}\n", "a,\nb { # why\n    log\n}\n"),
        ("a # here\n{\nlog\n}\n", "a # here\n{\n    log\n}\n"),
        (
            "#1\na {#2\n\n#3\n\n\n#4\nlog#5\n\n#6\n}#7\n#8\nb {\n}\n",
            "#1\na { #2\n    #3\n\n    #4\n    log #5\n\n    #6\n} #7\n\n#8\nb {\n}\n",
        ),
        (
            ". {\nlog {\nclass all\n}\n\n\nforward . \"1.1.1.1\" {$UP}\n}\n(s) {\n}\n",
            ". {\n    log {\n        class all\n    }\n\n    forward . \"1.1.1.1\" {$UP}\n}\n\n(s) {\n}\n",
        ),
        (". {\nlog \"a  b\n  c\"   x\n}\n", ". {\n    log \"a  b\n  c\" x\n}\n"),
        (". { whoami }\n", ". { whoami }\n"),
        (". {\na {\nb { c }\n} }\n", ". {\n    a {\n        b { c }\n} }\n"),
        // A part that a server block imports, and a file without braces.
        ("errors\n  log {\nclass all\n }\n", "errors\nlog {\n    class all\n}\n"),
        (".:53\nwhoami\n", ".:53\nwhoami\n"),
        ("import  *.conf\n\nimport x\n", "import *.conf\n\nimport x\n"),
    ];
    for (text, expected) in table {
        assert_eq!(format("F", text.as_bytes()).as_deref(), Ok(expected), "{text:?}");
        assert_eq!(format("F", expected.as_bytes()).as_deref(), Ok(expected), "again: {text:?}");
    }
}

#[test]
fn what_cannot_be_laid_out_is_told_with_its_place() {
    let long = "a ".repeat(10_001);
    let large = "#".repeat((1 << 20) + 1);
    let table: [(&[u8], &str); 7] = [
        (b". {\n\n  log\n", "F:3 - Error during parsing: Unexpected end of file, expecting '}'"),
        (
            b". {\n}\n }\n",
            "F:3 - Error during parsing: Unexpected '}' because no matching opening brace",
        ),
        (b". {\n log \"a\n}\n", "F:2 - Error during parsing: quote is not closed"),
        (b"\"", "F:1 - Error during parsing: quote is not closed"),
        (b"# a\n# \xff\n", "F:2 - Error during parsing: not UTF-8"),
        (long.as_bytes(), "F:1 - Error during parsing: more than 10000 words on one line"),
        (
            large.as_bytes(),
            "F:1 - Error during parsing: file of 1048577 octets is too large: the limit is 1048576",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(format("F", text).unwrap_err().compatible, expected);
    }
}

fn meaning(text: &str) -> (String, usize) {
    let settings =
        Settings { loader: &MemoryLoader::new(), environment: &|_| None, directives: None };
    let source = Source { name: "F", directory: Path::new("/"), text: text.as_bytes() };
    let outcome = parse(&source, &settings);
    (semantic_json(&outcome.corefile), outcome.diagnostics.len())
}

#[test]
fn a_brace_behind_a_directive_without_a_block_stays_on_its_line() {
    let table = [
        ("a\nlog\n\"{\"\n}\n", "a\nlog\n\"{\"\n}\n"),
        ("a,\nb\n{\nlog\n}\n", "a,\nb {\n    log\n}\n"),
        ("# x\na\n{\n}\n# y\nb\n{\n}\n", "# x\na {\n}\n\n# y\nb {\n}\n"),
        ("import x\na\n{\n}\n", "import x\na {\n}\n"),
    ];
    for (text, expected) in table {
        assert_eq!(format("F", text.as_bytes()).unwrap(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn the_meaning_stays_and_a_second_time_changes_nothing(
        pieces in proptest::collection::vec(
            prop_oneof![
                3 => Just("\n".to_owned()),
                3 => Just(" ".to_owned()),
                2 => Just(" {\n".to_owned()),
                2 => Just("\n}\n".to_owned()),
                2 => Just("#x".to_owned()),
                3 => proptest::sample::select(vec![
                    "log", "a,", "b", "{", "}", "{}", "\"", "\\", "\"\"", "\"{\"", "\r", "\u{feff}", "(s)", "import",
                ]).prop_map(str::to_owned),
                1 => any::<char>().prop_map(String::from),
            ],
            0..40,
        ),
    ) {
        let text = pieces.concat();
        if let Ok(laid_out) = format("F", text.as_bytes()) {
            prop_assert_eq!(format("F", laid_out.as_bytes()).unwrap(), laid_out.clone());
            // Of a text with mistakes the parser skips what it cannot tell; that depends on lines.
            let (json, mistakes) = meaning(&text);
            if mistakes == 0 {
                prop_assert_eq!(meaning(&laid_out), (json, mistakes), "{}", laid_out);
            }
        }
    }

    #[test]
    fn any_octets_are_laid_out_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = format("F", &octets);
    }
}
