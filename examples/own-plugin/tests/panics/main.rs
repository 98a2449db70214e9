//! A panic in somebody's plugin costs one SERVFAIL: core.md §12.2 (2), §25 row 64, metrics.md M15.
#![forbid(unsafe_code)]

use dunlin_testkit::client::{Tcp, ask, query};
use dunlin_testkit::process::{Server, Setup};
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::{http, metrics, wait};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

fn server(lines: &str) -> Setup {
    Server::of(env!("CARGO_BIN_EXE_own-plugin-panics")).corefile(&format!(
        ".:{{{{port}}}} {{\n  bind 127.0.0.1\n  prometheus 127.0.0.1:{{{{metrics}}}}\n  \
         boom\n{lines}}}\n"
    ))
}

fn value(server: &Server, name: &str, labels: &[(&str, &str)]) -> f64 {
    let (_, page) = http::get(server.address_of("metrics"), "/metrics");
    metrics::value(&page, name, labels).unwrap_or_default()
}

#[test]
fn a_panic_is_a_servfail_that_is_counted_and_the_next_query_is_served() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    // With `whoami` the plugin panics where the query was read, with `forward` where it was waited for.
    for (driver, lines) in [
        ("native", "  whoami\n"),
        ("native", "  forward . {{upstream}}\n"),
        ("hickory", "  whoami\n"),
        ("hickory", "  forward . {{upstream}}\n"),
    ] {
        let row = format!("{driver}, {lines}");
        let server = server(lines)
            .set("upstream", upstream.address())
            .argument("-driver")
            .argument(driver)
            .start();
        for number in 1..=3 {
            let boom = ask(server.address(), "boom.example", RecordType::A).send();
            assert_eq!(boom.rcode(), ResponseCode::ServFail, "{row}");
            assert_eq!(boom.message.queries.len(), 1, "{row}");
            let fine = ask(server.address(), "fine.example", RecordType::A).send();
            assert_eq!(fine.rcode(), ResponseCode::NoError, "{row}");
            let count = f64::from(number);
            wait::until(format_args!("{row}: {number} panics on the page"), || {
                value(&server, "coredns_panics_total", &[]) >= count
            });
        }
        let dropped = [("zone", "dropped"), ("rcode", "SERVFAIL"), ("plugin", "")];
        wait::until(format_args!("{row}: dropped"), || {
            (value(&server, "coredns_dns_responses_total", &dropped) - 3.0).abs() < 0.1
        });
        let port = server.port("port");
        let line = server.wait_for_line("Recovered from panic in server");
        let text = format!(
            "[ERROR] Recovered from panic in server: \"dns://127.0.0.1:{port}\" somebody said boom"
        );
        assert_eq!(line, text, "{row}");

        let mut connection = Tcp::to(server.address());
        let queries = ["boom.", "fine."].map(|name| query(name, RecordType::A));
        let replies = connection.pipeline(&queries).unwrap();
        assert_eq!(replies.len(), 2, "{row}: the connection lives on");
        server.signal("TERM");
        assert!(server.wait_exit().success(), "{row}");
    }
}

#[test]
fn with_debug_a_panic_ends_the_process() {
    let server = server("  debug\n  whoami\n").start();
    let asked = ask(server.address(), "boom.example", RecordType::A);
    // Whether a reply gets out does not matter.
    let _gone = std::thread::spawn(move || asked.try_send());
    assert_eq!(server.wait_exit().code(), Some(2), "{:?}", server.lines());
}
