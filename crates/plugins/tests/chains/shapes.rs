//! Plugins that shape queries and replies, as clients see them: rows of acl.md, any.md, bufsize.md,
//! cancel.md, chaos.md, header.md, minimal.md and nsid.md that need the server around the chain.

use dunlin_core::edns::options::NSID;
use dunlin_core::rr::RecordType;
use dunlin_core::rr::rdata::opt::{EdnsCode, EdnsOption};
use dunlin_core::testing::{TestQuery, query};
use dunlin_testkit::upstream::{Asked, Reply, Upstream};

use crate::kit::{Server, show};

fn a() -> TestQuery {
    query("a.test.", RecordType::A)
}

fn answer() -> Reply {
    Reply::new().answer("a.test. 300 IN A 192.0.2.1")
}

/// What stands in front of an upstream, what is asked, and what comes back.
type Row<'r> = (&'r str, &'r str, Vec<(TestQuery, &'r str)>);

/// Plays each row against a server of its own and tells what the upstream has seen last.
async fn play(upstream: &Upstream, rows: Vec<Row<'_>>) -> Vec<Option<Asked>> {
    let mut seen = Vec::new();
    for (row, front, steps) in rows {
        let before = upstream.count_all();
        let server = Server::new(&format!(". {{\n{front}\nforward . {upstream}\n}}")).await;
        for (asked, expected) in steps {
            assert_eq!(show(&server.ask(&asked).await), expected, "{row} {front}");
        }
        server.stop().await;
        let asked = upstream.asked();
        seen.push(asked.into_iter().skip(before).next_back());
    }
    seen
}

#[tokio::test]
async fn bs1_to_bs11_the_size_goes_both_ways() {
    let upstream = Upstream::start();
    upstream.always(answer());
    let rows = vec![
        ("BS1", "bufsize 700", vec![(a().edns(4096), "NOERROR ra 300 opt 700")]),
        ("BS2", "bufsize 700", vec![(a().edns(600), "NOERROR ra 300 opt 600")]),
        ("BS3", "bufsize 700", vec![(a(), "NOERROR ra 300")]),
        ("BS4", "bufsize", vec![(a().edns(4096), "NOERROR ra 300 opt 1232")]),
        ("BS11", "bufsize 4096", vec![(a().edns(65_535), "NOERROR ra 300 opt 4096")]),
        ("TCP", "bufsize 700", vec![(a().edns(4096).tcp(), "NOERROR ra 300 opt 700")]),
        (
            "hit",
            "cache\nbufsize 700",
            vec![
                (a().edns(4096), "NOERROR ra 300 opt 700"),
                (a().edns(650), "NOERROR aa ra 300 opt 650"),
            ],
        ),
    ];
    let size = |asked: Option<Asked>| asked?.message?.edns.map(|edns| edns.max_payload());
    let seen: Vec<Option<u16>> = play(&upstream, rows).await.into_iter().map(size).collect();
    assert_eq!(seen, [Some(700), Some(600), None, Some(1232), Some(4096), Some(700), Some(700)]);
}

#[tokio::test]
async fn bs8_bs9_what_does_not_fit_is_cut_over_udp_only() {
    let upstream = Upstream::start();
    let addresses = (0..55).map(|last| format!("a.test. 60 IN A 192.0.2.{last}"));
    upstream.always(addresses.fold(Reply::new(), |reply, record| reply.answer(&record)));
    let all = format!("NOERROR ra{}", " 60".repeat(55));
    let over_tcp = format!("{all} opt 600");
    let large = format!("{all} opt 4096");
    let cut = format!("NOERROR tc ra{} opt 600", " 60".repeat(35));
    play(
        &upstream,
        vec![
            ("BS8", "bufsize 600", vec![(a().edns(4096), &cut)]),
            ("BS9", "bufsize 600", vec![(a().edns(4096).tcp(), &over_tcp)]),
            ("larger", "bufsize 4096", vec![(a().edns(4096), &large)]),
        ],
    )
    .await;
}

#[tokio::test]
async fn y01_to_y15_the_identifier_comes_to_those_who_ask() {
    let upstream = Upstream::start();
    let own = EdnsOption::Unknown(NSID, b"theirs".to_vec());
    upstream.always(answer().edit(move |message| {
        message.edns.get_or_insert_default().options_mut().insert(own.clone());
    }));
    let asking = || a().edns(4096).option(NSID, b"");
    let failing = "nsid one\nerratic {\n drop 0\n}";
    let long = format!("nsid {}", "x".repeat(600));
    let longer = format!("nsid {}", "x".repeat(1220));
    play(
        &upstream,
        vec![
            ("Y01", "nsid one", vec![(asking(), "NOERROR ra 300 opt 1232 o3")]),
            ("Y02", "nsid one", vec![(a().edns(4096), "NOERROR ra 300 opt 1232")]),
            ("Y03", "nsid one", vec![(a(), "NOERROR ra 300")]),
            ("Y04 Y05", "nsid one", vec![(asking().dnssec_ok(), "NOERROR ra 300 opt 1232 do o3")]),
            (
                "Y08",
                "nsid one\ncache",
                vec![
                    (a(), "NOERROR ra 300"),
                    (asking(), "NOERROR aa ra 300 opt 1232 o3"),
                    (a().edns(4096), "NOERROR aa ra 300 opt 1232"),
                ],
            ),
            ("Y11", "nsid one\nacl {\n block\n}", vec![(asking(), "REFUSED opt 1232 o3 o15")]),
            ("Y11", failing, vec![(asking(), "NOERROR ra 300 opt 1232 o3")]),
            ("Y12", "nsid one", vec![(asking().tcp(), "NOERROR ra 300 opt 1232 o3")]),
            ("Y15", &long, vec![(asking(), "NOERROR ra 300 opt 1232 o3")]),
            ("Y14", &longer, vec![(asking(), "NOERROR ra 300 opt 1232")]),
            ("Y14", &long, vec![(a().edns(512).option(NSID, b""), "NOERROR ra 300 opt 1232")]),
        ],
    )
    .await;
}

#[tokio::test]
async fn y09_the_identifier_is_ours_and_not_the_upstreams() {
    let upstream = Upstream::start();
    let own = EdnsOption::Unknown(NSID, b"theirs".to_vec());
    upstream.always(answer().edit(move |message| {
        message.edns.get_or_insert_default().options_mut().insert(own.clone());
    }));
    let server = Server::new(&format!(". {{\nnsid ours\nforward . {upstream}\n}}")).await;
    let asked = a().edns(4096).option(NSID, b"");
    let options = server.ask(&asked).await.edns.unwrap();
    let found: Vec<String> = options
        .options()
        .as_ref()
        .iter()
        .filter(|(code, _)| *code == EdnsCode::NSID)
        .map(|(_, option)| String::from_utf8(Vec::<u8>::try_from(option).unwrap()).unwrap())
        .collect();
    assert_eq!(found, ["ours"]);
    server.stop().await;
}

#[tokio::test]
async fn y14_the_identifier_takes_its_room_from_the_records() {
    let upstream = Upstream::start();
    let addresses = (0..60).map(|last| format!("a.test. 60 IN A 192.0.2.{last}"));
    upstream.always(addresses.fold(Reply::new(), |reply, record| reply.answer(&record)));
    let server =
        Server::new(&format!(". {{\nnsid {}\nforward . {upstream}\n}}", "x".repeat(600))).await;
    let message = server.ask(&a().edns(1232).option(NSID, b"")).await;
    assert!(message.metadata.truncation);
    assert!(message.edns.is_some_and(|edns| edns.options().as_ref().len() == 1));
    assert!((30..40).contains(&message.answers.len()), "{}", message.answers.len());
    server.stop().await;
}

#[tokio::test]
async fn y11_failures_of_the_chain_carry_the_identifier() {
    let server = Server::new(". {\nnsid one\nminimal\n}").await;
    let asked = a().edns(4096).option(NSID, b"");
    assert_eq!(show(&server.ask(&asked).await), "SERVFAIL opt 1232 o3");
    server.stop().await;
}

#[tokio::test]
async fn h09_h15_classes_other_than_in_need_somebody_who_serves_them() {
    let version = || query("version.bind.", RecordType::TXT);
    let table = [
        ("H01", ". {\nchaos v1\nwhoami\n}", version().class(3), "NOERROR 0"),
        ("H09", ". {\nwhoami\n}", version().class(3), "REFUSED"),
        ("H15", ". {\nchaos v1\n}", version().class(4), "SERVFAIL"),
        ("H15", ". {\nwhoami\n}", version().class(4), "REFUSED"),
    ];
    for (row, corefile, asked, expected) in table {
        let server = Server::new(corefile).await;
        assert_eq!(show(&server.ask(&asked).await), expected, "{row} {corefile}");
        server.stop().await;
    }
}

#[tokio::test]
async fn hd1_hd10_flags_on_both_sides_and_in_the_cache() {
    let upstream = Upstream::start();
    upstream.always(answer());
    let hd1 = "header {\n response set aa\n response clear ra\n query clear rd\n}";
    let rows = vec![
        ("HD1", hd1, vec![(a(), "NOERROR aa 300")]),
        (
            "HD10",
            "cache\nheader {\n response clear aa ra\n}",
            vec![(a(), "NOERROR 300"), (a(), "NOERROR aa 300")],
        ),
    ];
    let seen = play(&upstream, rows).await;
    let wants_recursion = |asked: &Option<Asked>| {
        asked
            .as_ref()
            .and_then(|asked| asked.message.as_ref())
            .map(|message| message.metadata.recursion_desired)
    };
    assert_eq!(seen.iter().map(wants_recursion).collect::<Vec<_>>(), [Some(false), Some(true)]);
    let server = Server::new(&format!(". {{\n{hd1}\nforward . {upstream}\n}}")).await;
    assert!(!server.ask(&a()).await.metadata.recursion_desired, "HD1: RD=0 in the reply");
    server.stop().await;
}

#[tokio::test]
async fn mi1_to_mi8_replies_of_upstreams_are_stripped() {
    let upstream = Upstream::start();
    let soa = "test. 60 IN SOA ns. host. 1 2 3 4 60";
    let ns = "test. 60 IN NS ns.test.";
    let glue = "ns.test. 60 IN A 192.0.2.53";
    upstream.on("a.test", answer().authority(ns).additional(glue));
    upstream.on("no.test", Reply::nxdomain(soa));
    upstream.on("down.test", Reply::new().authoritative().authority(ns).additional(glue));
    upstream.on(
        "why.test",
        Reply::new().answer("why.test. 300 IN A 192.0.2.1").edit(|message| {
            let edns = message.edns.get_or_insert_default();
            edns.options_mut().insert(EdnsOption::Unknown(15, vec![0, 3]));
        }),
    );
    let ask = |name: &str| query(name, RecordType::A).edns(4096);
    play(
        &upstream,
        vec![
            ("MI1", "minimal", vec![(ask("a.test."), "NOERROR ra 300 opt 1232")]),
            ("MI2", "minimal", vec![(ask("no.test."), "NXDOMAIN ra 60 opt 1232")]),
            ("MI3", "minimal", vec![(ask("down.test."), "NOERROR aa ra 60 60 opt 1232")]),
            ("MI8", "minimal", vec![(ask("why.test."), "NOERROR ra 300 opt 1232")]),
            ("MI8", "", vec![(ask("why.test."), "NOERROR ra 300 opt 1232 o15")]),
        ],
    )
    .await;
    let server = Server::new(". {\nminimal\nwhoami\n}").await;
    assert_eq!(show(&server.ask(&a()).await), "NOERROR aa", "MI7");
    server.stop().await;
    let server = Server::new(". {\nminimal\nerratic {\n drop 0\n}\n}").await;
    let asked = query("a.test.", RecordType::MX);
    assert_eq!(show(&server.ask(&asked).await), "SERVFAIL", "MI4");
    server.stop().await;
}

#[tokio::test]
async fn a14_an8_what_is_denied_or_minimal_is_not_cached() {
    let upstream = Upstream::start();
    upstream.always(answer());
    let any = || query("a.test.", RecordType::ANY);
    let block = "cache\nacl {\n block type A\n filter type AAAA\n}";
    let aaaa = || query("a.test.", RecordType::AAAA);
    let seen = play(
        &upstream,
        vec![
            ("A14", block, vec![(a(), "REFUSED"), (a().edns(4096), "REFUSED opt 1232 o15")]),
            ("A14", block, vec![(aaaa(), "NOERROR"), (aaaa().edns(512), "NOERROR opt 1232 o15")]),
            ("AN8", "cache\nany", vec![(any(), "NOERROR 8482"), (any(), "NOERROR 8482")]),
        ],
    )
    .await;
    assert!(seen.iter().all(Option::is_none), "nobody asked the upstream");
}

#[tokio::test]
async fn a04_a_dropped_query_gets_nothing() {
    let server = Server::new(". {\nacl {\n drop net 127.0.0.1\n}\nwhoami\n}").await;
    for asked in [a(), a().tcp()] {
        let transport = asked.build().transport();
        assert_eq!(server.exchange(&asked.to_bytes(), transport).await, None);
    }
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn ca1_ca6_a_silent_upstream_is_waited_for_as_long_as_somebody_says() {
    let upstream = Upstream::start();
    upstream.always(Vec::new());
    for (row, directive, seconds) in [("CA1", "cancel 1s", 1), ("CA6", "cancel 10s", 4)] {
        let server = Server::new(&format!(". {{\n{directive}\nforward . {upstream}\n}}")).await;
        let start = tokio::time::Instant::now();
        let reply = server.ask(&a().edns(4096)).await;
        assert!(show(&reply).starts_with("SERVFAIL opt 1232 o15"), "{row}");
        let passed = (start.elapsed().as_millis() + 500) / 1000;
        assert_eq!(passed, seconds, "{row}");
        server.stop().await;
    }
}
