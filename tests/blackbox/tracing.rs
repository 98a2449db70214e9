//! *trace* with a collector on the other side of real sockets.

use dunlin_testkit::client::ask;
use dunlin_testkit::collector::{Answer, Collector, Posted};
use dunlin_testkit::ports;
use dunlin_testkit::process::Server;
use dunlin_testkit::tls::Authority;
use dunlin_testkit::upstream::{Reply, Upstream};
use hickory_proto::rr::RecordType;
use serde_json::Value;

use crate::kit::with_corefile;
use crate::queries::{DRIVERS, driven_by};

fn upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("a.test. 60 IN A 192.0.2.1"));
    upstream
}

fn ask_for_a_test(server: &Server) {
    let reply = ask(server.address(), "a.test", RecordType::A).send();
    assert_eq!(reply.message.answers.len(), 1);
}

fn end(server: &Server) {
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
}

fn spans(posted: &[Posted]) -> Vec<Value> {
    let lists = posted.iter().map(|posted| serde_json::from_slice::<Vec<Value>>(&posted.body));
    lists.flat_map(Result::unwrap).collect()
}

#[test]
fn zipkin_has_the_whole_way_of_a_query_by_the_end() {
    for driver in DRIVERS {
        let (upstream, collector) = (upstream(), Collector::start());
        let corefile = ".:{{port}} {\n bind 127.0.0.1\n metadata\n trace {{collector}} {\n  service Edge\n  \
                        zipkin_max_batch_interval 1h\n }\n errors\n log . {/trace/traceid}\n cache\n \
                        forward . {{upstream}}\n}\n";
        let server = driven_by(driver, corefile)
            .set("upstream", upstream.address())
            .set("collector", collector.address())
            .start();
        ask_for_a_test(&server);
        // Lines of two workers have no order.
        server.wait_for_lines("[INFO] ", 1);
        ask_for_a_test(&server);
        let lines = server.wait_for_lines("[INFO] ", 2);
        assert!(collector.posted().is_empty(), "nothing was due");
        end(&server);

        let posted = collector.posted();
        assert_eq!((posted[0].method.as_str(), posted[0].path.as_str()), ("POST", "/api/v2/spans"));
        assert_eq!(posted[0].header("content-type"), Some("application/json"));
        let spans = spans(&posted);
        let ids: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("[INFO] ")).collect();
        let of = |id: &str| {
            let of_one = spans.iter().filter(|span| span["traceId"] == id);
            let mut names: Vec<_> = of_one.map(|span| span["name"].as_str().unwrap()).collect();
            names.reverse();
            names
        };
        let [miss, hit] = ids[..] else { panic!("{lines:?}") };
        assert_eq!(of(miss), ["servedns", "errors", "log", "cache", "forward", "connect"]);
        assert_eq!(of(hit), ["servedns", "errors", "log", "cache"]);
        let root = spans.iter().find(|span| span["traceId"] == miss && span["kind"] == "SERVER");
        let root = root.unwrap();
        let here = serde_json::json!({
            "serviceName": "edge", "ipv4": "127.0.0.1", "port": server.address().port(),
        });
        assert_eq!(root["localEndpoint"], here, "{driver}");
        assert_eq!(root["tags"]["coredns.io/name"], "a.test.");
        assert_eq!(root["tags"]["coredns.io/remote"], "127.0.0.1");
    }
}

#[test]
fn otlp_and_datadog_get_theirs_at_their_paths() {
    let table = [
        ("otlp", "/v1/traces", "application/x-protobuf"),
        ("datadog", "/v0.3/traces", "application/json"),
    ];
    for (kind, path, content_type) in table {
        let (upstream, collector) = (upstream(), Collector::start());
        let corefile = ".:{{port}} {\n trace {{kind}} {{collector}} {\n  zipkin_max_batch_interval \
                        10ms\n }\n forward . {{upstream}}\n}\n";
        let server = with_corefile(corefile)
            .set("kind", kind)
            .set("upstream", upstream.address())
            .set("collector", collector.address())
            .start();
        ask_for_a_test(&server);
        let posted = collector.wait_for(1);
        assert_eq!(
            (posted[0].path.as_str(), posted[0].header("content-type")),
            (path, Some(content_type))
        );
        end(&server);
        let bodies: Vec<u8> =
            collector.posted().into_iter().flat_map(|posted| posted.body).collect();
        for text in ["servedns", "forward", "connect", "a.test.", &upstream.address().to_string()] {
            let has = bodies.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(has, "{text} for {kind}");
        }
    }
}

#[test]
fn without_a_collector_all_goes_on_and_the_operator_is_told() {
    let upstream = upstream();
    let nobody = ports::closed();
    let server = with_corefile(
        ".:{{port}} {\n trace {{nobody}} {\n  zipkin_max_batch_interval 1ms\n }\n forward . {{upstream}}\n}\n",
    )
    .set("upstream", upstream.address())
    .set("nobody", nobody)
    .start();
    ask_for_a_test(&server);
    server.wait_for_line(&format!(
        "[WARNING] plugin/trace: failed to send the request: Post \"http://{nobody}/api/v2/spans\": dial \
         tcp {nobody}: connect: connection refused"
    ));
    ask_for_a_test(&server);
    end(&server);
}

#[test]
fn a_collector_that_never_answers_does_not_keep_the_server_from_ending() {
    let (upstream, collector) = (upstream(), Collector::start());
    collector.answer([Answer::Silence; 100]);
    let server = with_corefile(".:{{port}} {\n trace {{collector}}\n forward . {{upstream}}\n}\n")
        .set("upstream", upstream.address())
        .set("collector", collector.address())
        .start();
    ask_for_a_test(&server);
    collector.wait_for(1);
    end(&server);
    let lines = server.lines();
    assert!(
        lines.iter().any(|line| line.contains("spans were not sent before the end")),
        "{lines:?}"
    );
}

#[test]
fn over_https_the_certificate_has_to_be_right() {
    let (upstream, authority, stranger) = (upstream(), Authority::new(), Authority::new());
    let collector = Collector::start_tls(authority.server_config(&["127.0.0.1"]));
    let corefile = ".:{{port}} {\n trace otlp https://{{collector}} {\n  zipkin_max_batch_interval \
                    1ms\n }\n forward . {{upstream}}\n}\n";
    for (trusted, arrives) in [(&authority, true), (&stranger, false)] {
        let server = with_corefile(corefile)
            .environment("SSL_CERT_FILE", trusted.pem_path().to_str().unwrap())
            .set("upstream", upstream.address())
            .set("collector", collector.address())
            .start();
        let before = collector.posted().len();
        ask_for_a_test(&server);
        if arrives {
            collector.wait_for(before + 1);
        } else {
            server.wait_for_line("tls: failed to verify certificate: x509: ");
            assert_eq!(collector.posted().len(), before);
        }
        end(&server);
    }
}

#[test]
fn a_reload_loses_no_span() {
    let (upstream, first, second) = (upstream(), Collector::start(), Collector::start());
    let corefile = |collector: &Collector, comment: &str| {
        format!(
            ".:{{{{port}}}} {{\n reload 2s\n trace {} {{\n  zipkin_max_batch_interval 1h\n }}\n forward . {} {comment}\n}}\n",
            collector.address(),
            upstream.address()
        )
    };
    let server = with_corefile(&corefile(&first, "")).start();
    let roots = |collector: &Collector| {
        let spans = spans(&collector.posted());
        spans.iter().filter(|span| span["tags"]["coredns.io/name"] == "a.test.").count()
    };
    ask_for_a_test(&server);
    server.rewrite_corefile(&corefile(&first, "{\n max_fails 3\n }"));
    server.wait_for_lines("Reloading complete", 1);
    ask_for_a_test(&server);
    assert_eq!(roots(&first), 0, "they wait on");
    server.rewrite_corefile(&corefile(&second, ""));
    server.wait_for_lines("Reloading complete", 2);
    ask_for_a_test(&server);
    end(&server);
    assert_eq!((roots(&first), roots(&second)), (2, 1));
}
