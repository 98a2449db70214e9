//! What cannot be loaded changes nothing: the old configuration serves on, the failure is counted and
//! told once, and tried again where the cause may go away by itself.

use std::fs;
use std::net::TcpListener;

use dunlin_testkit::process::Server;
use dunlin_testkit::{http, wait};

use super::{count, let_a_poll_pass, serves, serving, start, wait_until_served, with_lines};
use crate::kit::metric;

fn failed(server: &Server) -> f64 {
    metric(server, "coredns_reload_failed_total", &[])
}

#[track_caller]
fn wait_until_failed(server: &Server, times: f64) {
    wait::until(format_args!("{times} failures: {:#?}", server.lines()), || {
        failed(server) >= times
    });
}

/// All that served before serves now.
#[track_caller]
fn serves_on(server: &Server, what: &str) {
    assert!(serves(server, "one.example"), "{what}");
    assert_eq!(http::get(server.address_of("health"), "/health"), (200, "OK".into()), "{what}");
}

const TRIED: &str = "[ERROR] plugin/reload: Corefile changed but reload failed: starting with \
                     listener file descriptors: ";
const PARSED: &str = "[WARNING] plugin/reload: Corefile parse failed: ";

#[test]
fn a_bad_file_changes_nothing_is_counted_and_is_told_once() {
    let server = start(&serving("one.example"));
    let good = serving("one.example");
    // What, the file, the line that tells it.
    let table = [
        (
            "unknown directive",
            good.replace("  whoami", "  whomai"),
            format!("{TRIED}Corefile:8 - Error during parsing: Unknown directive 'whomai'"),
        ),
        (
            "setup",
            good.replace("  errors", "  errors\n  errors"),
            format!("{TRIED}plugin/errors: this plugin can only be used once per Server Block"),
        ),
        (
            "listener",
            format!("{good}{good}"),
            format!("{TRIED}cannot serve dns://one.example.:{{{{port}}}} on 127.0.0.1 - it is already defined"),
        ),
        (
            "syntax",
            good.trim_end().trim_end_matches('}').to_owned(),
            format!("{PARSED}Corefile:8 - Syntax error: Unexpected token 'whoami', expecting '}}'"),
        ),
        (
            "import",
            good.replace("  errors", "  import absent"),
            format!("{PARSED}Corefile:4 - Error during parsing: File to import not found: absent"),
        ),
        (
            "nothing",
            String::new(),
            "[WARNING] plugin/reload: Corefile is gone or has no server blocks: the running configuration stays".into(),
        ),
        ("bad jitter", good.replace("2s 0s", "2s 500ms"), format!("{TRIED}plugin/reload: jitter value must be 0 or greater or equal to 1s")),
    ];
    let mut tried = 0;
    for (number, (what, corefile, line)) in table.into_iter().enumerate() {
        server.rewrite_corefile(&corefile);
        let times = f64::from(u32::try_from(number).unwrap()) + 1.0;
        wait_until_failed(&server, times);
        let line = line.replace("{{port}}", &server.port("port").to_string());
        server.wait_for_line(&line);
        let_a_poll_pass(&server);
        assert_eq!(count(&server, &line), 1, "{what}: {:#?}", server.lines());
        tried += usize::from(line.starts_with(TRIED));
        assert_eq!(count(&server, "[INFO] Reloading"), tried, "{what}: each content once");
        assert!((failed(&server) - times).abs() < 0.1, "{what}");
        serves_on(&server, what);
    }
    assert_eq!(count(&server, "Reloading complete"), 0);
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
}

#[test]
fn files_of_comments_and_removed_files_leave_the_server_alone() {
    let server = start(&serving("one.example"));
    server.rewrite_corefile("# nothing\n\n# at all\n");
    wait_until_failed(&server, 1.0);
    serves_on(&server, "comments");
    fs::remove_file(server.corefile_path()).unwrap();
    let_a_poll_pass(&server);
    serves_on(&server, "no file");
    assert_eq!(count(&server, "Reloading complete"), 0);
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
}

#[test]
fn a_signal_does_not_make_a_bad_file_better() {
    let server = start(&serving("one.example"));
    server.rewrite_corefile(&serving("one.example").replace("  whoami", "  whomai"));
    server.signal("USR1");
    server.wait_for_line("[INFO] SIGUSR1: Reloading");
    wait_until_failed(&server, 1.0);
    serves_on(&server, "after the signal");
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
}

#[test]
fn a_port_that_is_taken_fails_the_reload_which_is_tried_again_when_it_is_free() {
    for (what, line) in [
        ("DNS", "  }\n\nthree.example:{{taken}} {\n  bind 127.0.0.1\n"),
        ("health", "  health 127.0.0.1:{{taken}}\n"),
    ] {
        let server = start(&serving("one.example"));
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let line = line.replace("{{taken}}", &address.port().to_string());
        let corefile = match what {
            "DNS" => format!(
                "{}three.example:{} {{\n  bind 127.0.0.1\n  whoami\n}}\n",
                serving("two.example"),
                address.port()
            ),
            _ => with_lines("two.example", &line).replace("  health 127.0.0.1:{{health}}\n", ""),
        };
        server.rewrite_corefile(&corefile);
        wait_until_failed(&server, 1.0);
        let cause = format!("listen tcp {address}: bind: address already in use");
        server.wait_for_line(TRIED);
        assert!(count(&server, &cause) > 0, "{what}: {:#?}", server.lines());
        serves_on(&server, what);
        assert!(!serves(&server, "two.example"), "{what}");
        drop(taken);
        // The file is not touched again.
        wait_until_served(&server, "two.example");
        server.wait_for_line("Reloading complete");
    }
}
