//! The end of the process: core.md §19, §25 rows 91 and 92, health.md H03, ready.md R05.

use std::time::Duration;

use dunlin_testkit::client::{Tcp, Udp, ask, query};
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Action, Reply, Upstream};
use dunlin_testkit::{http, wait};
use hickory_proto::rr::RecordType;

use crate::kit::{out, with_corefile};
use crate::queries::{DRIVERS, driven_by};

/// An upstream that thinks for a second.
fn slow_upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream.always(vec![
        Action::Wait(Duration::from_secs(1)),
        Reply::new().answer("slow.example. 9 IN A 192.0.2.9").into(),
    ]);
    upstream
}

#[test]
fn what_is_in_flight_is_answered_and_then_the_status_is_0() {
    let upstream = slow_upstream();
    for driver in DRIVERS {
        for (signal, line) in [
            ("TERM", "[INFO] SIGTERM: Shutting down servers then terminating"),
            ("INT", "[INFO] SIGINT: Shutting down"),
        ] {
            let server = driven_by(driver, ".:{{port}} {\n  forward . {{upstream}}\n}\n")
                .set("upstream", upstream.address())
                .start();
            let bytes = query("slow.example", RecordType::A).encode();
            let udp = Udp::to(server.address());
            let mut tcp = Tcp::to(server.address());
            upstream.forget();
            udp.send(&bytes).unwrap();
            tcp.send(&bytes).unwrap();
            upstream.wait_for("slow.example", 2);
            server.signal(signal);
            server.wait_for_line(line);
            let over_udp = udp.receive_message();
            assert_eq!(over_udp.unwrap().answers.len(), 1, "{driver}, SIG{signal}, UDP");
            match tcp.receive_message() {
                Ok(reply) => assert_eq!(reply.answers.len(), 1, "{driver}, SIG{signal}, TCP"),
                Err(error) => panic!("{driver}, SIG{signal}, TCP: {error}"),
            }
            assert_eq!(server.wait_exit().code(), Some(0), "{driver}, SIG{signal}");
        }
    }
}

#[test]
fn an_idle_server_ends_at_once_and_closes_its_connections() {
    for driver in DRIVERS {
        let server = driven_by(driver, ".:{{port}} {\n  whoami\n}\n").start();
        let mut idle = Tcp::to(server.address());
        idle.send(&query("a.", RecordType::A).encode()).unwrap();
        idle.receive().unwrap();
        server.signal("TERM");
        assert!(idle.wait_closed().is_empty(), "{driver}");
        assert_eq!(server.wait_exit().code(), Some(0), "{driver}");
        assert!(Tcp::connect(server.address()).is_err(), "{driver}");
    }
}

const LAMEDUCK: &str = "\
.:{{port}} {
  bind 127.0.0.1
  health 127.0.0.1:{{health}} {
    lameduck {{lameduck}}
  }
  ready 127.0.0.1:{{ready}}
  prometheus 127.0.0.1:{{metrics}}
  whoami
}
";

fn with_lameduck(driver: &str, duration: &str) -> Server {
    let server = driven_by(driver, LAMEDUCK).set("lameduck", duration).start();
    wait::until("readiness", || {
        http::try_get(server.address_of("ready"), "/ready").is_ok_and(|(status, _)| status == 200)
    });
    server
}

#[test]
fn during_lameduck_all_is_served_but_readiness() {
    for driver in DRIVERS {
        for signal in ["TERM", "INT"] {
            let server = with_lameduck(driver, "3s");
            server.signal(signal);
            server.wait_for_line("[INFO] plugin/health: Going into lameduck mode for 3s");
            wait::until("the end of /ready", || {
                http::try_get(server.address_of("ready"), "/ready").is_err()
            });
            let response = ask(server.address(), "a.example", RecordType::A).send();
            assert_eq!(response.message.additionals.len(), 2, "{driver}, SIG{signal}");
            let response = ask(server.address(), "a.example", RecordType::A).tcp().send();
            assert_eq!(response.message.additionals.len(), 2, "{driver}, SIG{signal}, TCP");
            let health = http::get(server.address_of("health"), "/health");
            assert_eq!(health, (200, "OK".into()), "{driver}, SIG{signal}");
            assert_eq!(http::get(server.address_of("metrics"), "/metrics").0, 200);
            assert_eq!(server.wait_exit().code(), Some(0), "{driver}, SIG{signal}");
        }
    }
}

#[test]
fn a_second_signal_forces_the_end() {
    for (first, second, line) in [
        ("INT", "INT", "[INFO] SIGINT: Force quit"),
        ("TERM", "INT", "[INFO] SIGINT: Force quit"),
        ("TERM", "TERM", "[INFO] SIGTERM: Force quit"),
    ] {
        let server = with_lameduck("native", "1h");
        server.signal(first);
        server.wait_for_line("Going into lameduck mode for 1h0m0s");
        server.signal(second);
        assert_eq!(server.wait_exit().code(), Some(2), "SIG{first}, SIG{second}");
        assert_eq!(out(&server).last().unwrap(), line);
    }
}

#[test]
fn quit_waits_for_nothing() {
    let upstream = Upstream::start();
    upstream.always(Vec::<Action>::new());
    let corefile =
        format!("{}test:{{{{port}}}} {{\n  bind 127.0.0.1\n  forward . {{{{up}}}}\n}}\n", LAMEDUCK);
    let server =
        with_corefile(&corefile).set("lameduck", "1h").set("up", upstream.address()).start();
    Udp::to(server.address()).send(&query("a.test", RecordType::A).encode()).unwrap();
    upstream.wait_for("a.test", 1);
    server.signal("QUIT");
    assert_eq!(server.wait_exit().code(), Some(0));
    let last = out(&server).pop().unwrap();
    assert_eq!(last, "[INFO] SIGQUIT: Quitting process immediately");
}

#[test]
fn other_signals_are_ignored() {
    let server = with_corefile(".:{{port}} {\n  whoami\n}\n").start();
    server.wait_for_line("Dunlin-");
    for signal in ["HUP", "USR2", "PIPE"] {
        server.signal(signal);
        let response = ask(server.address(), "a.example", RecordType::A).send();
        assert_eq!(response.message.additionals.len(), 2, "SIG{signal}");
    }
    // USR1 comes after all of them and is taken in turn.
    server.signal("USR1");
    server.wait_for_line("[INFO] Reloading complete");
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn a_query_that_is_never_answered_does_not_hold_up_the_end() {
    let upstream = Upstream::start();
    upstream.always(Vec::<Action>::new());
    let server = with_corefile(".:{{port}} {\n  forward . {{upstream}}\n}\n")
        .set("upstream", upstream.address())
        .start();
    let mut connection = Tcp::to(server.address());
    connection.send(&query("a.test", RecordType::A).encode()).unwrap();
    upstream.wait_for("a.test", 1);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn a_reload_and_an_end_at_once_end_well() {
    for _ in 0..5 {
        let server = with_corefile(".:{{port}} {\n  bind 127.0.0.1\n  whoami\n}\n").start();
        server.signal("USR1");
        server.signal("TERM");
        assert_eq!(server.wait_exit().code(), Some(0), "{:?}", server.lines());
    }
}

#[test]
fn an_end_during_the_start_ends_well() {
    for _ in 0..5 {
        let server = with_corefile(".:{{port}} {\n  bind 127.0.0.1\n  whoami\n}\n")
            .argument("-pidfile")
            .argument("pid")
            .spawn();
        // Handlers are the first thing that is installed: wait for the process to say or do anything.
        wait::until("handlers", || handles_term(&server));
        server.signal("TERM");
        assert_eq!(server.wait_exit().code(), Some(0), "{:?}", server.lines());
        assert!(!server.directory().join("pid").exists());
    }
}

/// Whether the kernel has a handler for SIGTERM (15) in the process.
fn handles_term(server: &Server) -> bool {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> 14 & 1 == 1)
}
