//! TTLs and rcodes: W26 to W32.

use super::super::tests::*;

fn ttls(ttl: u32) -> String {
    format!("NOERROR x.test. A: x.test. {ttl} A 192.0.2.1 | x.test. {ttl} NS ns.x.test.")
}

#[tokio::test]
async fn w26_to_w28_ttls_are_kept_within_bounds() {
    let seen: &[&str] = &["x.test. A IN"];
    check(&[
        ("W26", "rewrite ttl x.test 5", a("x.test"), seen, &ttls(5)),
        ("W27 1", "rewrite ttl x.test 40-50", a("x.test"), seen, &ttls(40)),
        ("W27 2", "rewrite ttl x.test -10", a("x.test"), seen, &ttls(10)),
        (
            "W27 3",
            "rewrite ttl x.test 100-",
            a("X.TEST"),
            &["X.TEST. A IN"],
            "NOERROR X.TEST. A: X.TEST. 100 A 192.0.2.1 | X.TEST. 100 NS ns.X.TEST.",
        ),
        ("prefix", "rewrite ttl prefix X. 5", a("x.test"), seen, &ttls(5)),
        ("suffix", "rewrite ttl suffix test 5", a("x.test"), seen, &ttls(5)),
        ("substring", "rewrite ttl substring te 5", a("x.test"), seen, &ttls(5)),
        ("regex", "rewrite ttl regex ^x 5", a("x.test"), seen, &ttls(5)),
        ("no match", "rewrite ttl regex ^y 5", a("x.test"), seen, &ttls(30)),
        (
            "it stops",
            "rewrite ttl x.test 5\nrewrite name x.test y.test",
            a("x.test"),
            seen,
            &ttls(5),
        ),
        (
            "all of it",
            "rewrite continue ttl y.test 5\nrewrite name x.test y.test",
            a("x.test"),
            &["y.test. A IN"],
            &ttls(30),
        ),
        (
            "the name as it is then",
            "rewrite continue name x.test y.test\nrewrite ttl y.test 5",
            a("x.test"),
            &["y.test. A IN"],
            &ttls(5),
        ),
    ])
    .await;
}

/// D: the OPT of a reply has no TTL.
#[tokio::test]
async fn w28_the_opt_of_an_upstream_keeps_its_flags() {
    let block = testing::setup(&ENTRY, "rewrite ttl regex .* 86400").unwrap();
    let mut block = block.before(stub(|query| {
        Box::pin(async move {
            let mut reply = query.reply();
            reply.message_mut()?.edns.get_or_insert_default();
            Ok(reply)
        })
    }));
    let reply = block.ask(a("x.test").edns(1232)).await.unwrap();
    let message = reply.message().unwrap();
    assert_eq!(u16::from(*message.edns.as_ref().unwrap().flags()), 0);
    assert!(message.additionals.is_empty());
}

#[tokio::test]
async fn w30_to_w32_rcodes_are_replaced() {
    let soa = "test. 30 SOA test. test. 1 2 3 4 5";
    check(&[
        (
            "W30",
            "rewrite rcode exact sf.test SERVFAIL NXDOMAIN",
            a("sf.test"),
            &["sf.test. A IN"],
            "NXDOMAIN sf.test. A:",
        ),
        (
            "W30 ours",
            "rewrite rcode exact fail.test SERVFAIL NXDOMAIN",
            a("fail.test"),
            &["fail.test. A IN"],
            "Non-Existent Domain error: unreachable",
        ),
        (
            "W31",
            "rewrite rcode exact nx.test NXDOMAIN NOERROR",
            a("nx.test"),
            &["nx.test. A IN"],
            &format!("NOERROR nx.test. A:  | {soa}"),
        ),
        (
            "W32",
            "rewrite rcode regex .* 3 0",
            a("nx.test"),
            &["nx.test. A IN"],
            &format!("NOERROR nx.test. A:  | {soa}"),
        ),
        (
            "another one",
            "rewrite rcode regex .* 2 0",
            a("nx.test"),
            &["nx.test. A IN"],
            &format!("NXDOMAIN nx.test. A:  | {soa}"),
        ),
        (
            "the last one first",
            "rewrite continue rcode nx.test 5 4\nrewrite rcode nx.test 3 5",
            a("nx.test"),
            &["nx.test. A IN"],
            &format!("NOTIMP nx.test. A:  | {soa}"),
        ),
        (
            "extended",
            "rewrite rcode sf.test SERVFAIL BADCOOKIE",
            a("sf.test"),
            &["sf.test. A IN"],
            "BADCOOKIE sf.test. A:",
        ),
    ])
    .await;
}
