//! Names, types and classes: W1 to W25, W56.

use super::super::tests::*;

#[tokio::test]
async fn w1_to_w4_an_exact_name_goes_and_comes_back() {
    let text = "rewrite name a.test b.test";
    let srv = |name| query(name, RecordType::SRV);
    check(&[
        ("W01", text, a("a.test"), &["b.test. A IN"], "NOERROR a.test. A: a.test. 30 A 192.0.2.1 | a.test. 30 NS ns.a.test."),
        ("W02", text, a("A.TEST"), &["b.test. A IN"], "NOERROR A.TEST. A: a.test. 30 A 192.0.2.1 | a.test. 30 NS ns.a.test."),
        ("W03", text, a("sub.a.test"), &["sub.a.test. A IN"], "NOERROR sub.a.test. A: sub.a.test. 30 A 192.0.2.1 | sub.a.test. 30 NS ns.sub.a.test."),
        ("W04", text, srv("a.test"), &["b.test. SRV IN"], "NOERROR a.test. SRV: a.test. 30 SRV 0 0 53 host.a.test. | a.test. 30 NS ns.a.test. | host.a.test. 30 A 192.0.2.9"),
    ])
    .await;
}

#[tokio::test]
async fn w5_to_w11_operands_are_text() {
    check(&[
        ("W05", "rewrite name prefix foo- bar-", a("foo-1.test"), &["bar-1.test. A IN"], "NOERROR foo-1.test. A: bar-1.test. 30 A 192.0.2.1 | bar-1.test. 30 NS ns.bar-1.test."),
        ("W06", "rewrite name prefix foo- bar-", a("foo-.test"), &["bar-.test. A IN"], "NOERROR foo-.test. A: bar-.test. 30 A 192.0.2.1 | bar-.test. 30 NS ns.bar-.test."),
        ("W07", "rewrite name prefix foo. bar.", a("foo.test"), &["bar.test. A IN"], "NOERROR foo.test. A: bar.test. 30 A 192.0.2.1 | bar.test. 30 NS ns.bar.test."),
        ("prefix auto", "rewrite name prefix foo- bar- answer auto answer value x y", a("foo-1.test"), &["bar-1.test. A IN"], "NOERROR foo-1.test. A: foo-1.test. 30 A 192.0.2.1 | foo-1.test. 30 NS ns.foo-1.test."),
        ("W08", "rewrite name suffix a.test b.test", a("xa.test"), &["xb.test. A IN"], "NOERROR xa.test. A: xb.test. 30 A 192.0.2.1 | xb.test. 30 NS ns.xb.test."),
        ("W09", "rewrite name suffix a.test b.test", a("x.a.test"), &["x.b.test. A IN"], "NOERROR x.a.test. A: x.b.test. 30 A 192.0.2.1 | x.b.test. 30 NS ns.x.b.test."),
        ("W10 A", "rewrite stop {\nname suffix .a.test .b.test answer auto\n}", a("x.a.test"), &["x.b.test. A IN"], "NOERROR x.a.test. A: x.a.test. 30 A 192.0.2.1 | x.a.test. 30 NS ns.x.a.test."),
        ("W10 SRV", "rewrite stop {\nname suffix .a.test .b.test\nanswer auto\n}", query("x.a.test", RecordType::SRV), &["x.b.test. SRV IN"], "NOERROR x.a.test. SRV: x.a.test. 30 SRV 0 0 53 host.x.a.test. | x.a.test. 30 NS ns.x.a.test. | host.x.a.test. 30 A 192.0.2.9"),
        ("W11 1", "rewrite name substring foo bar", a("foo.test"), &["bar.test. A IN"], "NOERROR foo.test. A: bar.test. 30 A 192.0.2.1 | bar.test. 30 NS ns.bar.test."),
        ("W11 2", "rewrite name substring foo bar", a("xfoo.y.test"), &["xbar.y.test. A IN"], "NOERROR xfoo.y.test. A: xbar.y.test. 30 A 192.0.2.1 | xbar.y.test. 30 NS ns.xbar.y.test."),
        ("W11 3", "rewrite name substring foo bar", a("foox.foo"), &["barx.bar. A IN"], "NOERROR foox.foo. A: barx.bar. 30 A 192.0.2.1 | barx.bar. 30 NS ns.barx.bar."),
    ])
    .await;
}

const W12: &str = r"name regex (.*)-(x)\.test {1}.{2}.b.test";

#[tokio::test]
async fn w12_to_w18_expressions() {
    let plain = format!("rewrite {W12}");
    let answer = |more: &str| format!("rewrite stop {{\n{W12}\n{more}\n}}");
    let named = answer(r"answer name (.*)\.(x)\.b\.test {1}-{2}.test");
    let auto = answer("answer auto");
    let broken = answer("answer auto\nanswer value host\\.(.*) H.{1}");
    check(&[
        ("W12", &plain, a("q-x.test"), &["q.x.b.test. A IN"], "NOERROR q-x.test. A: q.x.b.test. 30 A 192.0.2.1 | q.x.b.test. 30 NS ns.q.x.b.test."),
        ("W13", &plain, a("Q-X.test"), &["q.x.b.test. A IN"], "NOERROR Q-X.test. A: q.x.b.test. 30 A 192.0.2.1 | q.x.b.test. 30 NS ns.q.x.b.test."),
        ("W14", &named, a("q-x.test"), &["q.x.b.test. A IN"], "NOERROR q-x.test. A: q-x.test. 30 A 192.0.2.1 | q-x.test. 30 NS ns.q.x.b.test."),
        ("W15", &auto, query("q-x.test", RecordType::SRV), &["q.x.b.test. SRV IN"], "NOERROR q-x.test. SRV: q-x.test. 30 SRV 0 0 53 host.q-x.test. | q-x.test. 30 NS ns.q-x.test. | host.q-x.test. 30 A 192.0.2.9"),
        ("W16", &broken, query("q-x.test", RecordType::SRV), &["q.x.b.test. SRV IN"], "Server Failure error: invalid name after rewrite: h.q.x.b.test.."),
        ("W18", r"rewrite name regex (.*)\.test\. {1}..b", a("x.test"), &[], "Server Failure error: invalid name after rewrite: x..b."),
    ])
    .await;
    let error = testing::setup(&ENTRY, "rewrite name regex a {1}.b").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the rewrite regex pattern ({1}.b) uses more subexpressions than its corresponding matching regex pattern (a)",
        "W17"
    );
}

#[tokio::test]
async fn w19_to_w22_the_list_ends_where_a_rule_says_so() {
    let back = "NOERROR a.test. A: a.test. 30 A 192.0.2.1 | a.test. 30 NS ns.a.test.";
    let rules = |first: &str, second: &str| {
        format!("rewrite {first} name a.test b.test\nrewrite {second} name b.test c.test")
    };
    check(&[
        ("W19", &rules("stop", "stop"), a("a.test"), &["b.test. A IN"], back),
        ("W20", &rules("continue", "stop"), a("a.test"), &["c.test. A IN"], back),
        ("W21", &rules("continue", "continue"), a("a.test"), &["c.test. A IN"], back),
        ("W22", "rewrite continue name regex a\\.test b.test", a("a.test"), &["b.test. A IN"], "NOERROR a.test. A: b.test. 30 A 192.0.2.1 | b.test. 30 NS ns.b.test."),
        ("there and back", "rewrite continue name a.test b.test\nrewrite name b.test a.test", a("a.test"), &["a.test. A IN"], back),
        ("the order is that of the file", "rewrite continue name substring z y\nrewrite name y.test b.test\nrewrite name z.test c.test", a("z.test"), &["b.test. A IN"], "NOERROR z.test. A: y.test. 30 A 192.0.2.1 | y.test. 30 NS ns.y.test."),
    ])
    .await;
}

#[tokio::test]
async fn w23_to_w25_types_and_classes() {
    let six = "x.test. 30 AAAA 2001:db8::1 | x.test. 30 NS ns.x.test.";
    check(&[
        (
            "W23",
            "rewrite continue type A AAAA",
            a("x.test"),
            &["x.test. AAAA IN"],
            &format!("NOERROR x.test. A: {six}"),
        ),
        (
            "W24",
            "rewrite type A AAAA",
            a("x.test"),
            &["x.test. AAAA IN"],
            &format!("NOERROR x.test. A: {six}"),
        ),
        (
            "spelling",
            "rewrite type a aaaa",
            a("X.test"),
            &["X.test. AAAA IN"],
            "NOERROR X.test. A: X.test. 30 AAAA 2001:db8::1 | X.test. 30 NS ns.X.test.",
        ),
        (
            "other type",
            "rewrite type TXT AAAA",
            query("x.test", RecordType::MX),
            &["x.test. MX IN"],
            "NOERROR x.test. MX:",
        ),
        (
            "W25",
            "rewrite class CH IN",
            a("x.test").class(3),
            &["x.test. A IN"],
            "NOERROR x.test. A: x.test. 30 A 192.0.2.1 | x.test. 30 NS ns.x.test.",
        ),
        (
            "nobody may ask that",
            "rewrite type A TKEY",
            a("x.test"),
            &[],
            "Server Failure error: no query to ask: x.test. TKEY",
        ),
    ])
    .await;
    let (mut block, _) = block("rewrite class CH IN");
    let reply = block.ask(a("x.test").class(3)).await.unwrap();
    assert_eq!(u16::from(reply.message().unwrap().queries[0].query_class()), 3, "W25");
}

#[tokio::test]
async fn w56_failures_and_silence_stay_what_they_are() {
    check(&[
        (
            "W56",
            "rewrite name a.test fail.test",
            a("a.test"),
            &["fail.test. A IN"],
            "Server Failure error: unreachable",
        ),
        (
            "silence",
            "rewrite name a.test silent.test",
            a("a.test"),
            &["silent.test. A IN"],
            "silence",
        ),
        (
            "a bare SERVFAIL",
            "rewrite name a.test sf.test",
            a("a.test"),
            &["sf.test. A IN"],
            "SERVFAIL a.test. A:",
        ),
        (
            "NOTIFY",
            "rewrite name a.test b.test",
            a("a.test").opcode(4),
            &["a.test. A IN"],
            "NOERROR a.test. A: a.test. 30 A 192.0.2.1 | a.test. 30 NS ns.a.test.",
        ),
        (
            "odd names",
            r"rewrite name a\.b.test b.test",
            a(r"a\.b.test"),
            &["b.test. A IN"],
            r"NOERROR a\.b.test. A: a\.b.test. 30 A 192.0.2.1 | a\.b.test. 30 NS ns.a\.b.test.",
        ),
    ])
    .await;
}
