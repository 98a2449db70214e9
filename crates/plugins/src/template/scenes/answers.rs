//! T1 to T30, T42, T43.

use dunlin_core::wire::Flags;

use super::super::tests::*;

const IP: &str = "template IN A test {
    match ^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]test[.]$
    answer \"{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}\"
    FALLTHROUGH
}";

fn ip(fallthrough: &str) -> String {
    IP.replace("FALLTHROUGH", fallthrough)
}

fn one(property: &str) -> String {
    format!("template ANY ANY {{\n{property}\n}}")
}

const HIT: &str = "NOERROR other.test. A: other.test. 30 A 192.0.2.1";

#[tokio::test]
async fn t1_to_t4_rcodes() {
    check(&[
        ("T01", &one("rcode NXDOMAIN"), a("x.test"), 0, "NXDOMAIN aa x.test. A:"),
        (
            "T02",
            &one("rcode SERVFAIL\nanswer \"x. IN A 192.0.2.1\""),
            a("x.test"),
            0,
            "SERVFAIL x.test. A:",
        ),
        ("T03 1", &one("rcode REFUSED"), a("x.test"), 0, "REFUSED aa x.test. A:"),
        ("T03 2", &one("rcode FORMERR"), a("x.test"), 0, "FORMERR aa x.test. A:"),
        ("T03 3", &one("rcode NOTIMP"), a("x.test"), 0, "NOTIMP aa x.test. A:"),
        ("T04", &one("rcode YXDOMAIN"), a("x.test"), 0, "YXDOMAIN aa x.test. A:"),
    ])
    .await;
    let (mut block, _) = block(&one("rcode NXDOMAIN"));
    let reply = block.ask(a("x.test")).await.unwrap();
    assert!(!reply.flags().has(Flags::RA), "T01");
    let labels = [("zone", "."), ("class", "IN"), ("type", "A")];
    assert_eq!(metric(&block, "coredns_template_matches_total", &labels), Some(1.0), "T01");
}

#[tokio::test]
async fn t5_to_t11_who_is_answered() {
    let (falls, stays, below) = (ip("fallthrough"), ip(""), ip("fallthrough a.test"));
    let other = |name, kind| query(name, kind);
    check(&[
        (
            "T05",
            &falls,
            a("IP-10-1-2-3.test"),
            0,
            "NOERROR aa IP-10-1-2-3.test. A: ip-10-1-2-3.test. 60 A 10.1.2.3",
        ),
        ("T06", &falls, a("other.test"), 1, HIT),
        (
            "T07",
            &falls,
            other("ip-10-1-2-3.test", RecordType::AAAA),
            1,
            "NOERROR ip-10-1-2-3.test. AAAA:",
        ),
        ("T08", &falls, a("x.other"), 1, "NOERROR x.other. A: x.other. 30 A 192.0.2.1"),
        ("T09", &stays, a("other.test"), 0, "SERVFAIL other.test. A:"),
        ("T10", &stays, other("other.test", RecordType::AAAA), 1, "NOERROR other.test. AAAA:"),
        ("T11 1", &below, a("x.a.test"), 1, "NOERROR x.a.test. A: x.a.test. 30 A 192.0.2.1"),
        ("T11 2", &below, a("x.b.test"), 0, "SERVFAIL x.b.test. A:"),
    ])
    .await;
}

#[tokio::test]
async fn t12_t13_t37_failures_are_told_and_counted() {
    let index = |number: u8| {
        format!(
            "template IN A {{\nmatch ^([0-9]+)[.]x[.]test[.]$\nanswer \"{{{{ .Name }}}} 60 IN A {{{{ index .Match {number} }}}}\"\n}}"
        )
    };
    let labels =
        |template: &str| vec![("section", "answer".to_owned()), ("template", template.to_owned())];
    let table = [
        (
            "T12",
            index(1),
            "rr_failures",
            "{{.Name}} 60 IN A {{index .Match 1}}",
            "dns: bad A A: \"300\" at line: 1:23",
        ),
        (
            "T13",
            index(5),
            "template_failures",
            "{{.Name}} 60 IN A {{index .Match 5}}",
            "template: answer:1:23: executing \"answer\" at <index .Match 5>: error calling index: index out of range: 5",
        ),
        (
            "T37",
            one("answer \"{{ .Foo }}\""),
            "template_failures",
            "{{.Foo}}",
            "template: answer:1:3: executing \"answer\" at <.Foo>: can't evaluate field Foo in type *template.templateData",
        ),
    ];
    for (row, text, counter, template, expected) in table {
        let (mut block, _) = block(&text);
        let found = ask(&mut block, a("300.x.test")).await;
        assert_eq!(found, format!("Server Failure error: {expected}"), "{row}");
        // The template has quotes for nobody: it is compared in the page as it is.
        let labels = labels(template);
        let labels: Vec<(&str, &str)> =
            labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let name = format!("coredns_template_{counter}_total");
        assert_eq!(metric(&block, &name, &labels), Some(1.0), "{row}");
    }
}

#[tokio::test]
async fn t14_to_t16_nothing_is_no_record() {
    let text = |kind: &str, data: &str| {
        format!(
            "template IN {kind} {{\nanswer \"{{{{ if eq .Name \\\"a.test.\\\" }}}}a.test. 60 IN {kind} {data}{{{{ end }}}}\"\n}}"
        )
    };
    let txt = |name| query(name, RecordType::TXT);
    check(&[
        (
            "T14",
            &text("A", "10.0.0.1"),
            a("a.test"),
            0,
            "NOERROR aa a.test. A: a.test. 60 A 10.0.0.1",
        ),
        ("T15", &text("A", "10.0.0.1"), a("b.test"), 0, "NOERROR aa b.test. A:"),
        ("T16", &text("TXT", "x"), txt("b.test"), 0, "NOERROR aa b.test. TXT:"),
        ("a comment", &one("answer \" ; {{ .Name }}\""), a("b.test"), 0, "NOERROR aa b.test. A:"),
    ])
    .await;
}

#[tokio::test]
async fn t17_t18_t26_t42_what_templates_know() {
    let all = "{{ .Zone }} {{ .Name }} {{ .Class }} {{ .Type }} {{ index .Match 0 }} {{ index .Match 1 }} {{ .Group.h }} {{ index .Group `2` }} {{ .Message.Id }} {{ .Question.Name }} {{ .Remote }} [{{ .Meta `a/b` }}]";
    let t17 = format!("template IN TXT test {{\nmatch ^(?P<h>[a-z]+)[.](.*)$\nanswer \"{{{{ .Name }}}} 60 IN TXT `{all}` `{{{{ .Regex }}}}`\"\n}}").replace('`', "\\\"");
    let t17 = t17
        .replace("index .Group \\\"2\\\"", "index .Group `2`")
        .replace("Meta \\\"a/b\\\"", "Meta `a/b`");
    let t18 = "template IN A {\nmatch ip(?P<a>[0-9a-f]{2})(?P<b>[0-9a-f]{2})\nanswer \"{{ .Name }} 60 IN A 10.{{ parseInt .Group.b 16 8 }}.0.{{ parseInt .Group.a 10 8 }}\"\n}";
    let class =
        "template ANY ANY invalid {\nrcode NXDOMAIN\nadditional \"x. 1 CH TXT {{ .Class }}\"\n}";
    let kind = "template IN A test {\nanswer \"{{ .Name }} 60 IN TXT {{ .Type }}{{ .Class }}\"\n}";
    check(&[
        ("T17", &t17, query("Foo.Test.", RecordType::TXT).id(77), 0, "NOERROR aa Foo.Test. TXT: foo.test. 60 TXT test. foo.test. TXT foo.test. foo foo test. 77 Foo.Test. 127.0.0.1 []^(?P<h>[a-z]+)[.](.*)$"),
        ("T18", t18, a("ip0aff.test"), 0, "Server Failure error: template: answer:1:57: executing \"answer\" at <parseInt .Group.a 10...>: error calling parseInt: strconv.ParseUint: parsing \"0a\": invalid syntax"),
        ("T18", t18, a("ip07ff.test"), 0, "NOERROR aa ip07ff.test. A: ip07ff.test. 60 A 10.255.0.7"),
        ("T26", kind, query("x.test", RecordType::ANY), 0, "NOERROR aa x.test. ANY: x.test. 60 TXT AIN"),
        ("T26 class", kind, a("x.test").class(255), 0, "NOERROR aa x.test. A: x.test. 60 TXT AIN"),
        ("T42", class, a("a.invalid").class(3), 0, "NXDOMAIN aa a.invalid. A:  |  | x. 1 CH TXT CH"),
        ("other class", kind, a("x.test").class(3), 1, "NOERROR x.test. A: x.test. 30 CH A 192.0.2.1"),
    ])
    .await;
}

#[tokio::test]
async fn t17_metadata() {
    let (mut block, _) = block("template IN A {\nanswer \"x. IN TXT {{ .Meta `a/b` }}\"\n}");
    let chain = block.chain();
    let mut asked = a("x.test").build();
    asked.attach_metadata(Default::default());
    asked.metadata().unwrap().set("a/b", "1");
    let reply = chain.run(&mut asked).await.unwrap();
    assert_eq!(shown(&reply), "NOERROR aa x.test. A: x. 3600 TXT 1");
}

/// D: DO is the client's, and so is EDNS.
#[tokio::test]
async fn t19_t20_extended_errors() {
    for text in ["rcode NXDOMAIN\nederror 21 \"Blocked\"", "rcode NXDOMAIN\nederror 21"] {
        let (mut block, _) = block(&one(text));
        let reply = block.ask(a("x.test").edns(1232)).await.unwrap();
        let error = reply.extended_error().unwrap();
        assert_eq!(error.code, 21);
        assert_eq!(error.text, if text.contains("Blocked") { "Blocked" } else { "" });
    }
}

#[tokio::test]
async fn t21_to_t23_t30_aliases_are_followed() {
    let alias = "template IN ANY foo.test {\nmatch \"^foo[.]test[.]$\"\nanswer \"foo.test 60 IN CNAME bar.test\"\n}";
    let other = |kind| query("foo.test", kind);
    check(&[
        (
            "T21",
            alias,
            a("foo.test"),
            1,
            "NOERROR aa foo.test. A: foo.test. 60 CNAME bar.test., bar.test. 30 A 192.0.2.1",
        ),
        (
            "T22",
            alias,
            other(RecordType::AAAA),
            1,
            "NOERROR aa foo.test. AAAA: foo.test. 60 CNAME bar.test.",
        ),
        (
            "T23",
            alias,
            other(RecordType::TXT),
            0,
            "NOERROR aa foo.test. TXT: foo.test. 60 CNAME bar.test.",
        ),
        (
            "T30",
            &one("answer \"{{ .Name }} 60 IN CNAME {{ .Name }}\""),
            a("x.test"),
            0,
            "Server Failure error: x.test. is an alias of itself",
        ),
        (
            "T30 case",
            &one("answer \"y.test 60 IN CNAME X.test\""),
            a("x.Test"),
            0,
            "Server Failure error: y.test. is an alias of itself",
        ),
    ])
    .await;
    let (mut block, _) = block(&one("answer \"{{ .Name }} 60 IN CNAME x.{{ .Name }}\""));
    let found = ask(&mut block, a("test")).await;
    assert_eq!(found.matches("CNAME").count(), 9, "eight lookups inside of each other: {found}");
}

#[tokio::test]
async fn t24_t25_t27_t28_t43_records_and_order() {
    let sections = one(
        "answer \"a. 1 A 192.0.2.1\"\nadditional \"b. 2 A 192.0.2.2\"\nauthority \"c. 3 NS d.\"",
    );
    let two = "template IN A {\nmatch ^a\nanswer \"one. A 192.0.2.1\"\nfallthrough\n}\ntemplate IN A {\nmatch ^ab\nanswer \"two. A 192.0.2.2\"\nfallthrough\n}";
    let matches = "template IN A {\nmatch ^(x)x\nmatch ^(y)y ^(z)\nanswer \"{{ index .Match 1 }}. A 192.0.2.1\"\n}";
    check(&[
        (
            "T24",
            &sections,
            a("x.test"),
            0,
            "NOERROR aa x.test. A: a. 1 A 192.0.2.1 | c. 3 NS d. | b. 2 A 192.0.2.2",
        ),
        ("T25 1", two, a("ab.test"), 0, "NOERROR aa ab.test. A: one. 3600 A 192.0.2.1"),
        ("T25 2", two, a("b.test"), 1, "NOERROR b.test. A: b.test. 30 A 192.0.2.1"),
        (
            "T27",
            &one("answer \"{{ .Name }} A 10.0.0.1\""),
            a("x.test"),
            0,
            "NOERROR aa x.test. A: x.test. 3600 A 10.0.0.1",
        ),
        (
            "T28",
            &one("answer \"a. A 10.0.0.1\" \"b. A 10.0.0.2\""),
            a("x.test"),
            0,
            "NOERROR aa x.test. A: a. 3600 A 10.0.0.1, b. 3600 A 10.0.0.2",
        ),
        ("T43 1", matches, a("yy.test"), 0, "NOERROR aa yy.test. A: y. 3600 A 192.0.2.1"),
        ("T43 2", matches, a("z.test"), 0, "NOERROR aa z.test. A: z. 3600 A 192.0.2.1"),
    ])
    .await;
}
