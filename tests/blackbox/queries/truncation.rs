//! Replies that do not fit: core.md §13 and §25, rows 55 to 57.

use dunlin_testkit::client::ask;
use dunlin_testkit::upstream::{Reply, Upstream};
use hickory_proto::rr::RecordType;

use super::{DRIVERS, driven_by};

/// As in CoreDNS's tests: 59 addresses of one name.
fn many_addresses() -> Reply {
    (0..59).fold(Reply::new(), |reply, last| {
        reply.answer(&format!("many.example. 300 IN A 192.0.2.{last}"))
    })
}

fn long_texts() -> Reply {
    (0..20).fold(Reply::new(), |reply, number| {
        let text = format!("{number:03}").repeat(33);
        reply.answer(&format!("texts.example. 300 IN TXT {text}"))
    })
}

/// hickory-server encodes our reply again and writes out the first owner, which could be a pointer to
/// the question.
fn slack(driver: &str, name: &str) -> usize {
    if driver == "hickory" { name.len() } else { 0 }
}

#[test]
fn replies_are_cut_to_what_the_client_can_take() {
    let upstream = Upstream::start();
    upstream.on("many.example.", many_addresses());
    upstream.on("texts.example.", long_texts());
    // Datagrams keep to 1232 octets, whatever the client could take.
    // Name, UDP size (0: no EDNS), the largest reply, whether TC is set, records at least.
    let table = [
        ("many.example.", RecordType::A, 0, 512, true, 28),
        ("many.example.", RecordType::A, 512, 512, true, 28),
        ("many.example.", RecordType::A, 1232, 1232, false, 59),
        ("many.example.", RecordType::A, 4096, 1232, false, 59),
        ("texts.example.", RecordType::TXT, 0, 512, true, 4),
        ("texts.example.", RecordType::TXT, 1232, 1232, true, 10),
        ("texts.example.", RecordType::TXT, 4096, 1232, true, 10),
    ];
    for driver in DRIVERS {
        for cache in ["", "cache"] {
            let corefile =
                format!(".:{{{{port}}}} {{\n  {cache}\n  forward . {{{{upstream}}}}\n}}\n");
            let server = driven_by(driver, &corefile).set("upstream", upstream.address()).start();
            for (name, kind, size, longest, cut, records) in table {
                let row = format!("{driver}, {cache:?}, {name} at {size}");
                let asked = ask(server.address(), name, kind);
                let response = if size == 0 { asked.send() } else { asked.edns(size).send() };
                let found = response.message.answers.len();
                let longest = longest + slack(driver, name);
                assert!(response.bytes.len() <= longest, "{row}: {}", response.bytes.len());
                assert_eq!(response.message.metadata.truncation, cut, "{row}");
                assert!(found >= records, "{row}: {found} records");
                assert_eq!(response.message.edns.is_some(), size != 0, "{row}");

                let over_tcp = ask(server.address(), name, kind).tcp().send();
                let all = if kind == RecordType::A { 59 } else { 20 };
                assert_eq!(over_tcp.message.answers.len(), all, "{row}, TCP");
                assert!(!over_tcp.message.metadata.truncation, "{row}, TCP");
            }
        }
    }
}

#[test]
fn row_57_owners_are_compressed_to_fit() {
    let upstream = Upstream::start();
    let name = "a-name-that-is-rather-long.many.example.";
    upstream.always((0..30).fold(Reply::new(), |reply, last| {
        reply.answer(&format!("{name} 300 IN A 192.0.2.{last}"))
    }));
    for driver in DRIVERS {
        let corefile = ".:{{port}} {\n  forward . {{upstream}}\n}\n";
        let server = driven_by(driver, corefile).set("upstream", upstream.address()).start();
        let response = ask(server.address(), name, RecordType::A).edns(1232).send();
        assert_eq!(response.message.answers.len(), 30, "{driver}");
        // Header, question, and sixteen octets for each record with a pointer for its owner.
        let shortest = 12 + name.len() + 1 + 4 + 30 * 16 + 11;
        let longest = shortest + slack(driver, name);
        assert!(response.bytes.len() <= longest, "{driver}: {}", response.bytes.len());
    }
}
