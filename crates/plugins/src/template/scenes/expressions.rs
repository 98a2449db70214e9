//! T44 to T46: variables and conditions.

use super::super::tests::*;

const PRIVATE: &str = "template IN A test {
    match ^(?P<ip>[0-9]+(-[0-9]+)*)[.]test[.]$
    match ^(?P<ip>other)[.]test[.]$
    var ip replace(group('ip'), '-', '.')
    expr \"incidr(ip, '10.0.0.0/8')\"
    answer \"{{ .Name }} 60 IN A {{ .Var.ip }}\"
    fallthrough
}";

#[tokio::test]
async fn t44_t45_what_is_no_match_falls_through_and_what_fails_does_not() {
    let stays = PRIVATE.replace("fallthrough", "");
    let any = "expr \"any(['172.16.0.0/12', '10.0.0.0/8'], incidr(ip, #))\"";
    let any = PRIVATE.replace("expr \"incidr(ip, '10.0.0.0/8')\"", any);
    check(&[
        (
            "T44",
            PRIVATE,
            a("10-1-2-3.test"),
            0,
            "NOERROR aa 10-1-2-3.test. A: 10-1-2-3.test. 60 A 10.1.2.3",
        ),
        (
            "T44",
            PRIVATE,
            a("192-0-2-1.test"),
            1,
            "NOERROR 192-0-2-1.test. A: 192-0-2-1.test. 30 A 192.0.2.1",
        ),
        (
            "T44",
            &any,
            a("10-1-2-3.test"),
            0,
            "NOERROR aa 10-1-2-3.test. A: 10-1-2-3.test. 60 A 10.1.2.3",
        ),
        ("without fallthrough", &stays, a("192-0-2-1.test"), 0, "SERVFAIL 192-0-2-1.test. A:"),
        ("T45", PRIVATE, a("10-1-1.test"), 0, "SERVFAIL 10-1-1.test. A:"),
        ("T45", PRIVATE, a("other.test"), 0, "SERVFAIL other.test. A:"),
    ])
    .await;
}

#[tokio::test]
async fn variables_have_types_and_use_each_other() {
    let text = "template IN TXT test {
        match ^(a)(?P<b>b)?
        var number len(name()) + 1
        var list split(name(), '.')
        var truth number == 8
        var half number / 16
        var nothing nil
        var both group(1) + group('b')
        expr truth and type() == 'TXT'
        expr both != 'ab'
        answer \"{{ .Name }} TXT \\\"{{ printf `%03d` .Var.number }} {{ index .Var.list 1 }} {{ if .Var.truth }}yes{{ end }} {{ .Var.half }} {{ .Var.nothing }} {{ .Var.both }} {{ .Var.x }}\\\"\"
        fallthrough
    }";
    let txt = |name| query(name, RecordType::TXT);
    check(&[
        (
            "values",
            text,
            txt("a.test"),
            0,
            "NOERROR aa a.test. TXT: a.test. 3600 TXT 008 test yes 0.5 <no value> a <no value>",
        ),
        ("a condition", text, txt("a.x.test"), 1, "NOERROR a.x.test. TXT:"),
        ("the last condition", text, txt("ab.test"), 1, "NOERROR ab.test. TXT:"),
    ])
    .await;
}

#[tokio::test]
async fn a_condition_that_is_no_truth_is_no_match() {
    let one = "template IN A {\nexpr 1\nanswer \"x. A 192.0.2.9\"\nfallthrough\n}";
    check(&[("expr 1", one, a("x.test"), 1, "NOERROR x.test. A: x.test. 30 A 192.0.2.1")]).await;
}

#[tokio::test]
async fn what_no_condition_lets_through_is_not_counted() {
    let (mut block, _) = block(PRIVATE);
    for name in ["10-1-2-3.test", "192-0-2-1.test", "10-1-1.test"] {
        ask(&mut block, a(name)).await;
    }
    let labels = [("zone", "test."), ("class", "IN"), ("type", "A")];
    assert_eq!(metric(&block, "coredns_template_matches_total", &labels), Some(1.0));
}

#[test]
fn t46_names_and_expressions_are_checked_at_start() {
    let after =
        |text: &str| format!("Wrong argument count or unexpected line ending after '{text}'");
    let table = [
        ("T46", "var len 1", "variable name \"len\" is reserved".to_owned()),
        ("literal", "var true 1", "variable name \"true\" is reserved".into()),
        ("keyword", "var let 1", "variable name \"let\" is reserved".into()),
        ("function", "var group 1", "variable name \"group\" is reserved".into()),
        ("letter", "var 1a 1", "invalid variable name \"1a\"".into()),
        ("hyphen", "var a-b 1", "invalid variable name \"a-b\"".into()),
        ("no value", "var a", after("a")),
        ("no name", "var", after("var")),
        ("no condition", "expr", after("expr")),
        (
            "broken",
            "var a 1 +",
            "could not compile expression: a, unexpected token EOF (1:4)".into(),
        ),
        ("not yet", "var a b + 1", "could not compile expression: a, unknown name b (1:1)".into()),
        (
            "condition",
            "expr nosuch == 1",
            "could not compile expression: unknown name nosuch (1:1)".into(),
        ),
    ];
    for (row, property, expected) in table {
        let error =
            testing::setup(&ENTRY, &format!("template IN A {{\n{property}\n}}")).unwrap_err();
        let expected = format!("Corefile:3 - Error during parsing: {expected}");
        assert_eq!(error.to_string(), expected, "{row}: {property}");
    }
    let twice = "template IN A {\nvar a 1\nvar a 2\n}";
    let error = testing::setup(&ENTRY, twice).unwrap_err().to_string();
    assert!(
        error.ends_with("Corefile:4 - Error during parsing: variable name \"a\" is reserved"),
        "{error}"
    );
    let other = "template IN A {\nvar a 1\n}\ntemplate IN A {\nvar a 2\nexpr a == 2\n}";
    assert!(testing::setup(&ENTRY, other).is_ok());
}
