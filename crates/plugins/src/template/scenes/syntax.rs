//! What setup takes and refuses: T29, T31 to T41.

use super::super::tests::*;

fn error(text: &str) -> String {
    let found = testing::setup(&ENTRY, text).map(|_| String::new());
    found.unwrap_or_else(|error| error.to_string())
}

/// Rows: text, error.
fn check_setup(rows: &[(&str, String, String)]) {
    for (row, text, expected) in rows {
        assert_eq!(error(text), *expected, "{row}: {text}");
    }
}

fn at(line: u8, text: &str) -> String {
    format!("Corefile:{line} - Error during parsing: {text}")
}

fn argument(line: u8, after: &str) -> String {
    at(line, &format!("Wrong argument count or unexpected line ending after '{after}'"))
}

fn compile(text: &str) -> String {
    at(3, &format!("could not compile template: {text}"))
}

#[test]
fn t29_t31_to_t35_setup() {
    let rows = [
        (
            "T29",
            "template IN A {\nanswer \"{{$x := 1}}{{ .Name }} 60 IN A 10.0.0.1\"\n}".to_owned(),
            compile(
                "{}{{ .Name }} 60 IN A 10.0.0.1, \"{}\" is left of an environment variable; write \"{{ $x }}\" with a blank before the dollar",
            ),
        ),
        (
            "T29",
            "template IN TXT {\nanswer \"{{ $x := 1 }}x. TXT \\\"{}\\\"\"\n}".into(),
            String::new(),
        ),
        ("T31", "template".into(), argument(2, "template")),
        ("T31", "template IN".into(), argument(2, "IN")),
        ("T32", "template in A".into(), at(2, "invalid query class in")),
        ("T32", "template IN a".into(), at(2, "invalid RR class a")),
        ("T33", "template IN A {\nrcode nxdomain\n}".into(), at(3, "unknown rcode nxdomain")),
        ("T33", "template IN A {\nrcode FOO\n}".into(), at(3, "unknown rcode FOO")),
        ("T33", "template IN A {\nrcode\n}".into(), argument(3, "rcode")),
        (
            "T34",
            "template IN A {\nmatch (\n}".into(),
            at(3, "could not parse regex: (, error parsing regexp: missing closing ): `(`"),
        ),
        ("T35", "template IN A {\nmatch\n}".into(), argument(3, "match")),
        ("T35", "template IN A {\nanswer\n}".into(), argument(3, "answer")),
    ];
    check_setup(&rows);
}

#[test]
fn t36_to_t40_setup() {
    let rows = [
        (
            "T36",
            "template IN A {\nanswer \"{{ .Name\"\n}".into(),
            compile("{{ .Name, template: answer:1: unclosed action"),
        ),
        (
            "T36",
            "template IN A {\nauthority \"{{ foo }}\"\n}".into(),
            compile("{{ foo }}, template: authority:1: function \"foo\" not defined"),
        ),
        ("T37", "template IN A {\nanswer \"{{ .Foo }}\"\n}".into(), String::new()),
        (
            "T38",
            "template IN A {\nederror x\n}".into(),
            at(
                3,
                "error parsing extended DNS error code x, strconv.ParseUint: parsing \"x\": invalid syntax",
            ),
        ),
        (
            "T38",
            "template IN A {\nederror 70000\n}".into(),
            at(
                3,
                "error parsing extended DNS error code 70000, strconv.ParseUint: parsing \"70000\": value out of range",
            ),
        ),
        ("T38", "template IN A {\nederror 1 a b\n}".into(), argument(3, "b")),
        ("T38", "template IN A {\nederror\n}".into(), argument(3, "ederror")),
        ("T39", "template IN A {\nbogus\n}".into(), argument(3, "bogus")),
        ("T40", "template IN A {\nupstream a b\n}".into(), String::new()),
        ("T40", "template ANY ANY {\n}".into(), String::new()),
        ("T40", "template ANY ANY".into(), String::new()),
    ];
    check_setup(&rows);
    let long = format!("template IN A {{\nmatch {}\n}}", "a".repeat(10_001));
    assert_eq!(error(&long), at(3, "regex pattern too long: 10001 > 10000"));
}

#[tokio::test]
async fn t41_the_zones_of_the_block_are_those_of_a_template() {
    let text = "template IN A {\nanswer \"{{ .Zone }} A 192.0.2.1\"\n}";
    let block = testing::block_for("Example.org test", &[ENTRY], text, &Default::default());
    let mut block = block.unwrap().before(stub(|query| Box::pin(async move { Ok(query.reply()) })));
    let rows = [
        ("a.EXAMPLE.org", "NOERROR aa a.EXAMPLE.org. A: example.org. 3600 A 192.0.2.1"),
        ("test", "NOERROR aa test. A: test. 3600 A 192.0.2.1"),
        ("x.other", "NOERROR x.other. A:"),
    ];
    for (name, expected) in rows {
        assert_eq!(ask(&mut block, a(name)).await, expected);
    }
}
