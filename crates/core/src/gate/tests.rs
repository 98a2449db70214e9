//! The packet table, row by row and over each transport, and the promise that no octets upset the
//! gate.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::serialize::binary::BinEncodable;
use proptest::prelude::*;
use tokio::time::Instant;

use super::packet::packet;
use super::*;
use crate::buffer::Buffer;
use crate::query::{Query, Source};
use crate::wire::MAX_MESSAGE_LEN;

const TABLE: &str = include_str!("../../testdata/packets.txt");

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000);

/// Rows that cannot be seen here: reading datagrams and streams, and knowing our own sockets.
const ELSEWHERE: [u8; 3] = [41, 42, 45];

/// A row of the table.
#[derive(Debug)]
struct Row<'a> {
    title: &'a str,
    transports: &'static [Transport],
    peer: SocketAddr,
    opcodes: Opcodes,
    packet: Vec<u8>,
    outcome: &'a str,
    forwarded: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Self {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let mut row = Self {
            title: columns[0],
            transports: &[],
            peer: CLIENT,
            opcodes: Opcodes::default(),
            packet: packet(columns[2]),
            outcome: columns[3],
            forwarded: columns.get(4).copied(),
        };
        let mut words = columns[1].split(' ');
        while let Some(word) = words.next() {
            match word {
                "udp" => row.transports = &[Transport::Udp],
                "tcp" => row.transports = &[Transport::Tcp, Transport::Tls],
                "both" => row.transports = &[Transport::Udp, Transport::Tcp, Transport::Tls],
                "from" => row.peer = words.next().unwrap().parse().unwrap(),
                "opcode" => {
                    row.opcodes = Opcodes::default().with(words.next().unwrap().parse().unwrap())
                }
                _ => panic!("{word} in {line}"),
            }
        }
        row
    }

    fn number(&self) -> u8 {
        let digits = self.title.split(|letter: char| !letter.is_ascii_digit()).next().unwrap();
        digits.parse().unwrap()
    }
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Row::read)
}

#[test]
fn the_packet_table_has_every_row_in_order() {
    let numbers: Vec<u8> = rows().map(|row| row.number()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    let found: BTreeSet<u8> = numbers.into_iter().collect();
    let expected = (1..=45).filter(|number| !ELSEWHERE.contains(number));
    assert_eq!(found, expected.collect());
}

#[test]
fn the_packet_table_holds_over_every_transport() {
    for row in rows() {
        for &transport in row.transports {
            check(&row, transport);
        }
    }
}

fn check(row: &Row<'_>, transport: Transport) {
    let place = format!("row {} over {transport:?}", row.title);
    let mut name = WireName::new();
    let verdict = accept(&row.packet, row.peer, transport, row.opcodes, &mut name);
    match (row.outcome, verdict) {
        ("pass", Ok(view)) => check_passed(row, &place, transport, view, &name),
        ("pass", Err(rejection)) => panic!("{place}: {rejection:?}"),
        (_, Ok(view)) => panic!("{place}: passed as {view:?}"),
        (outcome, Err(rejection)) => check_reply(&place, &row.packet, outcome, rejection),
    }
}

fn check_passed(row: &Row<'_>, place: &str, transport: Transport, view: View, name: &WireName) {
    assert_eq!(view.end + view.trailing, row.packet.len(), "{place}");
    let query = query_of(&row.packet, (view, *name), transport);
    assert_eq!(query.qname(), query.qname_as_sent().to_ascii_lowercase(), "{place}");
    assert_eq!(query.qname_as_sent(), &row.packet[12..12 + query.qname().len()], "{place}");
    if let Some(forwarded) = row.forwarded {
        let mut out = Vec::new();
        query.append_for_upstream(&mut out);
        assert_eq!(out, packet(forwarded), "{place}: forwarded");
    }
}

fn check_reply(place: &str, query: &[u8], outcome: &str, rejection: Rejection) {
    let mut reply = vec![1, 2, 3];
    rejection.write_reply(query, &mut reply);
    match (outcome.strip_prefix("drop "), rejection) {
        (Some(reason), Rejection::Drop(found)) => {
            assert_eq!(found.label(), reason, "{place}");
            assert!(reply.is_empty(), "{place}: a reply to a dropped message");
        }
        (None, _) => assert_eq!(reply, packet(outcome), "{place}: {rejection:?}"),
        (Some(_), _) => panic!("{place}: {rejection:?}"),
    }
    // RF-01: nobody is amplified.
    assert!(reply.len() <= query.len() + 11, "{place}: {} octets of reply", reply.len());
}

#[test]
fn row_12_counts_the_octets_it_strips() {
    for (text, trailing) in [("h0100/1 q", 0), ("h0100/1 q ff", 1), ("h0100/1.0.0.1 q o 00*99", 99)]
    {
        let (view, _) = accept_over(Transport::Udp, &packet(text)).unwrap();
        assert_eq!(view.trailing, trailing, "{text}");
    }
}

#[test]
fn row_26_small_udp_sizes_mean_512_and_streams_take_all() {
    let table = [
        ("h0100/1 q", 512),
        ("h0100/1.0.0.1 q o0", 512),
        ("h0100/1.0.0.1 q o511", 512),
        ("h0100/1.0.0.1 q o512", 512),
        ("h0100/1.0.0.1 q o1232", 1232),
        ("h0100/1.0.0.1 q o65535", 65_535),
    ];
    for (text, over_udp) in table {
        let bytes = packet(text);
        for (transport, expected) in [(Transport::Udp, over_udp), (Transport::Tcp, MAX_MESSAGE_LEN)]
        {
            let query = query_of(&bytes, accept_over(transport, &bytes).unwrap(), transport);
            assert_eq!(query.max_size(), expected, "{text} over {transport:?}");
        }
    }
}

#[test]
fn every_drop_reason_has_a_label_of_its_own() {
    let labels: BTreeSet<&str> = DropReason::ALL.into_iter().map(DropReason::label).collect();
    assert_eq!(labels.len(), DropReason::ALL.len());
}

/// IN-01: counts are compared with what is there, and a name is read up to its first pointer, so
/// that the 65,533 octets of these are never walked.
#[test]
fn bombs_are_refused_by_their_first_octets() {
    let table = [
        ("65535 records, each a pointer", "h0100/1.65535.65535.65535 q c00c*32750"),
        ("as many records as would fit", "h0100/1.0.0.5956 q c00c_0001_0001_00*4_0000*5458"),
        ("a name of pointers, each to the one before", "h0100/1 00_c00c_c00d_c00f*16380"),
        ("a name that does not end", "h0100/1 0161*32760"),
        ("questions only", "h0100/13104 00_0001_0001*13104"),
    ];
    for (title, text) in table {
        let verdict = accept_over(Transport::Tcp, &packet(text));
        let is_bounded = matches!(verdict, Err(Rejection::Header(FORMERR | NOTIMP)))
            || verdict.is_ok_and(|(view, _)| view.end < 64);
        assert!(is_bounded, "{title}");
    }
}

/// What the gate lets pass, and QNAME in lower case.
type Passed = (View, WireName);

fn accept_over(transport: Transport, bytes: &[u8]) -> Result<Passed, Rejection> {
    let mut name = WireName::new();
    let opcodes = Opcodes::default().with(NOTIFY);
    let view = accept(bytes, CLIENT, transport, opcodes, &mut name)?;
    Ok((view, name))
}

fn query_of(bytes: &[u8], (view, name): Passed, transport: Transport) -> Query {
    let source = Source { client: CLIENT, local: CLIENT, transport, received: Instant::now() };
    Query::new(Buffer::copy_of(bytes), view, &name, source)
}

/// What must be so for any octets, over any transport.
fn check_any(bytes: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp] {
        match accept_over(transport, bytes) {
            Ok(passed) => check_accepted(bytes, passed, transport),
            Err(rejection) => check_rejected(bytes, rejection),
        }
    }
}

fn check_accepted(bytes: &[u8], passed: Passed, transport: Transport) {
    assert_eq!(passed.0.end + passed.0.trailing, bytes.len());
    let query = query_of(bytes, passed, transport);
    let mut out = Vec::new();
    query.append_for_upstream(&mut out);
    assert!(out.len() <= bytes.len(), "what goes on is never more than what came");
    // What we send on passes another server's gate, with the same question.
    let again = accept_over(Transport::Tcp, &out).unwrap();
    assert_eq!(query_of(&out, again, Transport::Tcp).question(), query.question());
    assert_eq!(query.name().to_bytes().unwrap(), query.qname_as_sent());
    assert_eq!(query.reply().wire().unwrap().0[HEADER_LEN..], *query.question());
}

fn check_rejected(bytes: &[u8], rejection: Rejection) {
    let mut reply = Vec::new();
    rejection.write_reply(bytes, &mut reply);
    assert!(reply.len() <= bytes.len() + 11);
    if reply.is_empty() {
        return;
    }
    assert_eq!(reply[..2], bytes[..2], "the ID is the client's");
    let flags = Flags::of(&reply);
    assert!(flags.has(Flags::QR));
    assert!(!flags.has(Flags::AA | Flags::TC | Flags::RA | Flags::Z | Flags::AD));
    // A reply never calls for a reply.
    let verdict = accept_over(Transport::Tcp, &reply).map(|_| ());
    assert_eq!(verdict, Err(Rejection::Drop(DropReason::Response)));
}

/// A packet of the table with some of its octets changed, cut off or put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let packets: Vec<Vec<u8>> =
        rows().map(|row| row.packet).filter(|packet| packet.len() < 600).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..6);
    (prop::sample::select(packets), edits).prop_map(|(mut bytes, edits)| {
        for (at, octet, kind) in edits {
            let at = at.index(bytes.len() + 1);
            match (kind, bytes.get_mut(at)) {
                (0, _) => bytes.truncate(at),
                (1, _) => bytes.insert(at, octet),
                (2, Some(place)) => *place ^= 1 << (octet & 7),
                (_, Some(place)) => *place = octet,
                (_, None) => bytes.push(octet),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_octets_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        check_any(&bytes);
    }

    #[test]
    fn spoilt_packets_get_a_verdict(bytes in mutated()) {
        check_any(&bytes);
    }
}
