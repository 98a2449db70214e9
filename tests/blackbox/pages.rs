//! What monitoring sees: the pages of `prometheus`, `health` and `ready`. Core.md §22, metrics.md §6,
//! health.md §6, ready.md §6.

use dunlin_testkit::client::{ask, query, udp_exchange};
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::{http, metrics, wait};
use hickory_proto::op::Edns;
use hickory_proto::rr::RecordType;

use crate::kit::{metric, run, with_corefile};
use crate::queries::{DRIVERS, driven_by};

const PAGES: &str = "\
example.org:{{port}} {
  bind 127.0.0.1
  prometheus 127.0.0.1:{{metrics}}
  health 127.0.0.1:{{health}}
  ready 127.0.0.1:{{ready}}
  reload
  cache
  forward . {{upstream}}
}
";

fn page(server: &Server) -> String {
    http::get(server.address_of("metrics"), "/metrics").1
}

/// Waits until a series has this value: replies leave before they are counted.
#[track_caller]
fn wait_for_series(server: &Server, name: &str, labels: &[(&str, &str)], value: f64) {
    wait::until(format_args!("{name}{labels:?} {value}, but:\n{}", family(server, name)), || {
        (metric(server, name, labels) - value).abs() < 0.1
    });
}

fn family(server: &Server, name: &str) -> String {
    page(server).lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_names_of_coredns_are_there_from_the_start() {
    let upstream = Upstream::start();
    let server = with_corefile(PAGES).set("upstream", upstream.address()).start();
    let page = page(&server);
    for name in [
        "coredns_build_info",
        "coredns_panics_total",
        "coredns_plugin_enabled",
        "coredns_reload_failed_total",
        "coredns_cache_entries",
        "coredns_health_request_failures_total",
        "coredns_health_request_duration_seconds_count",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "dunlin_config_hash_info",
        "dunlin_config_stale",
    ] {
        assert!(metrics::value(&page, name, &[]).is_some(), "{name} is not in:\n{page}");
    }
    for line in page.lines() {
        let known = ["# HELP ", "# TYPE ", "coredns_", "dunlin_", "process_"];
        assert!(known.iter().any(|lead| line.starts_with(lead)), "{line}");
    }
}

#[test]
fn queries_are_counted_by_server_zone_type_rcode_and_author() {
    let upstream = Upstream::start();
    upstream.on("a.example.org", Reply::new().answer("a.example.org. 300 IN A 192.0.2.1"));
    upstream.on("no.example.org", Reply::nxdomain("example.org. 300 IN SOA ns. host. 1 2 3 4 300"));
    upstream.on("odd.example.org", Reply::new());
    for driver in DRIVERS {
        let server = driven_by(driver, PAGES).set("upstream", upstream.address()).start();
        let address = server.address();
        ask(address, "a.example.org", RecordType::A).send();
        ask(address, "A.example.ORG", RecordType::A).dnssec_ok().tcp().send();
        ask(address, "a.example.org", RecordType::A).send();
        ask(address, "no.example.org", RecordType::AAAA).send();
        ask(address, "odd.example.org", RecordType::Unknown(65_399)).send();
        ask(address, "a.example.net", RecordType::A).send();

        let label = format!("dns://127.0.0.1:{}", address.port());
        let zone = [("server", label.as_str()), ("zone", "example.org."), ("view", "")];
        let requests = "coredns_dns_requests_total";
        let with = |more: &[(&'static str, &'static str)]| [&zone[..], more].concat();
        let udp = [("proto", "udp"), ("family", "1"), ("type", "A")];
        wait_for_series(&server, requests, &with(&udp), 2.0);
        wait_for_series(&server, requests, &with(&[("proto", "tcp"), ("type", "A")]), 1.0);
        wait_for_series(&server, requests, &with(&[("type", "AAAA")]), 1.0);
        wait_for_series(&server, requests, &with(&[("type", "other")]), 1.0);
        let dropped = [("server", label.as_str()), ("zone", "dropped"), ("view", "")];
        wait_for_series(&server, requests, &dropped, 1.0);

        let responses = "coredns_dns_responses_total";
        // DO is another entry of the cache; the third query is a hit.
        let rows =
            [("NOERROR", "forward", 3.0), ("NOERROR", "cache", 1.0), ("NXDOMAIN", "forward", 1.0)];
        for (rcode, plugin, value) in rows {
            wait_for_series(
                &server,
                responses,
                &with(&[("rcode", rcode), ("plugin", plugin)]),
                value,
            );
        }
        let refused = [&dropped[..], &[("rcode", "REFUSED"), ("plugin", "")]].concat();
        wait_for_series(&server, responses, &refused, 1.0);

        wait_for_series(&server, "coredns_dns_do_requests_total", &zone, 1.0);
        wait_for_series(&server, "coredns_dns_request_duration_seconds_count", &zone, 5.0);
        wait_for_series(&server, "coredns_dns_request_size_bytes_count", &zone, 5.0);
        wait_for_series(&server, "coredns_dns_response_size_bytes_count", &zone, 5.0);
        let enabled = |name| [&zone[..], &[("name", name)]].concat();
        for plugin in ["prometheus", "cache", "forward"] {
            wait_for_series(&server, "coredns_plugin_enabled", &enabled(plugin), 1.0);
        }
        for other in ["bind", "health", "ready", "reload", "whoami"] {
            wait_for_series(&server, "coredns_plugin_enabled", &enabled(other), 0.0);
        }
        let cache = |kind| [("server", label.as_str()), ("type", kind), ("zones", "example.org.")];
        wait_for_series(&server, "coredns_cache_hits_total", &cache("success"), 1.0);
        wait_for_series(&server, "coredns_cache_entries", &cache("denial"), 1.0);
        let to = upstream.address().to_string();
        let forwarded =
            metric(&server, "coredns_proxy_request_duration_seconds_count", &[("to", &to)]);
        assert!(forwarded >= 4.0, "{}", family(&server, "coredns_proxy"));
    }
}

#[test]
fn m11_what_is_malformed_is_not_counted() {
    let upstream = Upstream::start();
    let server = with_corefile(PAGES).set("upstream", upstream.address()).start();
    let refused_early: [Vec<u8>; 3] = [
        query("a.example.org", RecordType::A).edit(|message| message.queries.clear()).encode(),
        query("a.example.org", RecordType::A)
            .edit(|message| message.metadata.op_code = hickory_proto::op::OpCode::Status)
            .encode(),
        query("a.example.org", RecordType::A)
            .edit(|message| {
                let mut edns = Edns::new();
                edns.set_version(1);
                message.edns = Some(edns);
            })
            .encode(),
    ];
    for bytes in refused_early {
        udp_exchange(server.address(), &bytes).unwrap();
    }
    // A counted one behind them.
    ask(server.address(), "a.example.net", RecordType::A).send();
    wait_for_series(&server, "coredns_dns_requests_total", &[("zone", "dropped")], 1.0);
    wait_for_series(&server, "coredns_dns_requests_total", &[], 1.0);
}

#[test]
fn m13_the_size_of_a_query_is_that_of_its_octets() {
    let upstream = Upstream::start();
    let server = with_corefile(PAGES).set("upstream", upstream.address()).start();
    let bytes = query("a.example.org", RecordType::A).encode();
    udp_exchange(server.address(), &bytes).unwrap();
    let length = f64::from(u32::try_from(bytes.len()).unwrap());
    wait_for_series(&server, "coredns_dns_request_size_bytes_sum", &[("proto", "udp")], length);
}

#[test]
fn pages_have_one_path_each() {
    let upstream = Upstream::start();
    let server = with_corefile(PAGES).set("upstream", upstream.address()).start();
    for (page, path, body) in [
        ("health", "/health", Some("OK")),
        ("ready", "/ready", Some("OK")),
        ("metrics", "/metrics", None),
    ] {
        let address = server.address_of(page);
        wait::until(path, || http::try_get(address, path).is_ok_and(|(status, _)| status == 200));
        if let Some(body) = body {
            assert_eq!(http::get(address, path).1, body, "{path}");
        }
        for other in ["/", "/healthz", "/metrics/x", "/nothing"] {
            assert_eq!(http::get(address, other).0, 404, "{page}: {other}");
        }
    }
}

#[test]
fn m14_blocks_may_share_their_pages() {
    let corefile = "\
a.test:{{port}} {
  bind 127.0.0.1
  prometheus 127.0.0.1:{{metrics}}
  health 127.0.0.1:{{health}}
  ready 127.0.0.1:{{ready}}
  whoami
}
b.test:{{port}} {
  bind 127.0.0.1
  prometheus 127.0.0.1:{{metrics}}
  health 127.0.0.1:{{health}}
  ready 127.0.0.1:{{ready}}
  whoami
}
";
    let server = with_corefile(corefile).start();
    for zone in ["a.test.", "b.test."] {
        ask(server.address(), zone, RecordType::A).send();
        wait_for_series(&server, "coredns_dns_requests_total", &[("zone", zone)], 1.0);
        let author = [("zone", zone), ("plugin", "whoami")];
        wait_for_series(&server, "coredns_dns_responses_total", &author, 1.0);
    }
    assert_eq!(http::get(server.address_of("health"), "/health").0, 200);
    assert_eq!(http::get(server.address_of("ready"), "/ready").0, 200);
}

#[test]
fn a_page_whose_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let corefile =
        |line: &str| format!(".:{{{{port}}}} {{\n  bind 127.0.0.1\n  {line}\n  whoami\n}}\n");
    // M08: metrics are missed, but not worth the service.
    let server = with_corefile(&corefile(&format!("prometheus {address}"))).start();
    server.wait_for_line(&format!("listen tcp {address}: bind: address already in use"));
    assert_eq!(ask(server.address(), "a.", RecordType::A).send().message.additionals.len(), 2);
    // H10: who is asked for health must be able to answer.
    let ended = run(with_corefile(&corefile(&format!("health {address}"))));
    let text = format!("listen tcp {address}: bind: address already in use");
    assert_eq!(ended.status, Some(1));
    assert!(ended.err.trim_end().ends_with(&text), "{}", ended.err);
}

#[test]
fn p02_p12_pprof_tells_the_command_line_before_and_after_a_reload() {
    let text = |line: &str| {
        format!(
            ".:{{{{port}}}} {{\n  bind 127.0.0.1\n  pprof 127.0.0.1:{{{{pprof}}}}\n  {line}\n}}\n"
        )
    };
    let server = with_corefile(&text("whoami")).start();
    server.wait_for_reply(server.address());
    for reloads in [0, 1] {
        if reloads > 0 {
            server.rewrite_corefile(&text("whoami\n  errors"));
            server.signal("USR1");
            server.wait_for_lines("[INFO] Reloading complete", reloads);
        }
        let (status, page) = http::get(server.address_of("pprof"), "/debug/pprof/cmdline");
        assert_eq!((status, page.contains("\0-conf\0Corefile")), (200, true), "{page:?}");
        assert_eq!(http::get(server.address_of("pprof"), "/debug/pprof").0, 200);
        assert_eq!(http::get(server.address_of("pprof"), "/").0, 404);
    }
}
