//! Messages that no resolver sends: core.md §12.1 against the binary, over UDP and TCP. Where Dunlin
//! is stricter than CoreDNS, docs/compatibility.md says so.

use std::net::SocketAddr;

use dunlin_testkit::client::{Tcp, Udp, query};
use hickory_proto::rr::RecordType;

use super::{DRIVERS, driven_by, outline};

/// No reply, and the connection or socket stays usable.
const SILENCE: &str = "silence";
/// The connection is closed without a reply.
const CLOSED: &str = "closed";

struct Row {
    what: &'static str,
    bytes: fn() -> Vec<u8>,
    /// Over UDP and TCP.
    replies: [&'static str; 2],
    /// What becomes of it over TCP where hickory-server, which reads messages before our handler sees
    /// them, differs.
    hickory: Option<&'static str>,
}

const QUESTION: &[u8] = b"\x01a\x07example\0\0\x01\0\x01";

/// A header with these flags and counts, then these octets.
fn message(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    bytes.extend(rest);
    bytes
}

fn rows() -> Vec<Row> {
    let row = |what, bytes, reply| Row { what, bytes, replies: [reply; 2], hickory: None };
    let short = |what, bytes| Row {
        // CoreDNS keeps the connection (docs/compatibility.md).
        replies: [SILENCE, CLOSED],
        hickory: Some(SILENCE),
        ..row(what, bytes, SILENCE)
    };
    vec![
        short("nothing but an id", || vec![0x12, 0x34]),
        short("11 octets", || message(0, [1, 0, 0, 0], &[])[..11].to_vec()),
        row("a response", || message(0x8100, [1, 0, 0, 0], QUESTION), SILENCE),
        row("IQUERY", || message(0x0900, [1, 0, 0, 0], QUESTION), "opcode 1 NOTIMP qr,rd 0/0/0/0"),
        row("STATUS", || message(0x1100, [1, 0, 0, 0], QUESTION), "opcode 2 NOTIMP qr,rd 0/0/0/0"),
        row("UPDATE", || message(0x2800, [1, 0, 0, 0], QUESTION), "opcode 5 NOTIMP qr 0/0/0/0"),
        row("opcode 15", || message(0x7800, [1, 0, 0, 0], QUESTION), "opcode 15 NOTIMP qr 0/0/0/0"),
        row("no question", || message(0x0100, [0, 0, 0, 0], &[]), "FORMERR qr,rd 0/0/0/0"),
        row(
            "two questions",
            || message(0x0100, [2, 0, 0, 0], &[QUESTION, QUESTION].concat()),
            "FORMERR qr,rd 0/0/0/0",
        ),
        row("two answers", || message(0x0100, [1, 2, 0, 0], QUESTION), "FORMERR qr,rd 0/0/0/0"),
        row("two authorities", || message(0x0100, [1, 0, 2, 0], QUESTION), "FORMERR qr,rd 0/0/0/0"),
        row(
            "three additionals",
            || message(0x0100, [1, 0, 0, 3], QUESTION),
            "FORMERR qr,rd 0/0/0/0",
        ),
        row(
            "a name that is cut",
            || message(0x0100, [1, 0, 0, 0], b"\x09exa"),
            "FORMERR qr,rd 0/0/0/0",
        ),
        row(
            "a pointer to itself",
            || message(0x0100, [1, 0, 0, 0], b"\xc0\x0c\0\x01\0\x01"),
            "FORMERR qr,rd 0/0/0/0",
        ),
        row(
            "a record that is cut",
            || message(0x0100, [1, 0, 0, 1], &[QUESTION, &[0, 0, 41, 4]].concat()),
            "FORMERR qr,rd 0/0/0/0",
        ),
        row("a header alone", || message(0x0100, [1, 0, 0, 0], &[]), "FORMERR qr,rd 0/0/0/0"),
        row(
            "octets behind the end",
            || message(0x0100, [1, 0, 0, 0], &[QUESTION, b"garbage"].concat()),
            "NOERROR qr,aa,rd 1/0/0/2",
        ),
        row(
            "counts of records that are not there",
            || message(0x0100, [1, 0, 0, 1], QUESTION),
            "FORMERR qr,rd 0/0/0/0",
        ),
        row("a plain query", || message(0, [1, 0, 0, 0], QUESTION), "NOERROR qr,aa 1/0/0/2"),
    ]
}

/// What the bytes lead to. That nothing comes is shown by the reply to a query that is sent after them.
fn over_udp(server: SocketAddr, bytes: &[u8], expected: &str) -> String {
    let socket = Udp::to(server);
    socket.send(bytes).unwrap();
    if expected == SILENCE {
        socket.send(&probe()).unwrap();
    }
    told(&socket.receive().unwrap())
}

fn over_tcp(server: SocketAddr, bytes: &[u8], expected: &str) -> String {
    let mut connection = Tcp::to(server);
    connection.send(bytes).unwrap();
    if expected == SILENCE {
        connection.send(&probe()).unwrap();
    }
    connection.receive().map_or_else(|_| CLOSED.into(), |reply| told(&reply))
}

fn probe() -> Vec<u8> {
    query("probe.", RecordType::A).edit(|message| message.metadata.id = PROBE_ID).encode()
}

fn told(reply: &[u8]) -> String {
    if reply[..2] == PROBE_ID.to_be_bytes() { SILENCE.into() } else { outline(reply) }
}

const PROBE_ID: u16 = 7;

#[test]
fn malformed_messages_get_the_replies_that_coredns_gives() {
    let mut wrong = Vec::new();
    for driver in DRIVERS {
        let server = driven_by(driver, ".:{{port}} {\n  whoami\n}\n").start();
        for row in rows() {
            let bytes = (row.bytes)();
            let [udp, tcp] = row.replies;
            let tcp = row.hickory.filter(|_| driver == "hickory").unwrap_or(tcp);
            let found =
                [over_udp(server.address(), &bytes, udp), over_tcp(server.address(), &bytes, tcp)];
            if found != [udp, tcp] {
                wrong.push(format!("{driver}, {}: {found:?}", row.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
