//! Aliases that lead elsewhere: W33 to W36.

use super::super::tests::*;

#[tokio::test]
async fn w33_to_w36_the_new_target_is_looked_up() {
    let new = "NOERROR alias.test. A: alias.test. 30 CNAME new.test., new.test. 30 A 192.0.2.1";
    let both: &[&str] = &["alias.test. A IN", "new.test. A IN"];
    check(&[
        ("W33", "rewrite cname tgt.test new.test", a("alias.test"), both, new),
        ("W34", "rewrite cname tgt.test. new.test.", a("alias.test"), both, new),
        ("W35", "rewrite cname exact tgt.test. c2.test.", a("alias.test"), &["alias.test. A IN", "c2.test. A IN"], "NOERROR alias.test. A: alias.test. 30 CNAME c2.test., c2.test. 30 CNAME c3.test., c3.test. 30 A 192.0.2.1"),
        ("W36", r"rewrite cname regex tgt\.(.*) new.{1}", a("alias.test"), both, new),
        ("suffix", "rewrite cname suffix tgt.test. new.test.", a("alias.test"), both, new),
        ("prefix", "rewrite cname prefix tgt. new.", a("alias.test"), both, new),
        ("substring", "rewrite cname substring TGT new", a("alias.test"), both, new),
        ("no alias", "rewrite cname tgt.test new.test", a("nx.test"), &["nx.test. A IN"], "NXDOMAIN nx.test. A:  | test. 30 SOA test. test. 1 2 3 4 5"),
        ("with names", "rewrite continue name a.test alias.test\nrewrite cname tgt.test new.test", a("a.test"), both, "NOERROR a.test. A: a.test. 30 CNAME new.test., new.test. 30 A 192.0.2.1"),
        ("what it has not", "rewrite cname tgt.test nx.test", a("alias.test"), &["alias.test. A IN", "nx.test. A IN"], "NOERROR alias.test. A: alias.test. 30 CNAME nx.test."),
        ("a failure", "rewrite cname tgt.test fail.test", a("alias.test"), &["alias.test. A IN", "fail.test. A IN"], "NOERROR alias.test. A: alias.test. 30 CNAME tgt.test., tgt.test. 30 A 192.0.2.1"),
        ("no name", "rewrite cname regex tgt(.*) .{1}", a("alias.test"), &["alias.test. A IN"], "NOERROR alias.test. A: alias.test. 30 CNAME tgt.test., tgt.test. 30 A 192.0.2.1"),
    ])
    .await;
}

#[tokio::test]
async fn lookups_in_circles_end() {
    let (mut one, seen) = block("rewrite cname self.test self.test");
    assert_eq!(
        ask(&mut one, a("self.test")).await.matches("CNAME").count(),
        9,
        "eight lookups inside of each other"
    );
    assert_eq!(seen.lock().unwrap().len(), 9);
    let (mut several, seen) = block(&"rewrite continue cname regex self(.*) self{1}\n".repeat(5));
    ask(&mut several, a("self.test")).await;
    assert_eq!(seen.lock().unwrap().len(), 33, "32 lookups for one query");
}
