//! `multisocket`, `shed` and `timeouts`: what they make of sockets and connections. Rows MS1, MS2, MS5 to
//! MS7, MS9, MS10, SH1, SH3, SH8, TO12 and TO13; core.md §25 rows 35, 70 and 89.

use dunlin_testkit::client::{Tcp, ask, query};
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::wait;
use hickory_proto::rr::RecordType;

use crate::kit::{BINARY, dunlin, metric, out, run, with_corefile};

/// The sockets of this table that are bound to the server's port of 127.0.0.1 and to no peer.
fn sockets(server: &Server, table: &str) -> usize {
    let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap();
    let local = format!(" 0100007F:{:04X} 00000000:0000 ", server.address().port());
    table.lines().filter(|line| line.contains(&local)).count()
}

#[test]
fn ms2_ms7_row_89_the_sockets_follow_the_corefile() {
    let text =
        |line: &str| format!(".:{{{{port}}}} {{\n  bind 127.0.0.1\n  {line}\n  whoami\n}}\n");
    let server = with_corefile(&text("multisocket 3")).start();
    server.wait_for_reply(server.address());
    assert_eq!((sockets(&server, "udp"), sockets(&server, "tcp")), (3, 3));
    let banner = format!(".:{} on 127.0.0.1", server.port("port"));
    // Written aside, and perhaps after the first reply.
    server.wait_for_lines(&banner, 3);
    assert_eq!(out(&server).iter().filter(|line| **line == banner).count(), 3);
    for (number, line, count) in [(1, "multisocket 1", 1), (2, "multisocket 2", 2)] {
        server.rewrite_corefile(&text(line));
        server.signal("USR1");
        server.wait_for_lines("[INFO] Reloading complete", number);
        wait::until(line, || sockets(&server, "udp") == count && sockets(&server, "tcp") == count);
        for _ in 0..50 {
            ask(server.address(), "a.", RecordType::A).send();
            ask(server.address(), "a.", RecordType::A).tcp().send();
        }
    }
}

/// A quota that comes to one CPU is the same number: `workers` of `crates/os/src/limits`.
#[test]
fn ms1_ms10_without_a_number_there_is_a_socket_for_each_cpu() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let first = allowed.trim().split([',', '-']).next().unwrap();
    let text =
        |line: &str| format!(".:{{{{port}}}} {{\n  bind 127.0.0.1\n  {line}\n  whoami\n}}\n");
    let on_one = || {
        let words = ["taskset", "-c", first, BINARY];
        words.into_iter().fold(Server::of("/usr/bin/env"), |server, word| server.argument(word))
    };
    let table = [
        (on_one(), "multisocket", 1),
        (on_one(), "", 1),
        (on_one(), "multisocket 2", 2),
        (dunlin(), "multisocket", dunlin_engine::worker_count()),
    ];
    for (server, line, count) in table {
        let server = server.argument("-conf").argument("Corefile").file("Corefile", &text(line));
        let server = server.start();
        server.wait_for_reply(server.address());
        assert_eq!((sockets(&server, "udp"), sockets(&server, "tcp")), (count, count), "{line}");
    }
}

#[test]
fn ms6_the_first_block_decides_and_ms9_all_sockets_have_one_cache() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("one.test. 300 IN A 192.0.2.1"));
    let block = |zone: &str, count: u8| {
        format!(
            "{zone}:{{{{port}}}} {{\n  bind 127.0.0.1\n  multisocket {count}\n  cache\n  \
             forward . {{{{upstream}}}}\n}}\n"
        )
    };
    let text = block("one.test", 4) + &block("two.test", 2);
    let server = with_corefile(&text).set("upstream", upstream.address()).start();
    server.wait_for_reply(server.address());
    assert_eq!(sockets(&server, "udp"), 4);
    // Each from a port of its own: the kernel spreads them over the sockets.
    for _ in 0..40 {
        let response = ask(server.address(), "one.test.", RecordType::A).send();
        assert_eq!(response.answers(), ["192.0.2.1"]);
    }
    assert_eq!(upstream.count("one.test."), 1);
}

#[test]
fn to12_to13_the_last_block_that_sets_a_limit_decides() {
    let block = |zone: &str, limit: u8| {
        format!(
            "{zone}:{{{{port}}}} {{\n  bind 127.0.0.1\n  timeouts {{\n    maxtcpqueries {limit}\n  }}\n  \
             whoami\n}}\n"
        )
    };
    let plain = "three.test:{{port}} {\n  bind 127.0.0.1\n  whoami\n}\n";
    let server = with_corefile(&(block("one.test", 9) + &block("two.test", 2) + plain)).start();
    server.wait_for_reply(server.address());
    let mut connection = Tcp::to(server.address());
    let four: Vec<u8> =
        (0..4).flat_map(|_| Tcp::framed(&query("one.test.", RecordType::A).encode())).collect();
    connection.send_unframed(&four).unwrap();
    for _ in 0..2 {
        connection.receive_message().unwrap();
    }
    assert_eq!(connection.wait_closed(), b"");
}

/// Nothing is dropped as long as replies can be sent, whether they come at once or later.
#[test]
fn sh1_sh8_shed_comes_and_goes_with_reloads_and_loses_nothing() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("one.test. 300 IN A 192.0.2.1"));
    let text = |line: &str| {
        format!(
            "one.test:{{{{port}}}} {{\n  bind 127.0.0.1\n  {line}\n  prometheus 127.0.0.1:{{{{metrics}}}}\n  \
             forward . {{{{upstream}}}}\n}}\n.:{{{{port}}}} {{\n  bind 127.0.0.1\n  whoami\n}}\n"
        )
    };
    let setup = with_corefile(&text("shed")).set("upstream", upstream.address());
    let server = setup.start();
    server.wait_for_reply(server.address());
    for (number, line) in [(0, "shed"), (1, ""), (2, "shed")] {
        if number > 0 {
            server.rewrite_corefile(&text(line));
            server.signal("USR1");
            server.wait_for_lines("[INFO] Reloading complete", number);
        }
        for _ in 0..100 {
            let forwarded = ask(server.address(), "one.test.", RecordType::A).send();
            assert_eq!(forwarded.answers(), ["192.0.2.1"]);
            ask(server.address(), "a.", RecordType::A).send();
            ask(server.address(), "one.test.", RecordType::A).tcp().send();
        }
    }
    assert_eq!(metric(&server, "coredns_shed_dropped_total", &[]), 0.0);
    assert_eq!(metric(&server, "dunlin_dropped_total", &[]), 0.0);
}

#[test]
fn sh3_shed_is_for_plain_dns() {
    let ended = run(with_corefile("tls://.:{{port}} {\n  shed\n  whoami\n}\n"));
    let key = format!("tls://.:{}", ended.server.port("port"));
    let text = format!(
        "plugin/shed: only plain DNS server blocks are supported; \"{key}\" uses transport \"tls\""
    );
    assert_eq!((ended.status, ended.err.lines().next()), (Some(1), Some(text.as_str())));
}
