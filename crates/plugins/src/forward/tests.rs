//! The acceptance rows of `forward` (`F…`), against scripted upstreams on loopback.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;

use dunlin_core::directive::Retain;
use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, query, stub};
use dunlin_core::wire::Flags;
use dunlin_core::{Error, Reply};
use dunlin_testkit::metrics::value;
use dunlin_testkit::upstream::{Action, Asked, Reply as Answer, Transport, Upstream};
use dunlin_testkit::{ports, wait};

use super::ENTRY;
use super::build::{Located, Place};

const A: &str = "a.test. 300 IN A 192.0.2.1";

/// An upstream that has an address for `a.test`.
fn upstream() -> Upstream {
    upstream_with("192.0.2.1")
}

fn upstream_with(address: &str) -> Upstream {
    let upstream = Upstream::start();
    upstream.always(Answer::new().answer(&format!("a.test. 300 IN A {address}")));
    upstream
}

fn block(text: &str) -> TestBlock {
    testing::setup(&ENTRY, text).unwrap_or_else(|error| panic!("{text}: {error:#}"))
}

async fn ask(block: &mut TestBlock) -> Result<Reply, Error> {
    block.ask(query("a.test.", RecordType::A)).await
}

/// The first address of the answer section.
fn address(reply: Result<Reply, Error>) -> String {
    reply.unwrap().answers().first().map(|record| record.data.to_string()).unwrap_or_default()
}

fn metric(block: &TestBlock, name: &str, labels: &[(&str, &str)]) -> f64 {
    value(&block.metrics().page(), name, labels).unwrap_or(0.0)
}

#[test]
fn our_own_addresses_in_a_resolv_conf_are_left_out() {
    let targets = [dunlin_upstream::Target::parse("/etc/resolv.conf").unwrap()];
    let listeners: Vec<SocketAddr> =
        vec!["127.0.0.2:53".parse().unwrap(), "[::]:53".parse().unwrap()];
    let find = |text: &str| {
        let text = text.to_owned();
        let read =
            move |path: &Path| (path == Path::new("/etc/resolv.conf")).then(|| Ok(text.clone()));
        Located::find(&targets, &listeners, read).unwrap()
    };
    let located = find("nameserver 127.0.0.2\nnameserver 192.0.2.1\nnameserver ::1\n");
    assert_eq!(located.own.len(), 2);
    assert!(
        matches!(located.places.as_slice(), [Place::Server(server)] if server.to_string() == "192.0.2.1:53")
    );
    assert_eq!(located.files, [Path::new("/etc/resolv.conf")]);
    let only_us = find("nameserver 127.0.0.53\n");
    assert!(only_us.places.is_empty(), "the wildcard covers every loopback address");
}

#[tokio::test]
async fn f01_a_query_over_udp_goes_over_udp_and_its_reply_is_passed_on() {
    let upstream = Upstream::start();
    upstream.on("a.test", Answer::new().answer(A).authoritative());
    let mut block = block(&format!("forward . {upstream}"));
    let reply = ask(&mut block).await.unwrap();
    assert!(reply.flags().has(Flags::AA) && reply.flags().has(Flags::RA));
    assert_eq!(address(Ok(reply)), "192.0.2.1");
    let asked = upstream.asked();
    assert_eq!((asked.len(), asked[0].transport), (1, Transport::Udp));
    let labels = [("proxy_name", "forward"), ("to", &upstream.to_string()), ("rcode", "NOERROR")];
    assert_eq!(metric(&block, "coredns_proxy_request_duration_seconds_count", &labels), 1.0);
    let labels = [("proto", "udp")];
    assert_eq!(metric(&block, "coredns_proxy_conn_cache_misses_total", &labels), 1.0);
}

#[tokio::test]
async fn a_pool_of_sockets_is_drawn_from() {
    let upstream = upstream();
    let mut block = block(&format!("forward . {upstream} {{\nudp_pool 1024\n}}"));
    let labels = [("proto", "udp")];
    // The hundredth draw has found a socket that is there already for all that is likely.
    for _ in 0..300 {
        assert_eq!(address(ask(&mut block).await), "192.0.2.1");
    }
    assert!(metric(&block, "coredns_proxy_conn_cache_hits_total", &labels) > 0.0);
    let ports: HashSet<u16> = upstream.asked().iter().map(|asked| asked.client.port()).collect();
    assert!(ports.len() > 200, "{} ports", ports.len());
}

#[tokio::test]
async fn f32_options_travel_unless_they_speak_of_one_hop() {
    let upstream = upstream();
    let subnet = [0, 1, 24, 0, 192, 0, 2];
    let (cookie, local) = ([1; 8], [7; 3]);
    let query = query("a.test.", RecordType::A).edns(4096).dnssec_ok();
    let query = query.option(8, &subnet).option(10, &cookie).option(65001, &local);
    assert_eq!(address(block(&format!("forward . {upstream}")).ask(query).await), "192.0.2.1");
    let asked = upstream.asked();
    let edns = asked[0].message.as_ref().unwrap().edns.as_ref().unwrap();
    assert!(edns.flags().dnssec_ok);
    assert_eq!(edns.max_payload(), 1232, "our own size");
    let codes: Vec<u16> =
        edns.options().as_ref().iter().map(|(code, _)| u16::from(*code)).collect();
    assert_eq!(codes, [8, 65001]);
}

#[tokio::test]
async fn transports_follow_client_and_properties() {
    let udp = || query("a.test.", RecordType::A);
    for (row, properties, query, transport) in [
        ("F02", "", udp().tcp(), Transport::Tcp),
        ("F06", "prefer_udp", udp().tcp(), Transport::Udp),
        ("F07", "force_tcp", udp(), Transport::Tcp),
        ("F08", "force_tcp\nprefer_udp", udp(), Transport::Tcp),
        ("F40", "tls_servername x", udp(), Transport::Udp),
    ] {
        let upstream = upstream();
        let mut block = block(&format!("forward . {upstream} {{\n{properties}\n}}"));
        assert_eq!(address(block.ask(query).await), "192.0.2.1", "{row}");
        assert_eq!(upstream.asked()[0].transport, transport, "{row}");
    }
}

#[tokio::test]
async fn f04_f05_f09_f10_what_does_not_fit_comes_over_tcp() {
    let large = || {
        (0..100).fold(Answer::new(), |reply, last| {
            reply.answer(&format!("a.test. 300 IN A 192.0.2.{last}"))
        })
    };
    let plain = || query("a.test.", RecordType::A);
    for (row, over_udp, query) in [
        ("F04, F05", Answer::new().truncated(), plain()),
        ("F09", large(), plain()),
        ("F10", large(), plain().edns(1232)),
    ] {
        let upstream = Upstream::start();
        upstream.always(move |asked: &Asked| {
            let reply = if asked.transport == Transport::Udp { over_udp.clone() } else { large() };
            vec![reply.into()]
        });
        let mut block = block(&format!("forward . {upstream}"));
        let reply = block.ask(query).await.unwrap();
        assert_eq!(reply.answers().len(), 100, "{row}");
        assert!(!reply.flags().has(Flags::TC), "{row}");
        let transports: Vec<_> = upstream.asked().iter().map(|asked| asked.transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp], "{row}");
    }
}

#[tokio::test]
async fn f14_f29_a_closed_port_fails_soon_and_is_probed_unless_max_fails_is_0() {
    let closed = ports::closed();
    let mut block = block(&format!("forward . {closed} {{\nmax_fails 0\n}}"));
    let error = ask(&mut block).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("read udp 127.0.0.1:"), "{text}");
    assert!(text.ends_with(&format!("->{closed}: read: connection refused")), "{text}");
    assert_eq!(error.extended_error().unwrap().code, 23);
    assert_eq!(metric(&block, "coredns_proxy_conn_cache_misses_total", &[]), 2.0);
    assert_eq!(metric(&block, "coredns_proxy_healthcheck_failures_total", &[]), 0.0);
}

#[tokio::test]
async fn f15_f16_an_upstream_that_is_down_is_known_to_be() {
    let closed = ports::closed();
    let text = format!(
        "forward . {closed} {{\nfailfast_all_unhealthy_upstreams\nmax_fails 1\nhealth_check 50ms\n}}"
    );
    let mut block = block(&text);
    assert!(ask(&mut block).await.is_err());
    wait::until_async("two failed probes", async || {
        metric(&block, "coredns_proxy_healthcheck_failures_total", &[]) >= 2.0
    })
    .await;
    let error = ask(&mut block).await.unwrap_err();
    assert_eq!(error.to_string(), "no healthy proxies");
    // Not Ready: the cache forgets it at once.
    assert_eq!(error.extended_error().unwrap().code, 14);
    assert_eq!(metric(&block, "coredns_forward_healthcheck_broken_total", &[]), 1.0);
}

#[tokio::test]
async fn f12_silence_has_coredns_text() {
    let silent = ports::silent_udp();
    let address = silent.local_addr().unwrap();
    let mut block = block(&format!("forward . {address} {{\nread_timeout 100ms\n}}"));
    let error = ask(&mut block).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("read udp 127.0.0.1:"), "{text}");
    assert!(text.ends_with(&format!("->{address}: i/o timeout")), "{text}");
    assert_eq!(error.extended_error().unwrap().code, 22);
}

#[tokio::test]
async fn f17_f18_f31_a_healthy_upstream_answers_for_a_dead_one() {
    let hole = ports::BlackHole::open();
    let silent = ports::silent_udp();
    for (row, dead, properties) in [
        ("F17", ports::closed(), ""),
        ("F18", silent.local_addr().unwrap(), ""),
        ("F31", hole.address(), "force_tcp"),
    ] {
        let good = upstream();
        let text = format!("forward . {dead} {good} {{\npolicy sequential\n{properties}\n}}");
        assert_eq!(address(ask(&mut block(&text)).await), "192.0.2.1", "{row}");
    }
}

#[tokio::test]
async fn f30_a_black_hole_costs_no_more_than_its_tries() {
    let hole = ports::BlackHole::open();
    let remote = hole.address();
    let text = format!("forward . {remote} {{\nforce_tcp\nread_timeout 100ms\n}}");
    let error = ask(&mut block(&text)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("dial tcp {remote}: i/o timeout"));
}

#[tokio::test]
async fn f19_round_robin_begins_with_the_second() {
    let (one, two) = (upstream_with("192.0.2.1"), upstream_with("192.0.2.2"));
    let mut block = block(&format!("forward . {one} {two} {{\npolicy round_robin\n}}"));
    for expected in ["192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        assert_eq!(address(ask(&mut block).await), expected);
    }
}

#[tokio::test]
async fn f20_f21_failover() {
    let (failing, good) = (Upstream::start(), upstream());
    failing.always(Answer::servfail());
    let text = format!("forward . {failing} {good} {{\npolicy sequential\nfailover SERVFAIL\n}}");
    assert_eq!(address(ask(&mut block(&text)).await), "192.0.2.1");
    failing.forget();
    let text = format!("forward . {failing} {{\nfailover SERVFAIL\n}}");
    let reply = ask(&mut block(&text)).await.unwrap();
    assert_eq!((reply.rcode(), failing.count_all()), (ResponseCode::ServFail, 1));
}

#[tokio::test]
async fn f22_f23_f53_the_next_forward_gets_a_second_chance() {
    const SOA: &str = "test. 60 IN SOA ns.test. host.test. 1 2 3 4 5";
    let second = upstream_with("192.0.2.2");
    for (row, reply, properties) in [
        ("F22", Answer::nxdomain(SOA), "next NXDOMAIN"),
        ("F53", Answer::new().authority(SOA), "next_on_nodata"),
    ] {
        let first = Upstream::start();
        first.always(reply);
        let text = format!("forward . {first} {{\n{properties}\n}}\nforward . {second}");
        assert_eq!(address(ask(&mut block(&text)).await), "192.0.2.2", "{row}");
    }
    let first = Upstream::start();
    first.always(Answer::nxdomain(SOA));
    let other = stub(|query| Box::pin(async move { Ok(query.reply()) }));
    let mut block = block(&format!("forward . {first} {{\nnext NXDOMAIN\n}}")).before(other);
    assert_eq!(ask(&mut block).await.unwrap().rcode(), ResponseCode::NXDomain, "F23");
}

#[tokio::test]
async fn f24_max_concurrent_refuses() {
    let upstream = Upstream::start();
    let wait = Action::Wait(std::time::Duration::from_millis(300));
    upstream.always(vec![wait, Answer::new().answer(A).into()]);
    let mut block = block(&format!("forward . {upstream} {{\nmax_concurrent 1\n}}"));
    let chain = block.chain();
    let (mut one, mut two) =
        (query("a.test.", RecordType::A).build(), query("a.test.", RecordType::A).build());
    let (first, second) = tokio::join!(chain.run(&mut one), chain.run(&mut two));
    assert!(first.is_ok());
    let error = second.unwrap_err();
    assert_eq!(error.rcode(), ResponseCode::Refused);
    assert_eq!(error.to_string(), "concurrent queries exceeded maximum 1");
    assert_eq!(metric(&block, "coredns_forward_max_concurrent_rejects_total", &[]), 1.0);
}

#[tokio::test]
async fn f25_f26_f27_names_that_are_not_ours_go_on() {
    let upstream = Upstream::start();
    upstream.always(Answer::new());
    let next = stub(|query| Box::pin(async move { Ok(query.error(ResponseCode::YXDomain)) }));
    let text = format!("forward b.test {upstream} {{\nexcept a.b.test b.test\n}}");
    let mut with_next = block(&text).before(next);
    for (name, ours) in
        [("b.test.", true), ("x.a.b.test.", false), ("x.b.test.", false), ("c.test.", false)]
    {
        let reply = with_next.ask(query(name, RecordType::A)).await.unwrap();
        assert_eq!(reply.rcode() == ResponseCode::NoError, ours, "{name}");
    }
    let error = block(&text).ask(query("c.test.", RecordType::A)).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin/forward: no next plugin found");
}

#[tokio::test]
async fn fw_08_what_is_never_forwarded() {
    let upstream = Upstream::start();
    upstream.always(Answer::new());
    let mut block = block(&format!("forward . {upstream}"));
    for (query, rcode) in [
        (query("a.test.", RecordType::AXFR).tcp(), ResponseCode::Refused),
        (query("a.test.", RecordType::IXFR), ResponseCode::Refused),
        (query("a.test.", RecordType::SOA).opcode(4), ResponseCode::NotImp),
        (query("a.test.", RecordType::SOA).opcode(5), ResponseCode::NotImp),
    ] {
        assert_eq!(block.ask(query).await.unwrap().rcode(), rcode);
    }
    assert_eq!(upstream.count_all(), 0);
}

#[tokio::test]
async fn f35_an_upstream_that_closes_after_each_reply_answers_every_query() {
    let upstream = Upstream::start();
    upstream.always(vec![Answer::new().answer(A).into(), Action::Close]);
    let mut block = block(&format!("forward . {upstream} {{\nforce_tcp\n}}"));
    for _ in 0..5 {
        assert_eq!(address(ask(&mut block).await), "192.0.2.1");
    }
}

#[tokio::test]
async fn f36_to_f39_certificates_are_checked_and_connections_reused() {
    let by_name = Upstream::start_tls(&["dot.test"]);
    by_name.always(Answer::new().answer(A));
    let (port, ca) = (by_name.address().port(), by_name.authority_path());
    let with = |to: String, property: &str| {
        block(&format!("forward . {to} {{\ntls {}\n{property}\n}}", ca.display()))
    };
    let mut named = with(format!("tls://127.0.0.1:{port}"), "tls_servername dot.test");
    for _ in 0..2 {
        assert_eq!(address(ask(&mut named).await), "192.0.2.1", "F36");
    }
    assert_eq!(by_name.connections(), 1, "F36");
    assert_eq!(
        metric(&named, "coredns_proxy_conn_cache_hits_total", &[("proto", "tcp-tls")]),
        1.0,
        "F36"
    );
    let mut per_upstream = with(format!("tls://127.0.0.1%dot.test:{port}"), "");
    assert_eq!(address(ask(&mut per_upstream).await), "192.0.2.1", "F37");
    for (row, property, text) in [
        ("F38", "tls_servername foo.test", "not foo.test"),
        ("F39", "max_fails 0", "x509: certificate is valid for"),
    ] {
        let mut wrong = with(format!("tls://127.0.0.1:{port}"), property);
        let error = ask(&mut wrong).await.unwrap_err().to_string();
        assert!(error.starts_with("tls: failed to verify certificate: x509:"), "{row}: {error}");
        assert!(error.contains(text), "{row}: {error}");
    }
    let by_address = Upstream::start_tls(&["127.0.0.1"]);
    by_address.always(Answer::new().answer(A));
    let ca = by_address.authority_path();
    let text = format!("forward . tls://{by_address} {{\ntls {}\n}}", ca.display());
    assert_eq!(address(ask(&mut block(&text)).await), "192.0.2.1", "IP in the certificate");
}

#[tokio::test]
async fn f34_f55_a_failed_upstream_is_probed_until_it_is_back() {
    let mut upstream = upstream();
    upstream.on("ex.org", Answer::new());
    upstream.stop();
    let text = format!(
        "forward . {upstream} {{\nhealth_check 50ms no_rec domain ex.org\nread_timeout 100ms\n}}"
    );
    let mut block = block(&text);
    assert!(ask(&mut block).await.is_err());
    wait::until_async("failed probes", async || {
        metric(&block, "coredns_proxy_healthcheck_failures_total", &[]) >= 3.0
    })
    .await;
    upstream.restart();
    wait::until_async("a probe", async || upstream.count("ex.org") > 0).await;
    let probes: Vec<Asked> =
        upstream.asked().into_iter().filter(|asked| asked.name() == "ex.org.").collect();
    let message = probes[0].message.as_ref().unwrap();
    assert_eq!(probes[0].kind(), Some(RecordType::NS));
    assert!(!message.metadata.recursion_desired && message.edns.is_none());
    assert_eq!(address(ask(&mut block).await), "192.0.2.1");
}

#[tokio::test]
async fn f42_metadata_names_the_upstream() {
    let upstream = upstream();
    let mut block = block(&format!("forward . {upstream}"));
    let chain = block.chain();
    let mut query = query("a.test.", RecordType::A).build();
    query.attach_metadata(dunlin_core::metadata::Metadata::default());
    chain.run(&mut query).await.unwrap();
    let named = query.metadata().unwrap().get("forward/upstream");
    assert_eq!(named, Some(upstream.to_string()));
}

#[tokio::test]
async fn connections_outlive_a_reload_that_changes_nothing() {
    let upstream = upstream();
    let text = format!("forward . {upstream} {{\nforce_tcp\n}}");
    let mut before = block(&text);
    assert_eq!(address(ask(&mut before).await), "192.0.2.1");
    let again =
        |text: &str, retain: &Retain| testing::block_for(".:53", &[ENTRY], text, retain).unwrap();
    let mut after = again(&text, &before.retain());
    drop(before);
    assert_eq!(address(ask(&mut after).await), "192.0.2.1");
    assert_eq!(upstream.connections(), 1);
    let changed = text.replace("force_tcp", "force_tcp\nmax_fails 5");
    let mut changed = again(&changed, &after.retain());
    assert_eq!(address(ask(&mut changed).await), "192.0.2.1");
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn host_names_are_resolved_at_start() {
    let (resolver, target) = (Upstream::start(), upstream());
    resolver.on("dns.test", |asked: &Asked| match asked.kind() {
        Some(RecordType::A) => {
            vec![Answer::new().answer("dns.test. 60 IN A 127.0.0.1").into()]
        }
        _ => vec![Answer::new().into()],
    });
    let port = target.address().port();
    let text =
        |host: &str| format!("forward . {host}:{port} {{\nresolver {resolver}\nmax_fails 0\n}}");
    let mut found = block(&text("dns.test"));
    found.start().await.unwrap();
    assert_eq!(address(ask(&mut found).await), "192.0.2.1");
    let error = block(&text("a27.0.0.one")).start().await.unwrap_err().to_string(); // F48
    assert!(error.starts_with("plugin/forward: failed to resolve \"a27.0.0.one\": "), "{error}");
}
