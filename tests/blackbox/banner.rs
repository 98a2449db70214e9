//! Standard output at and after the start: zones, banner, log lines and their forms (core.md §21).

use dunlin_testkit::client::{ask, query, udp_exchange};
use dunlin_testkit::process::Server;
use hickory_proto::rr::RecordType;

use crate::kit::{BINARY, out, with_corefile};

/// Standard output of a whole run: start, one query, SIGTERM.
fn whole_run(corefile: &str, arguments: &[&str]) -> (Server, Vec<String>) {
    let server = arguments.iter().fold(with_corefile(corefile), |s, a| s.argument(a)).start();
    server.wait_for_line("Dunlin-");
    ask(server.address(), "a.example.", RecordType::A).send();
    if corefile.contains(" log\n") {
        server.wait_for_line("a.example.");
    }
    server.signal("TERM");
    assert!(server.wait_exit().success());
    let lines = out(&server);
    assert_eq!(
        lines.len(),
        server.lines().len(),
        "nothing on standard error: {:?}",
        server.lines()
    );
    (server, lines)
}

#[test]
fn zones_then_the_hash_then_the_banner() {
    let corefile = "b.example:{{port}} .:{{port}} B.example.:{{other}} {\n  bind 127.0.0.1\n  reload\n  whoami\n}\n";
    let (server, lines) = whole_run(corefile, &[]);
    let port = server.port("port");
    let zone = |text: &str| lines.iter().position(|line| line == text);
    let first = zone(&format!(".:{port} on 127.0.0.1"));
    let second = zone(&format!("b.example.:{port} on 127.0.0.1"));
    let other = zone(&format!("b.example.:{} on 127.0.0.1", server.port("other")));
    let hash = lines
        .iter()
        .position(|line| line.starts_with("[INFO] plugin/reload: Running configuration SHA512 = "));
    let banner = lines.iter().position(|line| line.starts_with("Dunlin-"));
    assert!(first.is_some() && other.is_some(), "{lines:#?}");
    assert!(first < second && second < hash && other < hash && hash < banner, "{lines:#?}");
    let digits = lines[hash.unwrap()].rsplit(' ').next().unwrap();
    assert!(digits.len() == 128 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{digits}");
    assert_eq!(lines.last().unwrap(), "[INFO] SIGTERM: Shutting down servers then terminating");
}

#[test]
fn odd_zones_are_warned_of_right_before_their_line() {
    // Key, zone as shown, whether it is odd.
    let table = [
        ("a.:{{port}},b.", "a.:{{port}},b.", true),
        ("*.example", "*.example.", true),
        ("_tcp.x", "_tcp.x.", true),
        ("10.0.0.1", "10.0.0.1.", true),
        ("2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa.", false),
        ("EXAMPLE.org", "example.org.", false),
        (".", ".", false),
    ];
    for (key, zone, odd) in table {
        let corefile = format!("{key}:{{{{port}}}} {{\n  bind 127.0.0.1\n  whoami\n}}\n");
        let (server, lines) = whole_run(&corefile, &[]);
        let port = server.port("port").to_string();
        let zone = zone.replace("{{port}}", &port);
        let mut expected = vec![format!("{zone}:{port} on 127.0.0.1")];
        if odd {
            expected.insert(
                0,
                format!("Warning: Domain \"{zone}\" does not follow RFC1035 preferred syntax"),
            );
        }
        assert_eq!(lines[..expected.len()], expected, "{key}");
        assert!(lines[expected.len()].starts_with("Dunlin-"), "{key}: {lines:?}");
    }
}

#[test]
fn a_zone_without_bind_has_no_host() {
    let (server, lines) = whole_run(".:{{port}} {\n  whoami\n}\n", &[]);
    assert_eq!(lines[0], format!(".:{}", server.port("port")));
}

const LOGGED: &str = ".:{{port}} {\n  bind 127.0.0.1\n  log\n  whoami\n}\n";

#[test]
fn log_lines_are_a_level_and_a_text() {
    let (_server, lines) = whole_run(LOGGED, &[]);
    let logged: Vec<_> = lines.iter().filter(|line| line.starts_with('[')).collect();
    let [query, end] = logged[..] else { panic!("{lines:#?}") };
    assert!(query.starts_with("[INFO] 127.0.0.1:"), "{query}");
    assert!(query.contains(" \"A IN a.example. udp "), "{query}");
    assert_eq!(end, "[INFO] SIGTERM: Shutting down servers then terminating");
}

#[test]
fn log_lines_may_have_the_time_in_front() {
    let (_server, lines) = whole_run(LOGGED, &["-log-time"]);
    let logged: Vec<_> = lines.iter().filter(|line| line.contains(" [INFO] ")).collect();
    assert_eq!(logged.len(), 2, "{lines:#?}");
    for line in logged {
        let (time, _) = line.split_once(" [INFO] ").unwrap();
        assert!(time.contains('T') && time.ends_with('Z'), "{line}");
        assert!(time.starts_with("20"), "{line}");
    }
}

#[test]
fn json_logs_are_one_object_a_line() {
    let corefile = ".:{{port}} {\n  bind 127.0.0.1\n  log\n  errors\n  reload\n}\n";
    let server = with_corefile(corefile).argument("-log-format=json").start();
    // Control characters, quotes and a reverse solidus, as a client may put them into a name.
    let mut query = query("xxxx.example.", RecordType::A).encode();
    query[13..17].copy_from_slice(b"\0\"\\\n");
    udp_exchange(server.address(), &query).unwrap();
    server.signal("TERM");
    assert!(server.wait_exit().success());
    let lines = out(&server);
    assert!(lines.len() >= 3, "{lines:#?}");
    for line in &lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value.get(key).and_then(serde_json::Value::as_str);
        assert!(text("time").is_some() && text("msg").is_some(), "{line}");
        assert!(matches!(text("level"), Some("INFO" | "WARNING" | "ERROR" | "DEBUG")), "{line}");
    }
}

#[test]
fn nobody_reading_the_log_delays_no_answer() {
    // Closed; or a pipe that holds 64 KiB, whose other end is open and never read from.
    for redirect in [">&-", "3<>pipe >pipe"] {
        let script = format!("mkfifo pipe; exec {BINARY} -conf Corefile {redirect}");
        let server =
            Server::of("/bin/sh").argument("-c").argument(&script).file("Corefile", LOGGED).start();
        for number in 0..2000 {
            let name = format!("a-name-that-makes-the-line-a-bit-longer-{number}.example.");
            let response = ask(server.address(), &name, RecordType::A).send();
            assert_eq!(response.message.additionals.len(), 2, "{redirect}");
        }
        server.signal("TERM");
        assert_eq!(server.wait_exit().code(), Some(0), "{redirect}");
    }
}
