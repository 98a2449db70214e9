//! Which server block answers: core.md §25, rows 37 to 49.

use std::net::SocketAddr;

use dunlin_testkit::client::ask;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::wait;
use hickory_proto::rr::{DNSClass, RecordType};

use super::{DRIVERS, driven_by, outline};
use crate::kit::metric;

/// Answered by `whoami`: the client's address and port.
const WHOAMI: &str = "NOERROR qr,aa,rd 1/0/0/2";
const REFUSED: &str = "REFUSED qr,rd 1/0/0/0";

/// A Corefile and what is said to queries for these names.
struct Group {
    row: &'static str,
    corefile: &'static str,
    asked: &'static [(&'static str, &'static str)],
}

const GROUPS: &[Group] = &[
    Group {
        row: "37",
        corefile: "10.0.0.0/15:{{port}} {\n  whoami\n}\n",
        asked: &[
            ("whoami.0.10.in-addr.arpa.", WHOAMI),
            ("whoami.1.10.in-addr.arpa.", WHOAMI),
            ("whoami.2.10.in-addr.arpa.", REFUSED),
        ],
    },
    Group {
        row: "38",
        corefile: "192.168.1.0/25:{{port}} {\n  whoami\n}\n",
        asked: &[
            ("0.1.168.192.in-addr.arpa.", WHOAMI),
            ("1.1.168.192.in-addr.arpa.", WHOAMI),
            ("127.1.168.192.in-addr.arpa.", WHOAMI),
            ("128.1.168.192.in-addr.arpa.", REFUSED),
            ("255.1.168.192.in-addr.arpa.", REFUSED),
            ("0.2.168.192.in-addr.arpa.", REFUSED),
        ],
    },
    Group {
        row: "39, as a network",
        corefile: "192.168.1.0/24:{{port}} {\n  whoami\n}\n",
        asked: &[
            ("1.168.192.in-addr.arpa.", WHOAMI),
            ("0.1.168.192.in-addr.arpa.", WHOAMI),
            ("255.1.168.192.in-addr.arpa.", WHOAMI),
            ("1.2.168.192.in-addr.arpa.", REFUSED),
        ],
    },
    Group {
        row: "39, as a zone",
        corefile: "1.168.192.in-addr.arpa:{{port}} {\n  whoami\n}\n",
        asked: &[
            ("1.168.192.in-addr.arpa.", WHOAMI),
            ("255.1.168.192.in-addr.arpa.", WHOAMI),
            ("2.168.192.in-addr.arpa.", REFUSED),
        ],
    },
    Group {
        row: "41",
        corefile: ".:{{port}} {\n}\n",
        asked: &[("a.example.", REFUSED), (".", REFUSED)],
    },
    Group {
        row: "42",
        corefile: ".:{{port}} {\n  errors\n  log\n}\n",
        asked: &[("a.example.", "SERVFAIL qr,rd 1/0/0/0")],
    },
    Group {
        row: "43",
        corefile: "example.org:{{port}} {\n  whoami\n}\n",
        asked: &[
            ("example.org.", WHOAMI),
            ("a.b.c.example.org.", WHOAMI),
            ("org.", REFUSED),
            ("example.org.example.", REFUSED),
            ("xexample.org.", REFUSED),
            (".", REFUSED),
        ],
    },
    Group {
        row: "47",
        corefile: "EXAMPLE.ORG.:{{port}} {\n  whoami\n}\n",
        asked: &[("www.example.org.", WHOAMI), ("WWW.Example.Org.", WHOAMI)],
    },
    Group {
        row: "the root alone",
        corefile: ".:{{port}} {\n  whoami\n}\n",
        asked: &[(".", WHOAMI), ("a.", WHOAMI), ("a.b.c.d.e.f.", WHOAMI)],
    },
];

#[test]
fn a_query_is_answered_by_the_block_of_its_zone() {
    for driver in DRIVERS {
        for group in GROUPS {
            let server = driven_by(driver, group.corefile).start();
            for (name, expected) in group.asked {
                for query in [
                    ask(server.address(), name, RecordType::A),
                    ask(server.address(), name, RecordType::A).tcp(),
                ] {
                    let response = query.send();
                    let found = outline(&response.bytes);
                    assert_eq!(found, *expected, "row {}, {driver}, {name}", group.row);
                    let echoed = response.message.queries[0].name().to_ascii();
                    assert_eq!(echoed, *name, "row 48: the client's own spelling, {driver}");
                }
            }
        }
    }
}

#[test]
fn row_40_a_reverse_name_gets_two_records_that_tell_of_the_client() {
    for driver in DRIVERS {
        let server = driven_by(driver, "10.0.0.0/24:{{port}} {\n  whoami\n}\n").start();
        let response = ask(server.address(), "17.0.0.10.in-addr.arpa.", RecordType::PTR).send();
        let extra: Vec<_> = response.message.additionals.iter().map(ToString::to_string).collect();
        assert_eq!(extra[0], "17.0.0.10.in-addr.arpa. 0 IN A 127.0.0.1", "{driver}");
        let srv = "_udp.17.0.0.10.in-addr.arpa. 0 IN SRV 0 0 ";
        assert!(extra[1].starts_with(srv), "{driver}: {extra:?}");
    }
}

#[test]
fn row_42_a_chain_without_an_answer_is_an_error_that_is_logged() {
    for driver in DRIVERS {
        let server = driven_by(driver, ".:{{port}} {\n  errors\n  log\n}\n").start();
        ask(server.address(), "a.example.", RecordType::A).send();
        let line = server.wait_for_line("no next plugin found");
        assert!(line.starts_with("[ERROR] plugin/errors: 2 a.example. A: "), "{driver}: {line}");
        let line = server.wait_for_line("\"A IN a.example. udp ");
        assert!(line.contains(" SERVFAIL "), "{driver}: {line}");
    }
}

/// Zones that contain each other, each with an upstream of its own.
const NESTED: [&str; 4] = [".", "org.", "example.org.", "sub.example.org."];

#[test]
fn rows_44_to_46_of_nested_zones_the_closest_answers_and_the_parent_for_ds() {
    let corefile: String = (0..NESTED.len())
        .map(|at| format!("{}:{{{{port}}}} {{\n  forward . {{{{up{at}}}}}\n}}\n", NESTED[at]))
        .collect();
    // Name, type, whose upstream is asked.
    let table = [
        ("xexample.org.", RecordType::A, "org."),
        ("example.net.", RecordType::A, "."),
        (".", RecordType::NS, "."),
        ("org.", RecordType::A, "org."),
        ("example.org.", RecordType::A, "example.org."),
        ("sub.example.org.", RecordType::A, "sub.example.org."),
        ("x.SUB.example.org.", RecordType::A, "sub.example.org."),
        ("xsub.example.org.", RecordType::A, "example.org."),
        // Row 46, as RFC 4035 §3.1.4.1 has it: DS belongs to the parent. The root block never takes
        // it from another, as in CoreDNS.
        ("org.", RecordType::DS, "org."),
        ("example.org.", RecordType::DS, "org."),
        ("sub.example.org.", RecordType::DS, "example.org."),
        ("x.sub.example.org.", RecordType::DS, "sub.example.org."),
    ];
    for driver in DRIVERS {
        let upstreams: Vec<_> = NESTED.iter().map(|_| Upstream::start()).collect();
        let mut setup = driven_by(driver, &corefile);
        for (at, upstream) in upstreams.iter().enumerate() {
            upstream.always(Reply::new());
            setup = setup.set(&format!("up{at}"), upstream.address());
        }
        let server = setup.start();
        for (name, kind, zone) in table {
            let before: Vec<_> = upstreams.iter().map(Upstream::count_all).collect();
            ask(server.address(), name, kind).send();
            let asked: Vec<_> = (0..NESTED.len())
                .filter(|&at| upstreams[at].count_all() > before[at])
                .map(|at| NESTED[at])
                .collect();
            assert_eq!(asked, [zone], "{driver}: {name} {kind}");
        }
    }
}

#[test]
fn row_49_other_classes_are_refused_unless_a_plugin_takes_them() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().rcode(hickory_proto::op::ResponseCode::NXDomain));
    for driver in DRIVERS {
        for (plugin, expected) in
            [("whoami", REFUSED), ("forward . {{upstream}}", "NXDOMAIN qr,rd,ra 1/0/0/0")]
        {
            let corefile = format!(".:{{{{port}}}} {{\n  {plugin}\n}}\n");
            let server = driven_by(driver, &corefile).set("upstream", upstream.address()).start();
            let asked = ask(server.address(), "version.bind.", RecordType::TXT).class(DNSClass::CH);
            assert_eq!(outline(&asked.send().bytes), expected, "{driver}, {plugin}");
        }
    }
}

#[test]
fn a_wildcard_listener_replies_from_the_address_that_was_asked() {
    for driver in DRIVERS {
        let server = driven_by(driver, ".:{{port}} {\n  whoami\n}\n").start();
        for ip in ["127.0.0.1", "127.0.0.5", "127.8.8.8"] {
            // The client's socket is connected: a reply from elsewhere would not reach it.
            let address = (ip.parse::<std::net::Ipv4Addr>().unwrap(), server.port("port")).into();
            let asked = ask(address, "a.example.", RecordType::A);
            if driver == "hickory" && ip != "127.0.0.1" {
                // hickory-server sends from a wildcard socket without packet info: the kernel picks
                // 127.0.0.1. Only TCP is right.
                assert_eq!(outline(&asked.tcp().send().bytes), WHOAMI, "{driver}, {ip}");
                continue;
            }
            assert_eq!(outline(&asked.send().bytes), WHOAMI, "{driver}, {ip}");
        }
    }
}

#[test]
fn a_wildcard_listener_is_of_both_families_and_tells_them_apart() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("not tested: this machine has no ::1");
        return;
    }
    for driver in DRIVERS {
        for bind in ["", "  bind 0.0.0.0\n", "  bind ::\n"] {
            let corefile = format!(
                ".:{{{{port}}}} {{\n{bind}  prometheus 127.0.0.1:{{{{metrics}}}}\n  whoami\n}}\n"
            );
            let server = driven_by(driver, &corefile).start();
            let port = server.port("port");
            for (ip, record, family) in
                [("127.0.0.1", " 0 IN A 127.0.0.1", "1"), ("::1", " 0 IN AAAA ::1", "2")]
            {
                let address = SocketAddr::new(ip.parse().unwrap(), port);
                for proto in ["udp", "tcp"] {
                    let asked = ask(address, "a.example.", RecordType::A);
                    let response = if proto == "tcp" { asked.tcp() } else { asked }.send();
                    let found = response.message.additionals[0].to_string();
                    assert!(found.ends_with(record), "{driver}, {bind:?}, {ip}, {proto}: {found}");
                    let labels = [("family", family), ("proto", proto)];
                    wait::until(format_args!("{driver}, {bind:?}: {labels:?}"), || {
                        (metric(&server, "coredns_dns_requests_total", &labels) - 1.0).abs() < 0.1
                    });
                }
            }
        }
    }
}
