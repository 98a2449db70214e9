//! The main job, from end to end: the four server blocks of node-local-dns (node-cache.md §9) on loopback
//! addresses, between clients and two upstreams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dunlin_testkit::client::{Ask, Response, ask};
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Transport, Upstream};
use dunlin_testkit::{http, wait};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::kit::{metric_at, with_corefile};
use crate::queries::DRIVERS;

const COREFILE: &str = "\
cluster.local:{{port}} {
    {{extra}}
    errors
    cache {
        success 9984 30
        denial 9984 5
    }
    reload
    loop
    bind 127.0.0.30 127.0.0.31
    forward . {{cluster}} {
        force_tcp
    }
    prometheus :{{metrics}}
    health 127.0.0.30:{{health}}
}
in-addr.arpa:{{port}} {
    {{extra}}
    errors
    cache 30
    reload
    loop
    bind 127.0.0.30 127.0.0.31
    forward . {{cluster}} {
        force_tcp
    }
    prometheus :{{metrics}}
}
ip6.arpa:{{port}} {
    {{extra}}
    errors
    cache 30
    reload
    loop
    bind 127.0.0.30 127.0.0.31
    forward . {{cluster}} {
        force_tcp
    }
    prometheus :{{metrics}}
}
.:{{port}} {
    {{extra}}
    errors
    cache 30
    reload
    loop
    bind 127.0.0.30 127.0.0.31
    forward . {{external}}
    prometheus :{{metrics}}
}
";

const LOCAL: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 30), Ipv4Addr::new(127, 0, 0, 31)];

const KUBERNETES: &str = "kubernetes.default.svc.cluster.local.";
const REVERSE_4: &str = "1.0.96.10.in-addr.arpa.";
const REVERSE_6: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
const SOA: &str =
    "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30";

struct Node {
    server: Server,
    cluster: Upstream,
    external: Upstream,
}

impl Node {
    fn start(driver: &str, extra: &str) -> Self {
        let [cluster, external] = [Upstream::start(), Upstream::start()];
        let record = |text: &str| Reply::new().answer(text).authoritative();
        cluster.on(KUBERNETES, record(&format!("{KUBERNETES} 30 IN A 10.96.0.1")));
        cluster.on(REVERSE_4, record(&format!("{REVERSE_4} 30 IN PTR {KUBERNETES}")));
        cluster.on(REVERSE_6, record(&format!("{REVERSE_6} 30 IN PTR {KUBERNETES}")));
        cluster.on("headless.default.svc.cluster.local", headless());
        cluster.on("absent.cluster.local", Reply::nxdomain(SOA).authoritative());
        external.on("example.org", Reply::new().answer("example.org. 3600 IN A 192.0.2.1"));
        external.on(
            "absent.example.org",
            Reply::nxdomain(
                "example.org. 900 IN SOA ns.example.org. host.example.org. 1 2 3 4 900",
            ),
        );
        external.on("broken.example.org", Reply::servfail());
        let server = with_corefile(COREFILE)
            .argument("-driver")
            .argument(driver)
            .set("extra", extra)
            .set("cluster", cluster.address())
            .set("external", external.address())
            .spawn();
        let node = Self { server, cluster, external };
        for ip in LOCAL {
            node.server.wait_for_reply(node.address(ip));
        }
        node
    }

    fn address(&self, ip: Ipv4Addr) -> SocketAddr {
        (IpAddr::from(ip), self.server.port("port")).into()
    }

    fn ask(&self, name: &str, kind: RecordType) -> Ask {
        ask(self.address(LOCAL[0]), name, kind)
    }

    fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        metric_at(self.address_of_metrics(), name, labels)
    }

    fn address_of_metrics(&self) -> SocketAddr {
        self.server.address_of("metrics")
    }
}

/// More pods than fit into 512 octets.
fn headless() -> Reply {
    (1..=60).fold(Reply::new().authoritative(), |reply, last| {
        reply.answer(&format!("headless.default.svc.cluster.local. 30 IN A 10.244.0.{last}"))
    })
}

fn ttl(response: &Response) -> u32 {
    response.message.answers.iter().map(|record| record.ttl).min().unwrap()
}

#[test]
fn names_go_to_the_upstream_of_their_zone_over_its_transport() {
    // Name, type, answer, whether the cluster's servers are asked.
    let table = [
        (KUBERNETES, RecordType::A, "10.96.0.1", true),
        (REVERSE_4, RecordType::PTR, KUBERNETES, true),
        (REVERSE_6, RecordType::PTR, KUBERNETES, true),
        ("example.org.", RecordType::A, "192.0.2.1", false),
    ];
    for driver in DRIVERS {
        let node = Node::start(driver, "");
        for (name, kind, answer, of_cluster) in table {
            for ip in LOCAL {
                for over_tcp in [false, true] {
                    let asked = ask(node.address(ip), name, kind);
                    let response = if over_tcp { asked.tcp() } else { asked }.send();
                    assert_eq!(response.answers(), [answer], "{driver}, {name} at {ip}");
                    assert!(ttl(&response) <= 30, "{driver}, {name}: {}", ttl(&response));
                }
            }
            let (asked, other) = match of_cluster {
                true => (&node.cluster, &node.external),
                false => (&node.external, &node.cluster),
            };
            assert_eq!((asked.count(name), other.count(name)), (1, 0), "{driver}, {name}");
            let transport =
                asked.asked().into_iter().find(|asked| asked.name() == name).unwrap().transport;
            let expected = if of_cluster { Transport::Tcp } else { Transport::Udp };
            assert_eq!(transport, expected, "{driver}, {name}");
        }
        let address = SocketAddr::from((LOCAL[0], node.server.port("health")));
        assert_eq!(http::get(address, "/health"), (200, "OK".into()));
    }
}

#[test]
fn a_cached_answer_grows_old_and_is_asked_for_again() {
    for driver in DRIVERS {
        let node = Node::start(driver, "");
        let fresh = node.ask("example.org", RecordType::A).send();
        assert_eq!(ttl(&fresh), 30, "{driver}: the cache shortens it");
        wait::until("a TTL that falls", || {
            ttl(&node.ask("EXAMPLE.org", RecordType::A).send()) < 30
        });
        assert_eq!(node.external.count("example.org"), 1, "{driver}");
    }
}

#[test]
fn a_denial_is_cached_for_its_own_time() {
    for driver in DRIVERS {
        let node = Node::start(driver, "");
        for (name, upstream, most) in
            [("absent.cluster.local", &node.cluster, 5), ("absent.example.org", &node.external, 30)]
        {
            for _ in 0..3 {
                let response = node.ask(name, RecordType::A).send();
                assert_eq!(response.rcode(), ResponseCode::NXDomain, "{driver}, {name}");
                let soa = &response.message.authorities[0];
                assert!(soa.ttl <= most, "{driver}, {name}: {}", soa.ttl);
            }
            assert_eq!(upstream.count(name), 1, "{driver}, {name}");
        }
    }
}

#[test]
fn an_answer_that_is_too_long_is_cut_over_udp_and_whole_over_tcp() {
    for driver in DRIVERS {
        let node = Node::start(driver, "");
        let name = "headless.default.svc.cluster.local.";
        let cut = node.ask(name, RecordType::A).send();
        assert!(cut.message.metadata.truncation && cut.bytes.len() <= 512 + name.len(), "{driver}");
        let whole = node.ask(name, RecordType::A).tcp().send();
        assert_eq!(whole.message.answers.len(), 60, "{driver}");
        assert!(!whole.message.metadata.truncation, "{driver}");
        let large = node.ask(name, RecordType::A).edns(1232).send();
        assert_eq!(large.message.answers.len(), 60, "{driver}");
        assert_eq!(node.cluster.count(name), 1, "{driver}: all from one answer");
    }
}

#[test]
fn failures_of_an_upstream_are_told_and_are_not_those_of_the_other() {
    let mut node = Node::start("native", "");
    let broken = node.ask("broken.example.org", RecordType::A).send();
    assert_eq!(broken.rcode(), ResponseCode::ServFail);
    node.cluster.stop();
    let lost = node.ask("other.cluster.local", RecordType::A).send();
    assert_eq!(lost.rcode(), ResponseCode::ServFail);
    let line = node.server.wait_for_line("plugin/errors: 2 other.cluster.local. A: ");
    assert!(line.starts_with("[ERROR] ") && line.contains("connection refused"), "{line}");
    assert_eq!(node.ask("example.org", RecordType::A).send().answers(), ["192.0.2.1"]);
    node.cluster.restart();
    wait::until("the cluster's names", || {
        node.ask(KUBERNETES, RecordType::A).send().answers() == ["10.96.0.1"]
    });
}

#[test]
fn each_query_is_logged_and_counted() {
    for driver in DRIVERS {
        let node = Node::start(driver, "log");
        node.ask(KUBERNETES, RecordType::A).send();
        node.ask(KUBERNETES, RecordType::A).tcp().dnssec_ok().send();
        node.ask("example.org", RecordType::A).send();
        node.ask("Example.ORG", RecordType::A).send();
        node.ask("absent.example.org", RecordType::AAAA).send();
        for (line, times) in [
            (format!("\"A IN {KUBERNETES} udp 54 false 512\" NOERROR qr,aa,rd,ra 106 "), 1),
            (format!("\"A IN {KUBERNETES} tcp 65 true 65535\" NOERROR "), 1),
            ("\"A IN example.org. udp 29 false 512\" NOERROR qr,".to_owned(), 2),
            ("\"AAAA IN absent.example.org. udp 36 false 512\" NXDOMAIN ".to_owned(), 1),
        ] {
            node.server.wait_for_lines(&line, times);
        }
        let server = format!("dns://127.0.0.30:{}", node.server.port("port"));
        let series = [
            ("coredns_dns_requests_total", [("zone", "cluster.local."), ("proto", "udp")], 1.0),
            ("coredns_dns_requests_total", [("zone", "cluster.local."), ("proto", "tcp")], 1.0),
            ("coredns_dns_responses_total", [("zone", "."), ("rcode", "NXDOMAIN")], 1.0),
            ("coredns_dns_responses_total", [("zone", "."), ("plugin", "cache")], 1.0),
            ("coredns_cache_hits_total", [("zones", "."), ("type", "success")], 1.0),
            ("coredns_cache_entries", [("zones", "."), ("type", "denial")], 1.0),
        ];
        for (name, labels, value) in series {
            let mut labels = [&[("server", server.as_str())], &labels[..]].concat();
            if name == "coredns_dns_requests_total" {
                // Not the queries by which `loop` looks for itself.
                labels.push(("type", "A"));
            }
            wait::until(format_args!("{driver}: {name} {labels:?} {value}"), || {
                (node.metric(name, &labels) - value).abs() < 0.1
            });
        }
    }
}
