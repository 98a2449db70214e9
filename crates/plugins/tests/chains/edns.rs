//! EDNS, DO, CD and AD through `cache` and `forward`, as clients see them: core.md §13, design.md §7.
//! Rows C22, C26 to C28, F32 and F33.

use dunlin_core::op::Message;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{TestQuery, query};
use dunlin_core::wire::Flags;
use dunlin_testkit::upstream::{Action, Asked, Reply, Upstream};

use crate::kit::{Server, show};

/// With and without a cache in front.
const CACHED: &str = "cache";
const BARE: &str = "";

fn a() -> TestQuery {
    query("a.test.", RecordType::A)
}

fn answer() -> Reply {
    Reply::new().answer("a.test. 300 IN A 192.0.2.1")
}

/// Options of the upstream's OPT, which is there even if the query had none.
fn with_option(reply: Reply, code: u16, data: &'static [u8]) -> Reply {
    reply.edit(move |message| {
        let edns = message.edns.get_or_insert_default();
        edns.options_mut()
            .insert(dunlin_core::rr::rdata::opt::EdnsOption::Unknown(code, data.to_vec()));
    })
}

/// A scene: what the upstream says, what stands in front, then queries, what is seen of the replies,
/// and how often the upstream was asked so far.
struct Scene {
    what: &'static str,
    front: &'static str,
    upstream: Reply,
    steps: Vec<(TestQuery, &'static str, usize)>,
}

async fn play(scenes: Vec<Scene>) {
    for scene in scenes {
        let upstream = Upstream::start();
        upstream.always(scene.upstream);
        let corefile = format!(". {{\n{}\nforward . {upstream}\n}}", scene.front);
        let server = Server::new(&corefile).await;
        for (asked, expected, exchanges) in scene.steps {
            let found = show(&server.ask(&asked).await);
            assert_eq!(found, expected, "{}: {asked:?}", scene.what);
            assert_eq!(upstream.count_all(), exchanges, "{}: {asked:?}", scene.what);
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn clients_with_and_without_edns_share_an_entry_and_see_an_opt_of_ours() {
    let scene = |what, upstream, steps| Scene { what, front: CACHED, upstream, steps };
    let plain_first = vec![
        (a(), "NOERROR ra 300", 1),
        (a().edns(4096), "NOERROR aa ra 300 opt 1232", 1),
        (a().edns(512), "NOERROR aa ra 300 opt 1232", 1),
        (a().edns(4096).tcp(), "NOERROR aa ra 300 opt 1232", 1),
        (a().tcp(), "NOERROR aa ra 300", 1),
    ];
    let edns_first = vec![
        (a().edns(4096), "NOERROR ra 300 opt 1232", 1),
        (a(), "NOERROR aa ra 300", 1),
        (a().edns(4096), "NOERROR aa ra 300 opt 1232", 1),
    ];
    play(vec![
        scene("plain first", answer(), plain_first),
        scene("EDNS first", answer(), edns_first.clone()),
        scene("an upstream without EDNS", answer().without_edns(), edns_first),
        // F33, D: OPT never reaches a client that sent none.
        scene(
            "F33",
            with_option(answer(), 15, &[0, 18]),
            vec![(a(), "NOERROR ra 300", 1), (a(), "NOERROR aa ra 300", 1)],
        ),
        scene(
            "C28",
            with_option(answer(), 15, &[0, 18]),
            vec![
                (a().edns(1232), "NOERROR ra 300 opt 1232", 1),
                (a().edns(1232), "NOERROR aa ra 300 opt 1232", 1),
            ],
        ),
    ])
    .await;
    play(vec![
        Scene {
            what: "F33 without a cache",
            front: BARE,
            upstream: with_option(answer(), 15, &[0, 18]),
            steps: vec![
                (a(), "NOERROR ra 300", 1),
                (a().edns(1232), "NOERROR ra 300 opt 1232 o15", 2),
            ],
        },
        Scene {
            what: "F32: a cookie of the upstream",
            front: BARE,
            upstream: with_option(answer(), 10, &[7; 16]),
            steps: vec![(a().edns(1232).dnssec_ok(), "NOERROR ra 300 opt 1232 do", 1)],
        },
    ])
    .await;
}

#[tokio::test]
async fn c22_do_and_cd_have_entries_of_their_own() {
    let upstream = answer().edit(|message| {
        let wants = message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        if wants {
            let more = message.answers[0].clone();
            message.answers.push(more);
        }
    });
    play(vec![Scene {
        what: "C22",
        front: CACHED,
        upstream,
        steps: vec![
            (a(), "NOERROR ra 300", 1),
            (a().dnssec_ok(), "NOERROR ra 300 300 opt 1232 do", 2),
            (a().flag(Flags::CD, true), "NOERROR ra cd 300", 3),
            (a().flag(Flags::CD, true).dnssec_ok(), "NOERROR ra cd 300 300 opt 1232 do", 4),
            (a(), "NOERROR aa ra 300", 4),
            (a().dnssec_ok(), "NOERROR aa ra 300 300 opt 1232 do", 4),
            (a().flag(Flags::CD, true), "NOERROR aa ra cd 300", 4),
            (a().flag(Flags::CD, true).dnssec_ok(), "NOERROR aa ra cd 300 300 opt 1232 do", 4),
        ],
    }])
    .await;
}

/// RFC 6840 §5.7 and §5.8: AD is for clients that say they understand it, by AD or DO.
#[tokio::test]
async fn c26_c27_ad_is_told_to_those_who_ask() {
    let ad = || a().flag(Flags::AD, true);
    let scene = |what, upstream, steps| Scene { what, front: CACHED, upstream, steps };
    play(vec![
        scene(
            "C26",
            answer().authentic(),
            vec![
                (a(), "NOERROR ra 300", 1),
                (ad(), "NOERROR aa ra ad 300", 1),
                (a(), "NOERROR aa ra 300", 1),
                (a().edns(1232), "NOERROR aa ra 300 opt 1232", 1),
                (a().dnssec_ok(), "NOERROR ra ad 300 opt 1232 do", 2),
                (a().dnssec_ok(), "NOERROR aa ra ad 300 opt 1232 do", 2),
            ],
        ),
        scene(
            "C27",
            answer().authentic(),
            vec![(ad(), "NOERROR ra ad 300", 1), (a(), "NOERROR aa ra 300", 1)],
        ),
        scene(
            "not authentic",
            answer(),
            vec![(ad(), "NOERROR ra 300", 1), (ad(), "NOERROR aa ra 300", 1)],
        ),
        // As CoreDNS: without a cache the reply is the upstream's.
        Scene {
            what: "F01",
            front: BARE,
            upstream: answer().authentic().authoritative(),
            steps: vec![(ad(), "NOERROR aa ra ad 300", 1), (a(), "NOERROR aa ra ad 300", 2)],
        },
    ])
    .await;
}

fn with_subnet(last: u8) -> TestQuery {
    a().option(8, &[0, 1, 24, 0, 192, 0, last])
}

/// RFC 7871 §7.3.1: what holds for one network is not for others.
#[tokio::test]
async fn a_reply_for_one_network_is_not_shared() {
    let scope = |scope: &'static [u8]| with_option(answer(), 8, scope);
    play(vec![
        Scene {
            what: "scope 24",
            front: CACHED,
            upstream: scope(&[0, 1, 24, 24, 192, 0, 2]),
            steps: vec![
                (with_subnet(2), "NOERROR ra 300 opt 1232", 1),
                (with_subnet(2), "NOERROR ra 300 opt 1232", 2),
                (with_subnet(3), "NOERROR ra 300 opt 1232", 3),
                (a(), "NOERROR ra 300", 4),
            ],
        },
        Scene {
            what: "scope 0",
            front: CACHED,
            upstream: scope(&[0, 1, 24, 0, 192, 0, 2]),
            steps: vec![
                (with_subnet(2), "NOERROR ra 300 opt 1232", 1),
                (with_subnet(3), "NOERROR aa ra 300 opt 1232", 1),
                (a(), "NOERROR aa ra 300", 1),
            ],
        },
    ])
    .await;
}

/// Flags and options of the last query, as the upstream saw them.
fn seen(asked: &[Asked]) -> String {
    let message: &Message = asked.last().unwrap().message.as_ref().unwrap();
    let mut words = Vec::new();
    words.extend(message.metadata.recursion_desired.then(|| "rd".to_owned()));
    words.extend(message.metadata.authentic_data.then(|| "ad".to_owned()));
    words.extend(message.metadata.checking_disabled.then(|| "cd".to_owned()));
    if let Some(edns) = &message.edns {
        words.push(format!("opt {}", edns.max_payload()));
        words.extend(edns.flags().dnssec_ok.then(|| "do".into()));
        let options = edns.options().as_ref().iter();
        words.extend(options.map(|(code, _)| format!("o{}", u16::from(*code))));
    }
    words.join(" ")
}

/// F32; cache asks for AD on behalf of everybody.
#[tokio::test]
async fn what_travels_upstream() {
    let loaded = || {
        let hop = a().option(3, &[]).option(10, &[1; 8]).option(11, &[]).option(12, &[0; 20]);
        hop.option(8, &[0, 1, 24, 0, 192, 0, 2]).option(65001, &[9])
    };
    let table = [
        (BARE, a(), "rd"),
        (BARE, a().flag(Flags::RD, false), ""),
        (BARE, a().flag(Flags::AD, true), "rd ad"),
        (BARE, a().flag(Flags::CD, true).dnssec_ok(), "rd cd opt 1232 do"),
        (BARE, a().edns(4096), "rd opt 1232"),
        (BARE, loaded(), "rd opt 1232 o8 o65001"),
        (CACHED, a(), "rd ad"),
        (CACHED, a().flag(Flags::RD, false), "ad"),
        (CACHED, a().flag(Flags::CD, true).dnssec_ok(), "rd ad cd opt 1232 do"),
        (CACHED, loaded(), "rd ad opt 1232 o8 o65001"),
    ];
    for (front, asked, expected) in table {
        let upstream = Upstream::start();
        upstream.always(answer());
        let server = Server::new(&format!(". {{\n{front}\nforward . {upstream}\n}}")).await;
        server.ask(&asked).await;
        assert_eq!(seen(&upstream.asked()), expected, "{front}: {asked:?}");
        server.stop().await;
    }
}

/// An upstream's silence, the first time and remembered (RFC 9520), and its SERVFAIL.
#[tokio::test]
async fn failures_are_explained_to_clients_that_speak_edns() {
    let upstream = Upstream::start();
    upstream.on("silent.test", Vec::<Action>::new());
    upstream.on("fail.test", Reply::servfail());
    let silent = format!("forward silent.test {upstream} {{\nread_timeout 100ms\nmax_fails 0\n}}");
    let corefile = format!(". {{\ncache\n{silent}\nforward . {upstream}\n}}");
    let server = Server::new(&corefile).await;
    let silent = || query("silent.test.", RecordType::A);
    let fail = || query("fail.test.", RecordType::A);
    for (asked, expected) in [
        (silent().edns(1232), "SERVFAIL opt 1232 o15"),
        (silent().edns(1232), "SERVFAIL aa opt 1232 o15"),
        (silent(), "SERVFAIL aa"),
        (fail().edns(1232), "SERVFAIL ra opt 1232"),
        (fail().edns(1232), "SERVFAIL aa ra opt 1232 o15"),
        (fail(), "SERVFAIL aa ra"),
    ] {
        assert_eq!(show(&server.ask(&asked).await), expected, "{asked:?}");
    }
    server.stop().await;
}

/// CoreDNS sends an OPT to clients that sent none, and sets DO for those that did not.
#[tokio::test]
async fn t19_t20_an_error_of_a_template_is_explained_to_clients_that_speak_edns() {
    let template = "template ANY ANY {\nrcode NXDOMAIN\nederror 21 Blocked\n}";
    let server = Server::new(&format!(". {{\n{template}\n}}")).await;
    for (row, asked, expected) in [
        ("T19", a(), "NXDOMAIN aa"),
        ("T20", a().edns(1232), "NXDOMAIN aa opt 1232 o15"),
        ("T20 with DO", a().edns(1232).dnssec_ok(), "NXDOMAIN aa opt 1232 do o15"),
    ] {
        assert_eq!(show(&server.ask(&asked).await), expected, "{row}");
    }
    server.stop().await;
}
