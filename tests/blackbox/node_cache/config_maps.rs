//! ConfigMaps that change, break, vanish and come back while the server answers.

use std::fs;

use dunlin_testkit::client::ask;
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::{http, metrics};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::{corefile, map, with_template};
use crate::kit::metric_at;

const TEMPLATE: &str = "\
.:{{port}} {
    bind __PILLAR__LOCAL__DNS__
    reload
    forward . {{main}}
}
";

fn start(main: &Upstream) -> Server {
    with_template("127.0.0.1", TEMPLATE).set("main", main.address()).start()
}

/// The code of a reply to a name, asked once.
fn code(server: &Server, name: &str) -> ResponseCode {
    ask(server.address(), name, RecordType::A).send().rcode()
}

/// One server block with these directives.
fn rewrite_template(server: &Server, directives: &str) {
    let path = server.directory().join("base/Corefile.base");
    let new = path.with_extension("new");
    let text = format!(".:{} {{\n    {directives}\n}}\n", server.port("port"));
    fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).unwrap();
}

fn errors(server: &Server) -> f64 {
    let name = "coredns_nodecache_setup_errors_total";
    metric_at(server.address_of("own"), name, &[("errortype", "configmap")])
}

#[test]
fn stub_domains_come_and_go_with_the_config_map() {
    let [main, stub] = [Upstream::start(), Upstream::start()];
    stub.on("a.acme.local", Reply::new().answer("a.acme.local. 30 IN A 192.0.2.1"));
    let server = start(&main);
    let base = fs::read_to_string(corefile(&server)).unwrap();
    let mut kube_dns = map(&server, "kube-dns");
    let servers = format!("[\"{}\"]", stub.address());
    let stubs = format!("{{\"z.test\": {servers}, \"acme.local\": {servers}}}");
    kube_dns.swap(&[("stubDomains", &stubs)]);
    server.wait_for_line("[INFO] Updated Corefile with 2 custom stubdomains");
    server.wait_for_line("[INFO] Reloading complete");
    assert_eq!(code(&server, "a.acme.local."), ResponseCode::NoError);
    let port = server.port("port");
    let block = |zone: &str| {
        format!(
            "\n{zone}:{port} {{\n    errors\n    cache 30\n    bind 127.0.0.1\n    forward . {}\n}}\n",
            stub.address()
        )
    };
    let made = fs::read_to_string(corefile(&server)).unwrap();
    assert_eq!(made, format!("{base}{}{}", block("acme.local"), block("z.test")));

    kube_dns.swap(&[]);
    server.wait_for_lines("[INFO] Reloading complete", 2);
    assert_eq!(fs::read_to_string(corefile(&server)).unwrap(), base);
    assert_eq!(errors(&server), 0.0);
}

#[test]
fn bad_data_is_counted_and_told_and_changes_nothing() {
    let main = Upstream::start();
    main.on("example.org", Reply::new().answer("example.org. 30 IN A 192.0.2.1"));
    let server = start(&main);
    let before = fs::read_to_string(corefile(&server)).unwrap();
    let mut kube_dns = map(&server, "kube-dns");
    let bad = [
        ("{bad json", "Invalid configuration for stubDomains, ignoring update: "),
        (r#"{"a": ["not a host!"]}"#, "invalid nameserver: \"not a host!\""),
        (
            r#"{"acme.local": ["ns1.example.com"]}"#,
            "Invalid config: invalid nameservers [ns1.example.com] for the stub domain acme.local: \
             not an IP address or file: \"ns1.example.com\"",
        ),
    ];
    for (count, (text, told)) in (1..).zip(bad) {
        kube_dns.swap(&[("stubDomains", text)]);
        server.wait_for_line(told);
        assert_eq!(errors(&server), f64::from(count), "{text}");
    }
    fs::write(kube_dns.path("binary"), [0xff, 0xfe]).unwrap();
    server.wait_for_line("non-utf8 data in ");
    assert_eq!(fs::read_to_string(corefile(&server)).unwrap(), before);
    assert_eq!(code(&server, "example.org."), ResponseCode::NoError);
}

#[test]
fn a_template_that_would_not_start_is_not_written() {
    let main = Upstream::start();
    main.on("example.org", Reply::new().answer("example.org. 30 IN A 192.0.2.1"));
    let server = start(&main);
    let before = fs::read_to_string(corefile(&server)).unwrap();
    rewrite_template(&server, "nonsense");
    server.wait_for_line("[ERROR] Invalid Corefile, the last good one stays: ");
    assert_eq!(fs::read_to_string(corefile(&server)).unwrap(), before);
    assert_eq!(errors(&server), 1.0);
    let page = http::get(server.address_of("own"), "/metrics").1;
    assert_eq!(metrics::value(&page, "coredns_reload_failed_total", &[]), Some(1.0));
    assert_eq!(code(&server, "example.org."), ResponseCode::NoError);
    // The next good one is taken as if nothing had been.
    rewrite_template(&server, "bind 127.0.0.1\n    whoami");
    server.wait_for_line("[INFO] Reloading complete");
}

#[test]
fn with_reloadwithsignal_a_corefile_without_reload_is_loaded() {
    let template = ".:{{port}} {\n    bind 127.0.0.1\n    forward . {{main}}\n}\n";
    let main = Upstream::start();
    let server = with_template("127.0.0.1", template)
        .set("main", main.address())
        .argument("-reloadwithsignal")
        .start();
    let mut kube_dns = map(&server, "kube-dns");
    kube_dns.swap(&[("upstreamNameservers", "[\"192.0.2.1\"]")]);
    // The template has no placeholder for them: the Corefile stays, and is not loaded.
    rewrite_template(&server, "bind 127.0.0.1\n    whoami");
    server.wait_for_line(&format!("[INFO] Sending reload signal to PID {}", server.id()));
    server.wait_for_line("[INFO] Reloading complete");
    assert_eq!(code(&server, "example.org."), ResponseCode::NoError);
}
