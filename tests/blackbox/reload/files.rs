//! Which changes are noticed, and which are none.

use std::fs;

use dunlin_testkit::client::ask;
use dunlin_testkit::process::ConfigMap;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::{ports, wait};
use hickory_proto::rr::RecordType;

use super::{
    count, let_a_poll_pass, serves, serving, start, started, wait_until_served, with_lines,
};
use crate::kit::{dunlin, metric, out, with_corefile};

#[test]
fn a_rewritten_file_is_loaded_and_told_in_the_order_that_scripts_know() {
    let server = start(&serving("one.example"));
    assert!(serves(&server, "one.example") && !serves(&server, "two.example"));
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
    server.wait_for_line("[INFO] Reloading complete");
    assert!(!serves(&server, "one.example"));
    let told: Vec<_> = out(&server).into_iter().filter(|line| line.starts_with('[')).collect();
    let hash = "[INFO] plugin/reload: Running configuration SHA512 = ";
    assert!(told[0].starts_with(hash), "{told:#?}");
    assert_eq!(told[1], "[INFO] Reloading");
    assert!(told[2].starts_with(hash) && told[2] != told[0], "{told:#?}");
    assert_eq!(told[3..], ["[INFO] Reloading complete"], "zones are printed at the start only");

    let running = told[2].strip_prefix(hash).unwrap();
    let labels = [("hash", "sha512"), ("value", running)];
    assert!((metric(&server, "coredns_reload_version_info", &labels) - 1.0).abs() < 0.1);
    assert!(metric(&server, "coredns_reload_failed_total", &[]) < 0.1);
    assert!(metric(&server, "dunlin_config_stale", &[]) < 0.1);
}

#[test]
fn db8_without_debug_in_the_new_file_debug_lines_end() {
    let upstream = Upstream::start();
    upstream.always(vec![
        Reply::new().wrong_question("other.example").into(),
        Reply::new().answer("a.example. 9 IN A 192.0.2.9").into(),
    ]);
    let with = |debug: &str| {
        format!(
            ".:{{{{port}}}} {{\n  bind 127.0.0.1\n  reload 2s 0s\n  {debug}\n  health \
             127.0.0.1:{{{{health}}}}\n  prometheus 127.0.0.1:{{{{metrics}}}}\n  forward . {}\n}}\n",
            upstream.address()
        )
    };
    let server = start(&with("debug"));
    let wrong = "[DEBUG] plugin/forward: Wrong reply for id";
    assert_eq!(ask(server.address(), "a.example", RecordType::A).send().answers().len(), 1);
    server.wait_for_line(wrong);
    server.wait_for_line("debug: 000000 ");
    server.rewrite_corefile(&with(""));
    server.wait_for_line("[INFO] Reloading complete");
    let before = count(&server, wrong);
    assert_eq!(ask(server.address(), "a.example", RecordType::A).send().answers().len(), 1);
    let_a_poll_pass(&server);
    assert_eq!(count(&server, wrong), before);
}

#[test]
fn a_config_map_that_is_swapped_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let mut map = ConfigMap::new(directory.path().join("map"));
    let port = ports::free();
    // No interval that could be waited for here: what is seen was told by the kernel.
    let corefile =
        |zone: &str| format!("{zone}:{port} {{\n  bind 127.0.0.1\n  reload\n  import more\n}}\n");
    map.swap(&[("Corefile", &corefile("one.example")), ("more", "whoami\n")]);
    let path = map.path("Corefile");
    let server =
        started(dunlin().argument("-conf").argument(path.to_str().unwrap()).set("port", port));
    for zone in ["two.example", "three.example"] {
        map.swap(&[("Corefile", &corefile(zone)), ("more", "whoami\nerrors\n")]);
        wait_until_served(&server, zone);
    }
    // A file of the map that is imported, and nothing else.
    server.wait_for_lines("Reloading complete", 2);
    map.swap(&[("Corefile", &corefile("three.example")), ("more", "whoami\nlog\n")]);
    server.wait_for_lines("Reloading complete", 3);
    assert!(serves(&server, "three.example"));
    server.wait_for_line("A IN three.example. udp");
}

#[test]
fn imported_files_are_watched_and_so_are_globs_that_gain_one() {
    let server = started(
        with_corefile("import parts/*.conf\n")
            .file("parts/a.conf", &serving("one.example"))
            .file("other", ""),
    );
    let path = server.directory().join("parts");
    let port = server.port("port");
    let second = format!("two.example:{port} {{\n  bind 127.0.0.1\n  whoami\n}}\n");
    fs::write(path.join("b.conf"), second).unwrap();
    wait_until_served(&server, "two.example");
    let text = fs::read_to_string(path.join("a.conf")).unwrap();
    fs::write(path.join("a.conf"), text.replace("one.example", "three.example")).unwrap();
    wait_until_served(&server, "three.example");
    assert!(serves(&server, "two.example") && !serves(&server, "one.example"));
    fs::remove_file(path.join("b.conf")).unwrap();
    wait::until("two.example to go", || !serves(&server, "two.example"));
}

#[test]
fn the_resolv_conf_of_forward_is_watched() {
    let server = started(
        with_corefile(&with_lines("one.example", "forward . {{dir}}/resolv.conf"))
            .file("resolv.conf", "nameserver 127.0.0.91\n"),
    );
    server.rewrite("resolv.conf", "nameserver 127.0.0.92\n");
    server.wait_for_line("Reloading complete");
    // Nothing of the Corefile has changed, and its hash has not either.
    let hashes = server.wait_for_lines("Running configuration SHA512 = ", 2);
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn comments_and_blank_lines_change_nothing() {
    let server = start(&serving("one.example"));
    let text = serving("one.example");
    for edited in [
        format!("# comment\n\n{text}"),
        text.replace("  whoami", "\n    whoami   # comment"),
        format!("{text}\n# the end"),
    ] {
        server.rewrite_corefile(&edited);
        let_a_poll_pass(&server);
    }
    assert_eq!(count(&server, "Reloading"), 0, "{:#?}", server.lines());
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
}

#[test]
fn a_signal_reloads_and_files_are_watched_after_it_as_before() {
    let server = start(&serving("one.example"));
    for number in 1..=2 {
        server.signal("USR1");
        server.wait_for_lines("[INFO] SIGUSR1: Reloading", number);
        server.wait_for_lines("[INFO] Reloading complete", number);
        assert!(serves(&server, "one.example"));
    }
    server.rewrite_corefile(&serving("two.example"));
    wait_until_served(&server, "two.example");
    server.rewrite_corefile(&serving("three.example"));
    wait_until_served(&server, "three.example");
}

#[test]
fn a_signal_reloads_where_nothing_is_watched() {
    let corefile = |zone: &str| serving(zone).replace("  reload 2s 0s\n", "");
    let server = start(&corefile("one.example"));
    server.rewrite_corefile(&corefile("two.example"));
    let_a_poll_pass(&server);
    assert!(serves(&server, "one.example") && count(&server, "Reloading") == 0);
    server.signal("USR1");
    wait_until_served(&server, "two.example");
}

#[test]
fn without_reload_in_the_new_file_watching_ends() {
    let server = start(&serving("one.example"));
    let unwatched = |zone: &str| serving(zone).replace("  reload 2s 0s\n", "");
    server.rewrite_corefile(&unwatched("two.example"));
    wait_until_served(&server, "two.example");
    server.wait_for_lines("Reloading complete", 1);
    server.rewrite_corefile(&serving("three.example"));
    let_a_poll_pass(&server);
    assert!(serves(&server, "two.example") && !serves(&server, "three.example"));
    // The operator may still say so, and then it is watched again.
    server.signal("USR1");
    wait_until_served(&server, "three.example");
    server.rewrite_corefile(&serving("four.example"));
    wait_until_served(&server, "four.example");
}

#[test]
fn a_change_while_a_reload_ends_is_noticed_too() {
    // The poll is far away: what is missed now is missed for half a minute.
    let corefile = |number: usize| serving(&format!("zone{number}.example")).replace("2s 0s", "");
    let server = start(&corefile(0));
    for number in 1..=15 {
        server.rewrite_corefile(&corefile(number));
        // Served as soon as the sockets have it, which is before the reload is over.
        wait_until_served(&server, &format!("zone{number}.example"));
    }
}

#[test]
fn of_two_changes_at_once_the_last_one_counts() {
    let corefile = |zone: &str| serving(zone).replace("2s 0s", "");
    let server = start(&corefile("one.example"));
    for zone in ["two.example", "three.example", "four.example"] {
        server.rewrite_corefile(&corefile(zone));
    }
    wait_until_served(&server, "four.example");
    let_a_poll_pass(&server);
    assert!(serves(&server, "four.example") && !serves(&server, "three.example"));
}
