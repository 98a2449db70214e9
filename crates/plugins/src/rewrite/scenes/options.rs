//! EDNS options: W37 to W45. What a client gets has none of them, so nothing is to be reverted.

use super::super::tests::*;

/// Rows: rules, query, what the upstream saw.
async fn saw(rows: &[(&str, &str, TestQuery, &str)]) {
    for (row, text, asked, expected) in rows {
        let (mut block, seen) = block(text);
        let reply = ask(&mut block, asked.clone()).await;
        assert_eq!(seen.lock().unwrap().join(", "), *expected, "{row}: {text}");
        assert!(reply.starts_with("NOERROR x.test. A: x.test. 30 A"), "{row}: {reply}");
    }
}

fn x() -> TestQuery {
    a("x.test")
}

#[tokio::test]
async fn w37_to_w42_local_options() {
    let set = "rewrite edns0 local set 0xffee abcd";
    let twice = "rewrite continue edns0 local append 0xffee a\nrewrite continue edns0 local append 0xffee b";
    let with =
        || x().edns(1232).option(0xffee, b"old").option(10, b"cookie78").option(65_001, b"z");
    saw(&[
        (
            "W37",
            "rewrite edns0 local set 0xffee 0x61626364",
            x(),
            "x.test. A IN opt4096 65518=61626364",
        ),
        ("W38", set, x().edns(1232), "x.test. A IN opt1232 65518=61626364"),
        ("W39", &format!("{set} revert"), x().edns(1232), "x.test. A IN opt1232 65518=61626364"),
        ("set", set, with(), "x.test. A IN opt1232 65518=61626364 65001=7a"),
        ("W41", "rewrite edns0 local replace 0xffee abcd", x(), "x.test. A IN opt4096"),
        (
            "replace",
            "rewrite edns0 local replace 0xffee ab",
            with(),
            "x.test. A IN opt1232 65518=6162 65001=7a",
        ),
        ("W42", twice, x(), "x.test. A IN opt4096 65518=61"),
        (
            "append",
            "rewrite edns0 local append 0xffee ab",
            with(),
            "x.test. A IN opt1232 65518=6f6c64 65001=7a",
        ),
        ("no metadata", "rewrite edns0 local set 0xffee {a/b}", x(), "x.test. A IN"),
    ])
    .await;
}

#[tokio::test]
async fn w40_variables() {
    saw(&[
        (
            "W40 1",
            "rewrite edns0 local set 65518 {qname}",
            a("x.test"),
            "x.test. A IN opt4096 65518=782e746573742e",
        ),
        (
            "W40 2",
            "rewrite edns0 local set 0xffee {client_ip}",
            x(),
            "x.test. A IN opt4096 65518=7f000001",
        ),
        ("qtype", "rewrite edns0 local set 0xffee {qtype}", x(), "x.test. A IN opt4096 65518=0001"),
        (
            "six",
            "rewrite edns0 local set 0xffee {client_ip}",
            x().from("[2001:db8::1]:4000"),
            "x.test. A IN opt4096 65518=20010db8000000000000000000000001",
        ),
        (
            "client_port",
            "rewrite edns0 local set 0xffee {client_port}",
            x(),
            "x.test. A IN opt4096 65518=9c40",
        ),
        (
            "server_ip",
            "rewrite edns0 local set 0xffee {server_ip}",
            x(),
            "x.test. A IN opt4096 65518=7f000001",
        ),
        (
            "server_port",
            "rewrite edns0 local set 0xffee {server_port}",
            x(),
            "x.test. A IN opt4096 65518=0035",
        ),
        (
            "protocol",
            "rewrite edns0 local set 0xffee {protocol}",
            x().tcp(),
            "x.test. A IN opt4096 65518=746370",
        ),
    ])
    .await;
}

#[tokio::test]
async fn w43_to_w45_subnets_nsid_and_unset() {
    let ecs = || x().option(8, &[0, 1, 24, 0, 192, 0, 2]);
    saw(&[
        ("W43", "rewrite edns0 subnet set 24 56", x(), "x.test. A IN opt4096 8=000118007f0000"),
        ("bits", "rewrite edns0 subnet set 0x3 56", x(), "x.test. A IN opt4096 8=0001030060"),
        ("none", "rewrite edns0 subnet set 0 0", x(), "x.test. A IN opt4096 8=00010000"),
        (
            "six",
            "rewrite edns0 subnet set 24 52",
            x().from("[2001:db8:ffff:ffff::1]:9000"),
            "x.test. A IN opt4096 8=0002340020010db8fffff0",
        ),
        ("set", "rewrite edns0 subnet set 24 56", ecs(), "x.test. A IN opt1232 8=000118007f0000"),
        (
            "append",
            "rewrite edns0 subnet append 24 56",
            ecs(),
            "x.test. A IN opt1232 8=00011800c00002",
        ),
        ("replace", "rewrite edns0 subnet replace 24 56", x(), "x.test. A IN opt4096"),
        ("unset", "rewrite edns0 subnet unset", ecs(), "x.test. A IN opt1232"),
        ("W44", "rewrite edns0 nsid set", x(), "x.test. A IN opt4096 3="),
        ("nsid unset", "rewrite edns0 nsid unset", x().option(3, b"x"), "x.test. A IN opt1232"),
        (
            "W45",
            "rewrite edns0 local unset 0xffee",
            x().option(0xffee, b"x"),
            "x.test. A IN opt1232",
        ),
    ])
    .await;
}

#[tokio::test]
async fn metadata_makes_options_and_survives_a_change() {
    let (block, seen) =
        block("rewrite continue edns0 local set 0xffee {a/b}\nrewrite name x.test y.test");
    let mut block = block;
    let chain = block.chain();
    let mut asked = x().build();
    asked.attach_metadata(Default::default());
    asked.metadata().unwrap().set("a/b", "1");
    chain.run(&mut asked).await.unwrap();
    assert_eq!(seen.lock().unwrap().join(", "), "y.test. A IN opt4096 65518=31");
    assert_eq!(asked.metadata().unwrap().get("a/b").as_deref(), Some("1"));
}
