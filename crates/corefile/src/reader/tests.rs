//! Spec core.md §8: what each operation does, step by step.

use std::path::Path;

use super::Reader;
use crate::{MemoryLoader, Settings, Source, Token, parse};

fn tokens(name: &str, body: &str) -> Vec<Token> {
    let loader = MemoryLoader::new().file("/extra", "one\ntwo");
    let settings = Settings { loader: &loader, environment: &|_| None, directives: None };
    let text = format!("(s) {{\n errors\n}}\n. {{\n{body}\n}}");
    let source = Source { name: "Corefile", directory: Path::new("/"), text: text.as_bytes() };
    parse(&source, &settings).into_result().unwrap().blocks[0].tokens_of(name)
}

#[test]
fn next_ignores_lines_and_stops_at_the_end() {
    let tokens = tokens("a", "a b {\n c\n}");
    let mut reader = Reader::new("Corefile", &tokens);
    let mut seen = Vec::new();
    assert_eq!((reader.val(), reader.position().line), ("", 0));
    while reader.next() {
        seen.push((reader.val(), reader.position().line));
    }
    assert_eq!(seen, [("a", 5), ("b", 5), ("{", 5), ("c", 6), ("}", 7)]);
    assert_eq!(reader.val(), "}");
}

#[test]
fn next_arg_and_next_line_look_at_line_ends() {
    let tokens = tokens("a", "a \"b\n\" c {\n d\n}");
    let mut reader = Reader::new("Corefile", &tokens);
    assert!(reader.next_arg() && reader.val() == "a", "the first call loads the first token");
    assert!(!reader.next_line());
    assert!(reader.next_arg() && reader.val() == "b\n");
    assert!(reader.next_arg() && reader.val() == "c", "a line feed inside a word is no line end");
    assert!(reader.next_arg() && reader.val() == "{");
    assert!(!reader.next_arg());
    assert!(reader.next_line() && reader.val() == "d");
    let mut reader = Reader::new("Corefile", &tokens);
    assert!(reader.next_line() && reader.val() == "a");
}

#[test]
fn next_block_walks_a_block_and_nothing_else() {
    let table: [(&str, &[&str], bool); 7] = [
        ("a {\n x\n y z\n}", &["x", "y", "z"], false),
        ("a { }", &[], false),
        ("a", &[], false),
        ("a b", &[], true),
        ("a { x 1 }", &["x", "1"], false),
        ("a {\n x {\n y\n }\n z\n}", &["x", "{", "y", "}", "z"], false),
        ("a {\n import extra\n}", &["one", "two"], false),
    ];
    for (body, expected, more) in table {
        let tokens = tokens("a", body);
        let mut reader = Reader::new("Corefile", &tokens);
        assert!(reader.next());
        let mut seen = Vec::new();
        while reader.next_block() {
            seen.push(reader.val());
        }
        assert_eq!(seen, expected, "{body}");
        assert_eq!(reader.next(), more, "{body}");
    }
}

#[test]
fn a_block_whose_end_was_taken_as_an_argument_ends_all_the_same() {
    let tokens = tokens("forward", "forward . 1.1.1.1 { max_fails 0 }");
    let mut reader = Reader::new("Corefile", &tokens);
    assert!(reader.next());
    assert_eq!(reader.remaining_args(), [".", "1.1.1.1"]);
    assert!(reader.next_block() && reader.val() == "max_fails");
    assert_eq!(reader.remaining_args(), ["0", "}"]);
    assert!(!reader.next_block() && !reader.next());
}

#[test]
fn arguments_end_at_the_line_or_the_brace() {
    let tokens = tokens("a", "a b c {\n d\n}\na e");
    let mut reader = Reader::new("Corefile", &tokens);
    assert!(reader.next());
    assert_eq!(reader.clone().args::<2>(), Some(["b", "c"]));
    assert_eq!(reader.clone().arg(), Some("b"));
    assert_eq!(reader.remaining_args(), ["b", "c"]);
    assert!(reader.next_block() && !reader.next_block());
    assert!(reader.next(), "occurrences follow one another");
    assert_eq!((reader.val(), reader.args::<2>(), reader.val()), ("a", None, "e"));
}

#[test]
fn one_snippet_used_twice_keeps_its_lines_apart() {
    let tokens = tokens("errors", "import s\nimport s");
    let mut reader = Reader::new("Corefile", &tokens);
    assert!(reader.next() && reader.remaining_args().is_empty());
    assert!(reader.next() && reader.remaining_args().is_empty());
    assert!(!reader.next());
}

#[test]
fn mistakes_carry_file_and_line() {
    let tokens = tokens("a", "a b {\n import extra\n}");
    let mut reader = Reader::new("Corefile", &tokens);
    assert_eq!(reader.eof_error().to_string(), "Corefile:0 - Error during parsing: Unexpected EOF");
    assert!(reader.next() && reader.next());
    let wrong = "Corefile:5 - Error during parsing: Wrong argument count or unexpected line ending after 'b'";
    assert_eq!(reader.arg_error().to_string(), wrong);
    assert!(reader.next());
    let brace = "Corefile:5 - Error during parsing: Unexpected token '{', expecting argument";
    assert_eq!(reader.arg_error().to_string(), brace);
    assert!(reader.next() && reader.next());
    assert_eq!(reader.error("no").to_string(), "/extra:2 - Error during parsing: no");
    assert_eq!(
        reader.syntax_error("x").to_string(),
        "/extra:2 - Syntax error: Unexpected token 'two', expecting 'x'"
    );
}

#[test]
fn without_tokens_nothing_moves() {
    let mut reader = Reader::new("Corefile", &[]);
    assert!(!reader.next() && !reader.next_arg() && !reader.next_line() && !reader.next_block());
    assert!(reader.remaining_args().is_empty() && reader.token().is_none());
}
