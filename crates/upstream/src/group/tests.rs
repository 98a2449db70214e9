//! Choice, patience and failover with scripted upstreams and a paused clock. The rows `F…` are
//! those of the specification of `forward`.

use std::time::Duration;

use super::*;
use crate::error::{Cause, Failure};
use crate::tests::{
    Play, Scripted, answer, ask, ask_with_opt, good, group_of, pass, read_error, reply, with_rcode,
};

fn settings() -> Settings {
    Settings { policy: Policy::Sequential, ..Settings::default() }
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

struct Case {
    row: &'static str,
    settings: Settings,
    upstreams: Vec<Scripted>,
    /// rcode of the response, or the text of the failure.
    expected: Result<u16, &'static str>,
    /// When it is there, in milliseconds.
    at: u128,
    /// When each upstream was asked.
    asked: &'static [&'static [u128]],
}

async fn check(case: Case) {
    let started = Instant::now();
    let before = case.upstreams.first().map_or(0, Scripted::now);
    let (group, ..) = group_of(case.settings, case.upstreams);
    let outcome = group.ask(&ask("a.test"), false).await;
    let result = outcome.result.as_ref().map(Response::rcode).map_err(ToString::to_string);
    assert_eq!(result, case.expected.map_err(str::to_owned), "{}", case.row);
    assert_eq!(started.elapsed().as_millis(), case.at, "{}", case.row);
    let since = |times: Vec<u128>| times.into_iter().map(|time| time - before).collect::<Vec<_>>();
    let asked: Vec<_> = group.upstreams().iter().map(|one| since(one.exchange.times())).collect();
    assert_eq!(asked, case.asked, "{}", case.row);
}

const TIMEOUT: &str = "read udp 127.0.0.1:9->127.0.0.1:53: i/o timeout";
const REFUSED: &str = "read udp 127.0.0.1:9->127.0.0.1:53: read: connection refused";

fn one(play: Play) -> Vec<Scripted> {
    vec![Scripted::always(play)]
}

fn two(first: Play, second: Play) -> Vec<Scripted> {
    vec![Scripted::always(first), Scripted::always(second)]
}

#[tokio::test(start_paused = true)]
async fn silence_costs_at_most_the_deadline_and_three_sends() {
    let cases = [
        Case {
            row: "F12 one silent upstream: again from another port, then a second try",
            settings: settings(),
            upstreams: one(Play::Silence),
            expected: Err(TIMEOUT),
            at: 4400,
            asked: &[&[0, 400, 2400]],
        },
        Case {
            row: "F28 max_connect_attempts 1",
            settings: Settings { max_attempts: Some(1), ..settings() },
            upstreams: one(Play::Silence),
            expected: Err(TIMEOUT),
            at: 2000,
            asked: &[&[0]],
        },
        Case {
            row: "F18, F31 a silent upstream and a good one",
            settings: settings(),
            upstreams: two(Play::Silence, Play::Good(5)),
            expected: Ok(0),
            at: 155,
            asked: &[&[0], &[150]],
        },
        Case {
            row: "all silent, no limit of attempts: five sends, five seconds",
            settings: Settings { max_attempts: Some(0), ..settings() },
            upstreams: two(Play::Silence, Play::Silence),
            expected: Err(TIMEOUT),
            at: 5000,
            asked: &[&[0, 2550], &[150, 550, 4550]],
        },
    ];
    for case in cases {
        check(case).await;
    }
}

#[tokio::test(start_paused = true)]
async fn answers_and_refusals_are_quick_and_bounded() {
    let cases = [
        Case {
            row: "F01 an answer",
            settings: settings(),
            upstreams: one(Play::Good(5)),
            expected: Ok(0),
            at: 5,
            asked: &[&[0]],
        },
        Case {
            row: "F14 a closed port: two tries, 50 ms between them",
            settings: settings(),
            upstreams: one(Play::Refuse),
            expected: Err(REFUSED),
            at: 50,
            asked: &[&[0, 50]],
        },
        Case {
            row: "F29 two closed ports, no limit of attempts: bounded all the same",
            settings: Settings { max_attempts: Some(0), max_fails: 0, ..settings() },
            upstreams: two(Play::Refuse, Play::Refuse),
            expected: Err(REFUSED),
            at: 100,
            asked: &[&[0, 50, 100], &[0, 50]],
        },
        Case {
            row: "F17 a closed port and a good upstream",
            settings: settings(),
            upstreams: two(Play::Refuse, Play::Good(1)),
            expected: Ok(0),
            at: 1,
            asked: &[&[0], &[0]],
        },
        Case {
            row: "a slow upstream that answers after the hedge",
            settings: settings(),
            upstreams: two(Play::Good(200), Play::Silence),
            expected: Ok(0),
            at: 200,
            asked: &[&[0], &[150]],
        },
    ];
    for case in cases {
        check(case).await;
    }
}

#[tokio::test(start_paused = true)]
async fn failover_asks_each_upstream_once_and_returns_the_last_reply() {
    let failover = || Settings { failover: vec![2], ..settings() };
    for (row, plays, expected, asked) in [
        ("F20", vec![Play::Rcode(2), Play::Good(0)], Ok(0), &[1usize, 1][..]),
        ("F21", vec![Play::Rcode(2)], Ok(2), &[1]),
        ("all fail", vec![Play::Rcode(2), Play::Rcode(2), Play::Rcode(2)], Ok(2), &[1, 1, 1]),
        ("one reply, one refusal", vec![Play::Rcode(2), Play::Refuse], Ok(2), &[1, 3]),
        ("other rcodes are answers", vec![Play::Rcode(5), Play::Good(0)], Ok(5), &[1, 0]),
    ] {
        let upstreams = plays.into_iter().map(Scripted::always).collect();
        let (group, ..) = group_of(failover(), upstreams);
        let outcome = group.ask(&ask("a.test"), false).await;
        assert_eq!(outcome.result.as_ref().map(Response::rcode).map_err(|_| ()), expected, "{row}");
        let counts: Vec<_> =
            group.upstreams().iter().map(|one| one.exchange.times().len()).collect();
        assert_eq!(counts, asked, "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn truncation_is_followed_by_tcp_at_the_same_upstream() {
    fn truncated(ask: &Ask) -> Vec<u8> {
        let mut bytes = good(ask);
        bytes[2] |= 2;
        bytes
    }
    fn empty(ask: &Ask) -> Vec<u8> {
        let mut bytes = reply(ask);
        bytes[2] |= 2;
        bytes
    }
    let fail = || Play::Fail(read_error(Cause::Eof));
    for (row, over_udp, over_tcp, expected) in [
        ("FW-27 TC=1, empty", Play::Bytes(empty), Play::Good(0), Ok(false)),
        ("FW-27 TC=1 with forged partial", Play::Bytes(truncated), Play::Good(0), Ok(false)),
        ("P-23 TCP fails: passed on with TC", Play::Bytes(truncated), fail(), Ok(true)),
        ("P-23 TCP fails, nothing there", Play::Bytes(empty), fail(), Err(())),
    ] {
        let script = move |_: &Ask, via, _| match via {
            Via::Udp => over_udp.clone(),
            _ => over_tcp.clone(),
        };
        let (group, ..) = group_of(settings(), vec![Scripted::new(script)]);
        let outcome = group.ask(&ask("a.test"), false).await;
        let truncated = outcome.result.as_ref().map(Response::is_truncated).map_err(|_| ());
        assert_eq!(truncated, expected, "{row}");
        let vias: Vec<_> = group.upstreams()[0].exchange.sends.lock().iter().map(|s| s.1).collect();
        assert_eq!(vias[..2], [Via::Udp, Via::Stream], "{row}");
        assert!(vias.len() <= 3, "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_costs_one_retry_on_a_fresh_one() {
    let stale = ExchangeError::Stale(Box::new(read_error(Cause::Eof)));
    let script = move |_: &Ask, via, _| match via {
        Via::Stream => Play::Fail(stale.clone()),
        _ => Play::Good(0),
    };
    let (group, ..) = group_of(settings(), vec![Scripted::new(script)]);
    let outcome = group.ask(&ask("a.test"), true).await;
    assert!(outcome.result.is_ok());
    let sends = group.upstreams()[0].exchange.sends.lock().clone();
    assert_eq!(sends, [(0, Via::Stream), (0, Via::FreshStream)]);
    assert!(group.upstreams()[0].exchange.probes.lock().is_empty(), "no failure, no probe");
}

#[tokio::test(start_paused = true)]
async fn fw_33_formerr_on_edns_is_asked_again_without() {
    let script = |ask: &Ask, _, _| if ask.has_opt() { Play::Rcode(1) } else { Play::Good(0) };
    let (group, ..) = group_of(settings(), vec![Scripted::new(script)]);
    let outcome = group.ask(&ask_with_opt("a.test"), false).await;
    assert_eq!(outcome.result.unwrap().rcode(), 0);
    let (group, ..) = group_of(settings(), vec![Scripted::always(Play::Rcode(1))]);
    let outcome = group.ask(&ask_with_opt("a.test"), false).await;
    assert_eq!(outcome.result.unwrap().rcode(), 1);
    assert_eq!(group.upstreams()[0].exchange.times().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn unusable_replies_lead_to_the_next_upstream_and_alias_loops_end_it() {
    fn wrong_owner(ask: &Ask) -> Vec<u8> {
        answer(reply(ask), b"\x05other\x00", 1, &[192, 0, 2, 9])
    }
    fn alias_loop(ask: &Ask) -> Vec<u8> {
        answer(reply(ask), crate::tests::QNAME, 5, crate::tests::QNAME)
    }
    let upstreams = || vec![Scripted::always(Play::Bytes(wrong_owner))];
    let (lame, ..) = group_of(settings(), upstreams());
    let failure = lame.ask(&ask("a.test"), false).await.result.unwrap_err();
    assert_eq!(failure.extended_error().code, 22);
    assert_eq!(lame.upstreams()[0].exchange.times().len(), 1);

    let mut both = upstreams();
    both.push(Scripted::always(Play::Good(0)));
    let (both, ..) = group_of(settings(), both);
    assert!(both.ask(&ask("a.test"), false).await.result.is_ok());

    let looping = vec![Scripted::always(Play::Bytes(alias_loop)), Scripted::always(Play::Good(0))];
    let (looping, ..) = group_of(settings(), looping);
    let failure = looping.ask(&ask("a.test"), false).await.result.unwrap_err();
    assert!(matches!(failure, Failure::AliasLoop { .. }));
    assert_eq!(looping.upstreams()[1].exchange.times().len(), 0, "one send");
}

#[tokio::test(start_paused = true)]
async fn f24_one_question_too_many_is_refused() {
    let limited = Settings { max_concurrent: 1, ..settings() };
    let (group, ..) = group_of(limited, vec![Scripted::always(Play::Good(10))]);
    let (one, other) = (ask("a.test"), ask("b.test"));
    let (first, second) = tokio::join!(group.ask(&one, false), group.ask(&other, false));
    assert!(first.result.is_ok());
    let failure = second.result.unwrap_err();
    assert_eq!(failure.to_string(), "concurrent queries exceeded maximum 1");
    assert!(group.ask(&other, false).await.result.is_ok(), "the place is free again");
}

#[tokio::test(start_paused = true)]
async fn probes_begin_after_a_failure_and_end_with_the_first_response() {
    let (group, broken, metrics) = group_of(settings(), vec![Scripted::always(Play::Refuse)]);
    let upstream = &group.upstreams()[0];
    pass(Duration::from_secs(60)).await;
    assert!(upstream.exchange.probes.lock().is_empty(), "nothing is probed at start");
    // F15, F55: silent probes come every interval + 1 s.
    assert!(group.ask(&ask("a.test"), false).await.result.is_err());
    pass(ms(4600)).await;
    let probes = upstream.exchange.probes.lock().clone();
    let spacing: Vec<_> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(spacing, [1500, 1500, 1500]);
    assert!(upstream.health.is_down(2));
    let asked = upstream.exchange.times().len();
    assert!(group.ask(&ask("a.test"), false).await.result.is_err());
    assert_eq!(upstream.exchange.times().len(), asked + 1, "one desperate try");
    assert_eq!(broken.value(), 1);
    // F34: back after at most one interval.
    upstream.exchange.set_probe(Play::Good(0));
    pass(ms(1600)).await;
    assert!(!upstream.health.is_down(2));
    let count = upstream.exchange.probes.lock().len();
    pass(Duration::from_secs(60)).await;
    assert_eq!(upstream.exchange.probes.lock().len(), count, "the loop has ended");
    let failures = "coredns_proxy_healthcheck_failures_total";
    assert!(metrics.page().lines().any(|line| line.starts_with(failures) && line.ends_with(" 4")));
}

#[tokio::test(start_paused = true)]
async fn f16_failfast_gives_up_when_all_are_down() {
    let failfast = Settings { failfast: true, max_fails: 1, ..settings() };
    let (group, broken, _) = group_of(failfast, vec![Scripted::always(Play::Refuse)]);
    assert!(group.ask(&ask("a.test"), false).await.result.is_err());
    pass(Duration::from_secs(10)).await;
    let failure = group.ask(&ask("a.test"), false).await.result.unwrap_err();
    assert_eq!(failure.to_string(), "no healthy proxies");
    assert_eq!(broken.value(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_probes_with_max_fails_0() {
    let never = Settings { max_fails: 0, ..settings() };
    let (group, ..) = group_of(never, vec![Scripted::always(Play::Refuse)]);
    assert!(group.ask(&ask("a.test"), false).await.result.is_err());
    pass(Duration::from_secs(10)).await;
    assert!(group.upstreams()[0].exchange.probes.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fw_30_one_silent_name_does_not_spoil_the_upstream() {
    let script = |ask: &Ask, _, _| match ask.name() {
        b"\x04drop\x04test\x00" => Play::Silence,
        _ => Play::Good(1),
    };
    let (group, broken, _) = group_of(settings(), vec![Scripted::new(script)]);
    group.upstreams()[0].exchange.set_probe(Play::Good(1));
    for _ in 0..10 {
        let (silent, healthy) = (ask("drop.test"), ask("a.test"));
        let (dropped, answered) = tokio::join!(group.ask(&silent, false), async {
            pass(ms(100)).await;
            group.ask(&healthy, false).await
        });
        assert!(dropped.result.is_err());
        assert!(answered.result.is_ok());
    }
    assert_eq!(broken.value(), 0);
}

#[tokio::test(start_paused = true)]
async fn p_05_an_upstream_that_falls_silent_hurts_few_queries() {
    let silent = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = Arc::clone(&silent);
    let script = move |_: &Ask, _, _| {
        if flag.load(Relaxed) { Play::Silence } else { Play::Good(5) }
    };
    let upstreams = vec![Scripted::new(script), Scripted::always(Play::Good(5))];
    let (group, ..) = group_of(Settings::default(), upstreams);
    for round in 0..20 {
        assert!(group.ask(&ask(&format!("warm{round}.test")), false).await.result.is_ok());
    }
    silent.store(true, Relaxed);
    let asked_before = group.upstreams()[0].exchange.times().len();
    let mut slow = 0;
    let mut running = Vec::new();
    for round in 0..500 {
        let group = Arc::clone(&group);
        running.push(tokio::spawn(async move {
            let started = Instant::now();
            let outcome = group.ask(&ask(&format!("n{round}.test")), false).await;
            (outcome.result.is_ok(), started.elapsed())
        }));
        pass(ms(10)).await;
    }
    for task in running {
        let (answered, took) = task.await.unwrap();
        assert!(answered);
        slow += usize::from(took > ms(300));
    }
    assert!(slow <= 5, "{slow} queries took more than 300 ms");
    let asked = group.upstreams()[0].exchange.times().len() - asked_before;
    assert!(asked <= 20, "the silent upstream was asked {asked} times");
    // Back again: it gets its share.
    silent.store(false, Relaxed);
    group.upstreams()[0].exchange.set_probe(Play::Good(1));
    pass(Duration::from_secs(2)).await;
    let asked_before = group.upstreams()[0].exchange.times().len();
    for round in 0..100 {
        assert!(group.ask(&ask(&format!("back{round}.test")), false).await.result.is_ok());
    }
    assert!(group.upstreams()[0].exchange.times().len() - asked_before >= 25);
}

#[tokio::test(start_paused = true)]
async fn f19_round_robin_begins_with_the_second() {
    let turns = Settings { policy: Policy::RoundRobin, ..Settings::default() };
    let upstreams = vec![Scripted::always(Play::Good(0)), Scripted::always(Play::Good(0))];
    let (group, ..) = group_of(turns, upstreams);
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(group.ask(&ask("a.test"), false).await.upstream.unwrap());
    }
    assert_eq!(order, [1, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn transports_follow_the_rule_and_the_client() {
    use TransportRule::{AsClient, ForceTcp, PreferUdp};
    for (row, rule, over_stream, via) in [
        ("F01", AsClient, false, Via::Udp),
        ("F02", AsClient, true, Via::Stream),
        ("F06", PreferUdp, true, Via::Udp),
        ("F07", ForceTcp, false, Via::Stream),
    ] {
        let rule = Settings { transport: rule, ..settings() };
        let (group, ..) = group_of(rule, vec![Scripted::always(Play::Good(0))]);
        assert!(group.ask(&ask("a.test"), over_stream).await.result.is_ok());
        assert_eq!(*group.upstreams()[0].exchange.sends.lock(), [(0, via)], "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_group_says_that_nobody_is_healthy() {
    let (group, broken, _) = group_of(settings(), Vec::new());
    let outcome = group.ask(&ask("a.test"), false).await;
    assert_eq!(outcome.result.unwrap_err().to_string(), "no healthy proxies");
    assert_eq!((outcome.upstream, broken.value()), (None, 0));
}

#[test]
fn servfail_is_a_reply_like_any_other() {
    let ask = ask("a.test");
    let bytes = with_rcode(reply(&ask), 2);
    assert_eq!(crate::response::read(bytes.into(), ask.question_end()).unwrap().rcode(), 2);
}
