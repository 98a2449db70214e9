//! What is in `examples/node-local` for operators to apply: its Corefile serves, and its demonstration is
//! what the manual shows.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use dunlin_testkit::client::ask;
use dunlin_testkit::http;
use dunlin_testkit::upstream::{Reply, Upstream};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::namespace::is_possible;
use super::{BINARY, with_template};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 40));

pub(super) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/node-local").join(path)
}

/// The Corefile inside a ConfigMap.
fn corefile(manifest: &str) -> String {
    let text = fs::read_to_string(example(manifest)).unwrap();
    let (_, rest) = text.split_once("  Corefile: |\n").unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("    "));
    lines.map(|line| line.strip_prefix("    ").unwrap().to_owned() + "\n").collect()
}

#[test]
fn the_corefile_of_the_manifest_serves_once_its_words_are_filled_in() {
    let upstream = Upstream::start();
    upstream.on("example.org", Reply::new().answer("example.org. 30 IN A 192.0.2.1"));
    let template = corefile("base/nodelocaldns.yaml")
        .replace(":53 {", ":{{port}} {")
        .replace(":9253", "127.0.0.1:{{metrics}}")
        .replace("__PILLAR__LOCAL__DNS__:8080", "127.0.0.40:{{health}}")
        .replace("__PILLAR__DNS__DOMAIN__", "cluster.local");
    let servers = format!("[\"{}\"]", upstream.address());
    let server = with_template("127.0.0.40,127.0.0.41", &template)
        .file("kube-dns/upstreamNameservers", &servers)
        .spawn();
    server.wait_for_line("Dunlin-");
    for last in [40, 41] {
        let address = (Ipv4Addr::new(127, 0, 0, last), server.port("port")).into();
        let reply = ask(address, "example.org.", RecordType::A).send();
        assert_eq!(reply.rcode(), ResponseCode::NoError);
    }
    assert_eq!(http::get((LOCAL, server.port("health")).into(), "/health").1, "OK");
    let page = http::get(server.address_of("metrics"), "/metrics").1;
    for name in ["coredns_cache_entries", "coredns_nodecache_setup_errors_total"] {
        assert!(page.contains(name), "{name}");
    }
    let made = fs::read_to_string(super::corefile(&server)).unwrap();
    assert!(!made.contains("__PILLAR__"), "{made}");
    assert_eq!(made.matches("127.0.0.40 127.0.0.41 \n").count(), 4, "{made}");
}

#[test]
fn the_variant_for_cilium_differs_in_where_it_listens_only() {
    let base = corefile("base/nodelocaldns.yaml")
        .replace("bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__", "bind 0.0.0.0")
        .replace("health __PILLAR__LOCAL__DNS__:8080", "health");
    assert_eq!(corefile("cilium/corefile.yaml"), base);
}

#[test]
fn the_demonstration_prints_what_the_manual_shows() {
    if !is_possible(&["bash", "iptables", "nft", "conntrack", "dnsmasq"]) {
        return;
    }
    let manual = example("../../docs/operating.md");
    let manual = fs::read_to_string(manual).unwrap();
    let (_, rest) = manual.split_once("```text\n# without a cache\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let output = Command::new(example("demo.sh")).arg(BINARY).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(printed, format!("# without a cache\n{shown}"), "{errors}");
}
