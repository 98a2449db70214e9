//! Expressions and what they say of queries, and those that are no expressions.

use crate::metadata::Metadata;
use crate::rr::RecordType;
use crate::testing::{TestQuery, query};
use proptest::prelude::*;

use super::*;

fn asked() -> TestQuery {
    query("Abc.X.Example.", RecordType::MX).id(7).from("192.0.2.7:4000")
}

fn holds(text: &str, query: &Query) -> bool {
    let expression = Expression::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    expression.holds(query)
}

#[test]
fn what_a_query_is_known_by() {
    let client_6 = || asked().from("[2001:db8::1]:53").tcp();
    let table = [
        ("type() == 'MX' && class() == 'IN'", asked()),
        ("type() == 'TYPE65280' and class() == 'CH'", query("a", RecordType::from(65280)).class(3)),
        ("class() == 'CLASS77'", asked().class(77)),
        ("name() == 'abc.x.example.'", asked()),
        ("client_ip() == '192.0.2.7' and port() == '4000'", asked()),
        ("client_ip() == '2001:db8::1' and proto() == 'tcp'", client_6()),
        ("server_ip() == '127.0.0.1' and server_port() == '53'", asked()),
        ("proto() == 'udp'", asked()),
        ("id() == 7 && opcode() == 0", asked()),
        ("size() == 31 && bufsize() == 512", asked()),
        ("bufsize() == 65535", client_6()),
        ("!do()", asked()),
        ("do()", asked().dnssec_ok()),
        ("bufsize() >= 1232", asked().edns(4096)),
        ("incidr(client_ip(), '192.0.2.0/24')", asked()),
        ("incidr(client_ip(), '2001:db8::/32')", client_6()),
        ("incidr(client_ip(), '::/' + '0')", client_6()),
        ("not incidr(client_ip(), '198.51.100.0/24')", asked()),
        ("not incidr(client_ip(), '192.0.2.0/24')", client_6()),
        ("incidr(server_ip(), '127.0.0.0/8')", asked()),
        ("metadata('a/b') == '1' && metadata('a/c') == ''", asked()),
    ];
    for (text, query) in table {
        let mut query = query.build();
        query.attach_metadata(Metadata::default());
        query.metadata().unwrap().set("a/b", "1");
        assert!(holds(text, &query), "{text}");
    }
    assert!(holds("metadata('a/b') == ''", &asked().build()));
}

const TRUE: [&str; 77] = [
    "true",
    "not false",
    "!false && true",
    "false or true",
    "true || 1 / 0 == 1",
    "1 + 2 * 3 == 7",
    "(1 + 2) * 3 == 9",
    "2 ** 3 ** 2 == 512",
    "2 ^ 3 == 8",
    "-2 ** 2 == -4",
    "7 % 4 == 3",
    "7 / 2 == 3.5",
    "1 == 1.0",
    "0x10 == 16",
    "1_000 == 1e3",
    "1.5 > 1",
    "- -1 == 1",
    "'a' + 'b' == 'ab'",
    "'a' < 'b'",
    "\"it's\" == 'it\\'s'",
    "`a\\b` == 'a\\\\b'",
    "'\\x41\\u0042\\t' == 'AB\\t'",
    "'ü' != 'u'",
    "type() in ['A', 'MX']",
    "type() not in ['A', 'AAAA',]",
    "2 in 1..3",
    "4 not in 1..3",
    "[1, 2] == [1, 2.0]",
    "[] == []",
    "['a', 'b'][1] == 'b'",
    "['a', 'b'][-1] == 'b'",
    "name() matches '^abc\\\\..*'",
    "name() not matches '^b'",
    "name() matches '^a' + 'b'",
    "name() contains 'x.e' and name() startsWith 'abc' and name() endsWith '.'",
    "name() not contains 'y'",
    "len(name()) == 14",
    "len([1, 2, 3]) == 3",
    "len('ü') == 1",
    "upper('a') == 'A' && lower('A') == 'a'",
    "trim(' a ') == 'a' and trim('xax', 'x') == 'a'",
    "split(name(), '.')[0] == 'abc'",
    "replace('1-2-3', '-', '.') == '1.2.3' and replace('1-2-3', '-', '', 1) == '12-3'",
    "replace('aaa', 'a', 'b', -1) == 'bbb'",
    "hasPrefix(name(), 'abc') and not hasSuffix(name(), 'abc')",
    "trimPrefix('xay', 'x') == 'ay' and trimSuffix('xay', 'y') == 'xa'",
    "trimPrefix(' a') == 'a' and trimSuffix('a', 'b') == 'a'",
    "indexOf('abab', 'b') == 1 and lastIndexOf('abab', 'b') == 3 and indexOf('a', 'c') == -1",
    "join(['a', 'b']) == 'ab' and join(split('a.b', '.'), '-') == 'a-b'",
    "repeat('ab', 2) == 'abab' and repeat('a', 0) == ''",
    "first([1, 2]) == 1 and last([1, 2]) == 2 and first([]) == nil",
    "len(repeat('a', 65536)) == 65536",
    "first(['a']) == 'a'",
    "join([]) == ''",
    "replace('', '', 'x') == 'x'",
    "replace('ab', '', '-') == '-a-b-'",
    "int(port()) >= 1024",
    "int(2.9) == 2",
    "float('1.5') == 1.5",
    "string(1) + string(true) == '1true'",
    "true ? true : false",
    "1 > 2 ? false : true",
    "false ? 1 == 1 : false ? false : true",
    "nil ?? true",
    "[true][3] ?? true",
    "nil == nil",
    "name() != nil",
    "all([1, 2], # > 0)",
    "any([1, 2], {# == 2})",
    "none([], #)",
    "one(1..3, # == 3)",
    "any(['A', 'MX'], # == type())",
    "any([[1], [2]], all(#, # == 2))",
    "not (type() == 'A') and proto() == 'udp'",
    "not true == false",
    "1 < 2 == true",
    "all(1..9999, any(1..3, # > 0))",
];

/// Other results than `true`, and what fails with a query.
const FALSE: [&str; 35] = [
    "false",
    "1",
    "'true'",
    "nil",
    "[]",
    "1 == 2",
    "2 ** 3 == 9",
    "type() == 'A'",
    "incidr('x', '10.0.0.0/8')",
    "not incidr('x', '10.0.0.0/8')",
    "incidr(client_ip(), 'x')",
    "not incidr(client_ip(), 'x')",
    "1 % 0 == 0",
    "int('x') == 0",
    "[1][5] == 1",
    "9223372036854775807 + 1 == 0",
    "len(0..100000) > 0",
    "all(1..9999, any(1..9999, # > 0))",
    "['a'][0] < 1",
    "name() matches '(' + ''",
    "any([1], # contains 'a')",
    "all([true, false], #)",
    "1 / 0 == 1",
    "len([1][0]) == 1",
    "string(nil) == ''",
    "len(repeat('a', 65537)) > 0",
    "len(repeat('a', -1)) == 0",
    "len(repeat('aa', 9223372036854775807)) > 0",
    "len(repeat('a', 60000) + repeat('a', 60000)) > 0",
    "len(replace(repeat('a', 60000), 'a', 'bb')) > 0",
    "len(join([repeat('a', 60000), repeat('a', 60000)])) > 0",
    "join([1]) == ''",
    "replace('a', 'a', 'b', 'x') == 'b'",
    "len(first([1])) == 1",
    "[1][0] ? true : true",
];

#[test]
fn the_language_says_what_expr_lang_says() {
    let query = asked().build();
    for text in TRUE {
        assert!(holds(text, &query), "{text}");
    }
    for text in FALSE {
        assert!(!holds(text, &query), "{text}");
    }
}

#[test]
fn mistakes_are_found_before_a_query_comes() {
    let nested = format!("{}1{} == 1", "(".repeat(70), ")".repeat(70));
    let long = format!("1{} == 1", " + 1".repeat(600));
    let choices = "true ? ".repeat(100);
    let table = [
        ("", "unexpected token EOF (1:1)"),
        ("nosuch()", "unknown name nosuch (1:1)"),
        ("true && nosuch", "unknown name nosuch (1:9)"),
        ("now() == 1", "unknown name now (1:1)"),
        ("group(0) == ''", "unknown name group (1:1)"),
        ("name", "unknown name name (1:1)"),
        ("# == 1", "unexpected token Identifier(\"#\") (1:1)"),
        ("true true", "unexpected token Identifier(\"true\") (1:6)"),
        ("(true", "unexpected token EOF (1:6)"),
        ("true)", "unexpected token Bracket(\")\") (1:5)"),
        ("1 +", "unexpected token EOF (1:4)"),
        ("* 1", "unexpected token Operator(\"*\") (1:1)"),
        ("in [1]", "unexpected token Identifier(\"in\") (1:1)"),
        ("name().x == 'a'", "unrecognized character: '.' (1:7)"),
        ("true ? 1", "unexpected token EOF (1:9)"),
        ("1 ? true : false", "non-bool expression (type int) used as condition (1:3)"),
        ("'abc", "literal not terminated (1:1)"),
        ("`abc", "literal not terminated (1:1)"),
        ("'\\q'", "invalid char escape (1:1)"),
        ("1abc == 1", "bad number syntax: \"1abc\" (1:1)"),
        ("1 @ 2", "unrecognized character: '@' (1:3)"),
        ("type() == 1", "invalid operation: == (mismatched types string and int) (1:8)"),
        ("name() and true", "invalid operation: and (mismatched types string and bool) (1:8)"),
        ("size() > '1'", "invalid operation: > (mismatched types int and string) (1:8)"),
        ("'a' in 'abc'", "invalid operation: in (mismatched types string and string) (1:5)"),
        ("name() + 1 == 'a'", "invalid operation: + (mismatched types string and int) (1:8)"),
        ("not name()", "invalid operation: not (mismatched type string) (1:1)"),
        ("incidr('a')", "not enough arguments to call incidr (1:1)"),
        ("name('a') == ''", "too many arguments to call name (1:1)"),
        ("any([1])", "unexpected token Bracket(\")\") (1:8)"),
        ("name() matches '('", "bad regular expression \"(\" (1:8)"),
        (&nested, "expression is nested too deep (1:65)"),
        (&choices, "expression is nested too deep (1:449)"),
    ];
    for (text, expected) in table {
        let error = Expression::compile(text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let error = Expression::compile(&long).unwrap_err();
    assert!(error.to_string().starts_with("expression has too many operators"), "{error}");
}

/// Rows: variables, expression, its value.
type Spoken<'t> = (&'t [(&'t str, &'t str)], &'t str, Option<Value<'static>>);

#[test]
fn variables_and_groups_are_what_they_were_made_of() {
    let groups = [
        (None, "a-b.test.".to_owned()),
        (Some("one"), "a".into()),
        (None, "b".into()),
        (Some("1"), "third".into()),
    ];
    let text = |text: &'static str| Some(Value::text(text));
    let table: [Spoken<'_>; 10] = [
        (&[], "group('one') + group(2)", text("ab")),
        (&[], "group('0') + group('9') + group(9) + group(-1) + group('x')", text("a-b.test.")),
        (&[], "group('1') + group('01') + group(1)", text("thirda")),
        (&[], "group(true)", text("")),
        (
            &[("a", "1"), ("b", "a + 1")],
            "[a, b]",
            Some(Value::List(vec![1, 2].into_iter().map(Value::Integer).collect())),
        ),
        (&[("a", "group(0)")], "any(['b', 'a'], a startsWith #)", Some(Value::Bool(true))),
        (&[("a", "nil")], "a ?? 'x'", text("x")),
        (&[("a", "1.5")], "a * 2", Some(Value::Float(3.0))),
        (&[("a", "int(group('one'))")], "a", None),
        (&[("a", "1..9000"), ("b", "[a, a, a, a, a, a, a, a]")], "len(b)", None),
    ];
    let query = asked().build();
    for (variables, text, expected) in table {
        let mut names = Names::with_groups();
        let mut values = Some(Vec::new());
        for (name, text) in variables {
            assert_eq!(names.check(name), Ok(()), "{name}");
            let expression = names.compile(text).unwrap();
            names.declare(name, &expression);
            values = values.and_then(|mut values: Vec<_>| {
                let scope = Scope { query: &query, groups: &groups, variables: &values };
                values.push(expression.value(&scope)?);
                Some(values)
            });
        }
        let expression = names.compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let value = values.and_then(|values| {
            expression.value(&Scope { query: &query, groups: &groups, variables: &values })
        });
        assert_eq!(value, expected, "{text}");
    }
}

#[test]
fn names_of_variables_are_nobody_elses() {
    let mut names = Names::with_groups();
    let one = names.compile("1").unwrap();
    names.declare("mine", &one);
    for name in ["", "1a", "a-b", "a.b", "ü", "$a", "a b"] {
        assert_eq!(names.check(name), Err(BadName::Invalid), "{name}");
    }
    for name in
        ["mine", "len", "type", "group", "true", "let", "in", "any", "now", "incidr", "replace"]
    {
        assert_eq!(names.check(name), Err(BadName::Reserved), "{name}");
    }
    for name in ["a", "_", "Mine", "Len", "a1_"] {
        assert_eq!(names.check(name), Ok(()), "{name}");
    }
    let table = [
        ("mine + 'x'", "invalid operation: + (mismatched types int and string) (1:6)"),
        ("yours", "unknown name yours (1:1)"),
        ("mine()", "unexpected token Bracket(\"(\") (1:5)"),
    ];
    for (text, expected) in table {
        assert_eq!(names.compile(text).unwrap_err().to_string(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_a_mistake(
        text in "[ ()\\[\\]a-z0-9'#!&|<>=+*/.,?:-]{0,40}|.{0,40}",
        words in proptest::collection::vec(proptest::sample::select(vec![
            "name()", "size()", "1", "'a'", "[1, 'a']", "#", "nil", "true", "==", "in", "not", "and", "..",
            "**", "??", "?", ":", "(", ")", "[", "]", "any(", ",", "-", "matches", "contains", "split(", "incidr(",
        ]), 0..12),
    ) {
        for text in [text, words.join(" ")] {
            if let Ok(expression) = Expression::compile(&text) {
                let _ = expression.holds(&asked().build());
            }
        }
    }
}
