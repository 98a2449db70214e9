//! What a reload must not disturb: queries in flight, endpoints, connections, what is cached.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use dunlin_testkit::client::{Tcp, ask, query};
use dunlin_testkit::upstream::{Action, Reply, Upstream};
use dunlin_testkit::{http, wait};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::{serves, serving, start, started, wait_until_served, with_lines};
use crate::kit::{metric, with_corefile};
use crate::queries::{DRIVERS, driven_by};

#[test]
fn ports_are_added_and_removed_and_the_others_serve_on() {
    let server = start(&serving("one.example"));
    let both = serving("one.example") + "two.example:{{second}} {\n  bind 127.0.0.1\n  whoami\n}\n";
    server.rewrite_corefile(&both);
    wait::until("the second port", || {
        TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, server.port("second"))).is_ok()
    });
    let second = server.address_of("second");
    server.wait_for_reply(second);
    assert_eq!(ask(second, "two.example", RecordType::A).send().rcode(), ResponseCode::NoError);
    assert!(serves(&server, "one.example"));
    server.rewrite_corefile(&serving("one.example"));
    wait::until("the second port to close", || {
        let refused = ask(second, "two.example", RecordType::A);
        TcpStream::connect(second).is_err() && refused.try_send().is_err()
    });
    assert!(serves(&server, "one.example"));
}

#[test]
fn b13_an_address_is_added_and_removed_and_the_others_serve_on() {
    let bound = |addresses: &str| {
        serving("one.example").replace("bind 127.0.0.1", &format!("bind 127.0.0.1 {addresses}"))
    };
    let server = start(&bound(""));
    let second = SocketAddr::from(([127, 0, 0, 41], server.port("port")));
    server.rewrite_corefile(&bound("127.0.0.41"));
    server.wait_for_reply(second);
    assert!(serves(&server, "one.example"));
    server.rewrite_corefile(&bound(""));
    wait::until("the second address to close", || {
        TcpStream::connect(second).is_err()
            && ask(second, "one.example", RecordType::A).try_send().is_err()
    });
    assert!(serves(&server, "one.example"));
}

#[test]
fn reloads_leave_nothing_behind() {
    let corefile = |number: usize| {
        let second = match number % 2 {
            0 => "",
            _ => {
                "two.example:{{second}} {\n  bind 127.0.0.1\n  cache\n  forward . 127.0.0.1:9\n}\n"
            }
        };
        with_lines("one.example", ["cache", "log"][number % 2]) + second
    };
    let server = start(&corefile(0));
    let reload = |number: usize| {
        server.rewrite_corefile(&corefile(number));
        server.wait_for_lines("Reloading complete", number);
    };
    let entries = |folder: &str| {
        std::fs::read_dir(format!("/proc/{}/{folder}", server.id())).unwrap().count()
    };
    reload(1);
    reload(2);
    // Old generations end in the background.
    let settled = || (entries("fd"), entries("task"));
    let mut before = settled();
    wait::until("a steady count of descriptors and threads", || {
        std::mem::replace(&mut before, settled()) == before
    });
    (3..=12).for_each(reload);
    wait::until(format_args!("{before:?} descriptors and threads again"), || {
        let (descriptors, threads) = settled();
        descriptors <= before.0 && threads <= before.1
    });

    let (_, page) = http::get(server.address_of("metrics"), "/metrics");
    let mut series: Vec<_> =
        page.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all, "no series twice:\n{page}");
}

#[test]
fn a_query_in_flight_is_answered_by_the_configuration_that_took_it() {
    let upstream = Upstream::start();
    upstream.on("slow.one.example", Vec::<Action>::new());
    let corefile = with_lines("one.example", "forward . {{upstream}}");
    let server = started(with_corefile(&corefile).set("upstream", upstream.address()));
    let mut connection = Tcp::to(server.address());
    connection.send(&query("slow.one.example", RecordType::A).encode()).unwrap();
    upstream.wait_for("slow.one.example", 1);
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
    upstream.on("slow.one.example", Reply::new().answer("slow.one.example 9 IN A 192.0.2.9"));
    let reply = connection.receive_message().unwrap();
    assert_eq!(reply.answers.len(), 1, "{reply:?}");
    // The connection lives on, and has the new configuration.
    connection.send(&query("two.example", RecordType::A).encode()).unwrap();
    let reply = connection.receive_message().unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
}

#[test]
fn endpoints_answer_throughout() {
    let server = start(&serving("one.example"));
    let ended = AtomicBool::new(false);
    let endpoints =
        [(server.address_of("health"), "/health"), (server.address_of("metrics"), "/metrics")];
    thread::scope(|scope| {
        for (address, path) in endpoints {
            let ended = &ended;
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let (status, _) = http::get(address, path);
                    assert_eq!(status, 200, "{path}");
                }
            });
        }
        let _end = End(&ended);
        for number in 0..6 {
            let zone = format!("zone{number}.example");
            match number {
                3 => server.rewrite_corefile(&serving(&zone).replace("whoami", "whomai")),
                _ => server.rewrite_corefile(&serving(&zone)),
            }
            match number {
                3 => wait::until("a failure", || {
                    metric(&server, "coredns_reload_failed_total", &[]) > 0.5
                }),
                _ => wait_until_served(&server, &zone),
            }
        }
    });
}

#[test]
fn counters_go_on_from_where_they_were() {
    let server = start(&serving("one.example"));
    for _ in 0..3 {
        assert!(serves(&server, "one.example"));
    }
    let requests = || {
        metric(&server, "coredns_dns_requests_total", &[("zone", "one.example."), ("type", "A")])
    };
    wait::until("three requests on the page", || requests() >= 3.0);
    let before = requests();
    server.rewrite_corefile(&with_lines("one.example", "log"));
    server.wait_for_line("Reloading complete");
    assert!(serves(&server, "one.example"));
    wait::until("one more request on the page", || requests() >= before + 1.0);
    assert!(requests() < before + 1.5);
}

/// A caching forwarder of `.`.
fn caching(upstream: &str, more: &str) -> String {
    format!(
        ".:{{{{port}}}} {{\n  bind 127.0.0.1\n  reload 2s 0s\n  {more}\n  cache\n  forward . \
         {upstream}\n}}\n"
    )
}

#[test]
fn the_cache_outlives_a_reload_that_changes_nothing_behind_it() {
    let [first, second] = [Upstream::start(), Upstream::start()];
    first.always(Reply::new().answer("warm.example. 300 IN A 192.0.2.1"));
    second.always(Reply::new().answer("warm.example. 300 IN A 192.0.2.2"));
    let corefile = caching("{{first}}", "errors");
    let server = started(
        with_corefile(&corefile).set("first", first.address()).set("second", second.address()),
    );
    let answer = || ask(server.address(), "warm.example", RecordType::A).send().answers();
    assert_eq!(answer(), ["192.0.2.1"]);
    assert_eq!((answer(), first.count_all()), (vec!["192.0.2.1".to_owned()], 1));

    server.rewrite_corefile(&caching("{{first}}", "log"));
    server.wait_for_lines("Reloading complete", 1);
    assert_eq!((answer(), first.count_all()), (vec!["192.0.2.1".to_owned()], 1));

    server.rewrite_corefile(&caching("{{second}}", "log"));
    server.wait_for_lines("Reloading complete", 2);
    assert_eq!(answer(), ["192.0.2.2"], "answers of another upstream are never served");

    server.rewrite_corefile(&caching("{{second}}", "log").replace("cache", "cache 60"));
    server.wait_for_lines("Reloading complete", 3);
    assert_eq!((answer(), second.count_all()), (vec!["192.0.2.2".to_owned()], 2));
}

/// Asks for fresh and for known names until told to end. Each query is sent once.
fn load(server: SocketAddr, client: usize, ended: &AtomicBool, answered: &AtomicUsize) {
    let mut number = 0;
    while !ended.load(Ordering::Relaxed) {
        let name = match number % 2 {
            0 => format!("n{number}.c{client}.example"),
            _ => format!("known{}.example", number % 10),
        };
        let asked = ask(server, &name, RecordType::A);
        let response = if number % 5 == 0 { asked.tcp().send() } else { asked.send() };
        assert_eq!(response.rcode(), ResponseCode::NoError, "{name}");
        answered.fetch_add(1, Ordering::Relaxed);
        number += 1;
    }
}

#[test]
fn no_query_is_lost_while_twenty_reloads_run() {
    let version = |number: usize| {
        let more = ["errors", "log . {\n class error\n }", "whoami"][number % 3];
        let second = match number % 2 {
            0 => "",
            _ => "other.test:{{port}} .:{{second}} {\n  bind 127.0.0.1\n  whoami\n}\n",
        };
        caching("{{upstream}}", more) + second
    };
    for driver in DRIVERS {
        let upstream = Upstream::start();
        // It sets the pace: half of the queries of each client take so long.
        upstream.always(vec![Action::Wait(Duration::from_millis(10)), Reply::new().into()]);
        let server = started(driven_by(driver, &version(0)).set("upstream", upstream.address()));
        let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for client in 0..4 {
                let (address, ended, answered) = (server.address(), &ended, &answered);
                scope.spawn(move || load(address, client, ended, answered));
            }
            let _end = End(&ended);
            for number in 1..=20 {
                if number % 10 == 0 {
                    server.rewrite_corefile("broken {");
                    server.wait_for_lines("parse failed", number / 10);
                }
                server.rewrite_corefile(&version(number));
                server.wait_for_lines("Reloading complete", number);
            }
            wait::until(format_args!("{driver}: two thousand answers"), || {
                answered.load(Ordering::Relaxed) >= 2000
            });
        });
        server.signal("TERM");
        assert!(server.wait_exit().success(), "{driver}");
    }
}

/// Ends the other threads of a scope, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
