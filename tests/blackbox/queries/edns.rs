//! EDNS as a client sees it: core.md §12.2 (4), §13, §25 rows 43, 50, 51, 53, 54.

use dunlin_testkit::client::{Ask, ask};
use dunlin_testkit::process::Server;
use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::RecordType;

use super::{DRIVERS, driven_by, outline};

fn served(driver: &str) -> Server {
    driven_by(driver, "example.org:{{port}} {\n  whoami\n}\n").start()
}

/// `VERSION SIZE FLAGS [OPTION CODES]`, or `none`. Extended errors (RFC 8914), which explain refusals,
/// are left out.
fn opt(message: &Message) -> String {
    let Some(edns) = &message.edns else { return "none".into() };
    let codes = edns.options().as_ref().iter().map(|(code, _)| u16::from(*code));
    let codes: Vec<u16> = codes.filter(|code| *code != 15).collect();
    let do_bit = if edns.flags().dnssec_ok { " do" } else { "" };
    let z = if edns.flags().z == 0 { "" } else { " z" };
    format!("{} {}{do_bit}{z} {codes:?}", edns.version(), edns.max_payload())
}

/// What is tried, how the query is sent, what comes back.
type Row = (&'static str, fn(Ask) -> Ask, &'static str);

/// The OPT that comes back is the server's own and has none of the client's options
/// (docs/compatibility.md, "OPT").
const ROWS: &[Row] = &[
    ("43: no OPT", |asked| asked, "none"),
    ("51", |asked| asked.edns(4096), "0 1232 []"),
    ("51: smaller", |asked| asked.edns(512), "0 1232 []"),
    ("53: DO", |asked| asked.dnssec_ok(), "0 1232 do []"),
    ("54: ECS", |asked| asked.option(8, &[0, 1, 24, 0, 192, 0, 2]), "0 1232 []"),
    ("unknown option", |asked| asked.option(65_001, b"xyz"), "0 1232 []"),
];

#[test]
fn an_opt_is_answered_by_an_opt() {
    for driver in DRIVERS {
        let server = served(driver);
        for (row, how, expected) in ROWS {
            for (name, kind) in [("a.example.org.", "served"), ("a.example.net.", "refused")] {
                let response = how(ask(server.address(), name, RecordType::A)).send();
                assert_eq!(opt(&response.message), *expected, "row {row}, {driver}, {kind}");
                let over_tcp = how(ask(server.address(), name, RecordType::A)).tcp().send();
                assert_eq!(opt(&over_tcp.message), *expected, "row {row}, {driver}, {kind}, TCP");
            }
        }
    }
}

#[test]
fn row_51_the_opt_is_the_last_record() {
    for driver in DRIVERS {
        let server = served(driver);
        let response = ask(server.address(), "a.example.org.", RecordType::A).edns(4096).send();
        assert_eq!(outline(&response.bytes), "NOERROR qr,aa,rd 1/0/0/3", "{driver}");
        let end = &response.bytes[response.bytes.len() - 11..];
        assert_eq!(end, [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0], "{driver}");
    }
}

#[test]
fn row_50_another_version_is_badvers_whoever_the_zone_belongs_to() {
    for driver in DRIVERS {
        let server = served(driver);
        for name in ["a.example.org.", "a.example.net."] {
            for version in [1, 255] {
                let asked = ask(server.address(), name, RecordType::A).edit(|message| {
                    let mut edns = Edns::new();
                    edns.set_version(version).set_max_payload(1232);
                    message.edns = Some(edns);
                });
                let response = asked.send();
                let low = outline(&response.bytes);
                assert_eq!(low, "NOERROR qr,rd 1/0/0/1", "{driver}, {name}, {version}");
                assert_eq!(u16::from(response.rcode()), 16, "{driver}, {name}, {version}");
                assert_eq!(opt(&response.message), "0 1232 []", "{driver}, {name}, {version}");
            }
        }
    }
}

#[test]
fn flags_of_the_query_are_copied_or_cleared() {
    // RD and CD come back, AD and TC do not.
    let rows: [Row; 4] = [
        ("plain", |asked| asked, "NOERROR qr,aa,rd 1/0/0/2"),
        ("without RD", |asked| asked.no_recursion(), "NOERROR qr,aa 1/0/0/2"),
        ("CD", |asked| asked.checking_disabled(), "NOERROR qr,aa,rd,cd 1/0/0/2"),
        ("AD", |asked| asked.authentic_data(), "NOERROR qr,aa,rd 1/0/0/2"),
    ];
    for driver in DRIVERS {
        let server = served(driver);
        for (row, how, expected) in rows {
            let response = how(ask(server.address(), "a.example.org.", RecordType::A)).send();
            assert_eq!(outline(&response.bytes), expected, "{row}, {driver}");
        }
    }
}
