//! Flags, the first lines, the first Corefile, and what does not stop a start.

use std::fs;
use std::net::TcpListener;

use dunlin_testkit::process::Server;
use dunlin_testkit::{http, metrics, ports, wait};

use super::{BINARY, corefile, err, node_cache, with_template};
use crate::kit::run;

#[test]
fn wrong_flags_end_with_the_texts_and_status_of_the_original() {
    let table: [(&[&str], &str, i32); 6] = [
        (&[], "[FATAL] Error parsing flags - invalid localip specified - \"\", Exiting", 1),
        (
            &["-localip", "1.2.3"],
            "[FATAL] Error parsing flags - invalid localip specified - \"1.2.3\", Exiting",
            1,
        ),
        (
            &["-localip", "::1", "-dns.port", "abc"],
            "[FATAL] Error parsing flags - invalid port specified - \"abc\", Exiting",
            1,
        ),
        (
            &["-localip", "::1", "-health-port=x"],
            "[FATAL] Error parsing flags - invalid healthcheck port specified - \"x\", Exiting",
            1,
        ),
        (&["-syncinterval", "x"], "invalid value \"x\" for flag -syncinterval: parse error", 2),
        (&["--nothing"], "flag provided but not defined: -nothing", 2),
    ];
    for (arguments, text, status) in table {
        let setup = arguments.iter().fold(Server::of(BINARY), |setup, word| setup.argument(word));
        let ended = run(setup);
        assert!(ended.err.contains(text), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.status, Some(status), "{arguments:?}");
    }
}

#[test]
fn usage_version_and_plugins_are_printed() {
    for (argument, text) in [("-h", "as a nodelocal cache listening on"), ("-help", "-upstreamsvc")]
    {
        let ended = run(Server::of(BINARY).argument(argument));
        assert!(ended.err.contains(text), "{}", ended.err);
        assert_eq!(ended.status, Some(0));
    }
    for (argument, text) in [("-version", "Dunlin-"), ("-plugins", "\nforward\n")] {
        let ended = run(node_cache("127.0.0.1").argument(argument));
        assert!(ended.out.contains(text), "{}", ended.out);
        assert_eq!(ended.status, Some(0));
    }
}

const ALL: &str = "\
.:{{port}} {
    errors
    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__
    forward cluster.local __PILLAR__CLUSTER__DNS__ {
        force_tcp
    }
    forward . __PILLAR__UPSTREAM__SERVERS__
    prometheus __PROMETHEUS__ENDPOINT__
}
";

#[test]
fn the_corefile_is_made_and_the_first_lines_are_those_of_the_original() {
    let server = with_template("127.0.0.1,127.0.0.32", ALL)
        .argument("-prometheus-listen-address=127.0.0.1:{{metrics}}")
        .argument("-pidfile")
        .argument("{{dir}}/pid")
        .start();
    let made = fs::read_to_string(corefile(&server)).unwrap();
    let port = server.port("port");
    let expected = format!(
        ".:{port} {{\n    errors\n    bind 127.0.0.1 127.0.0.32 \n    forward cluster.local 10.96.0.99 \
         {{\n        force_tcp\n    }}\n    forward . /etc/resolv.conf\n    prometheus \
         127.0.0.1:{}\n}}\n",
        server.port("metrics")
    );
    assert_eq!(made, expected);

    let dir = server.directory().display();
    let version = env!("CARGO_PKG_VERSION");
    let lines = [
        format!("[INFO] Starting node-cache image: {version}"),
        format!("[INFO] Using Corefile {dir}/Corefile"),
        format!("[INFO] Using Pidfile {dir}/pid"),
        "[INFO] Updated Corefile with 0 custom stubdomains and upstream servers /etc/resolv.conf"
            .into(),
        "[INFO] Using config file:".into(),
    ];
    let early = err(&server);
    for (line, expected) in early.iter().zip(lines) {
        // `2026/11/22 08:11:41 `, then the line.
        assert_eq!(line.get(20..), Some(expected.as_str()), "{early:?}");
    }
    let late = server.wait_for_line("Dunlin-");
    assert!(!early.contains(&late));

    server.wait_for_reply((std::net::Ipv4Addr::new(127, 0, 0, 32), port).into());
    for endpoint in ["own", "metrics"] {
        let (status, page) = http::get(server.address_of(endpoint), "/metrics");
        assert_eq!(status, 200);
        for kind in ["iptables", "iptables_lock", "interface_add", "interface_check", "configmap"] {
            let name = "coredns_nodecache_setup_errors_total";
            let value = metrics::value(&page, name, &[("errortype", kind)]);
            assert_eq!(value, Some(0.0), "{endpoint} {kind}");
        }
    }
    assert_eq!(http::get(server.address_of("own"), "/").0, 404);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
}

#[test]
fn an_unknown_upstream_service_is_told_by_its_variable() {
    let ended = run(with_template("127.0.0.1", ALL).argument("-upstreamsvc=other-dns"));
    let text = "[WARNING] Unable to lookup IP address of Upstream service other-dns, env \
                $OTHER_DNS_SERVICE_HOST ``";
    assert!(ended.err.contains(text), "{}", ended.err);
    assert!(ended.err.contains("$OTHER_DNS_SERVICE_HOST is not set (-upstreamsvc other-dns)"));
    assert_eq!(ended.status, Some(1));
}

#[test]
fn without_a_template_an_existing_corefile_is_used() {
    let server = with_template("127.0.0.1", "")
        .argument("-basecorefile={{dir}}/base/none")
        .file("Corefile", ".:{{port}} {\n    bind 127.0.0.1\n    whoami\n}\n")
        .start();
    let dir = server.directory().display().to_string();
    let line = format!(
        "[ERROR] Failed to read node-cache coreFile {dir}/base/none - open {dir}/base/none: no such \
         file or directory"
    );
    assert!(err(&server).iter().any(|found| found.ends_with(&line)), "{:?}", err(&server));
    let page = http::get(server.address_of("own"), "/metrics").1;
    let name = "coredns_nodecache_setup_errors_total";
    let counted = metrics::value(&page, name, &[("errortype", "configmap")]);
    assert_eq!(counted, Some(1.0));
}

#[test]
fn a_corefile_that_cannot_be_written_is_handed_over_in_memory() {
    let server = with_template("127.0.0.1", ".:{{port}} {\n    bind 127.0.0.1\n    whoami\n}\n")
        .argument("-conf=/proc/sys/none/Corefile")
        .start();
    let lines = err(&server);
    let line = "[ERROR] Failed to write config file /proc/sys/none/Corefile - err open \
                /proc/sys/none/Corefile: no such file or directory";
    assert!(lines.iter().any(|found| found.ends_with(line)), "{lines:?}");
}

#[test]
fn ports_of_endpoints_that_are_taken_do_not_stop_dns_and_open_when_they_are_free() {
    let busy = [ports::free(), ports::free(), ports::free()];
    let take = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).unwrap();
    let holders: Vec<TcpListener> = busy.iter().map(take).collect();
    let template = ".:{{port}} {\n    bind 127.0.0.1\n    whoami\n    health \
                    127.0.0.1:{{health}}\n    prometheus 127.0.0.1:{{metrics}}\n}\n";
    let server = with_template("127.0.0.1", template)
        .set("own", busy[0])
        .set("health", busy[1])
        .set("metrics", busy[2])
        .start();
    server.wait_for_line("[ERROR] Failed to start metrics handler: listen tcp 127.0.0.1:");
    drop(holders);
    for (endpoint, path) in [("own", "/metrics"), ("health", "/health"), ("metrics", "/metrics")] {
        wait::until(endpoint, || {
            http::try_get(server.address_of(endpoint), path).is_ok_and(|(status, _)| status == 200)
        });
    }
}
