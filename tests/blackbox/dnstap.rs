//! `dnstap` from the real binary: what a collector reads from a unix socket and over TCP, and what is in
//! a file.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use dunlin_testkit::client::ask;
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Upstream};
use hickory_proto::rr::RecordType;

use crate::kit::with_corefile;

const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

/// A control frame of Frame Streams.
fn control(kind: u32) -> Vec<u8> {
    let has_field = kind == ACCEPT;
    let mut frame = kind.to_be_bytes().to_vec();
    if has_field {
        frame.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 22]);
        frame.extend_from_slice(CONTENT_TYPE);
    }
    let length = u32::try_from(frame.len()).unwrap();
    [&[0; 4], &length.to_be_bytes()[..], &frame].concat()
}

const ACCEPT: u32 = 1;
const START: u32 = 2;
const STOP: u32 = 3;
const READY: u32 = 4;
const FINISH: u32 = 5;

fn number(stream: &mut impl Read) -> u32 {
    let mut octets = [0; 4];
    stream.read_exact(&mut octets).unwrap();
    u32::from_be_bytes(octets)
}

fn octets(stream: &mut impl Read) -> Vec<u8> {
    let mut octets = vec![0; number(stream) as usize];
    stream.read_exact(&mut octets).unwrap();
    octets
}

/// A frame: the number of a control frame, or data.
fn frame(stream: &mut impl Read) -> Result<Vec<u8>, u32> {
    let length = number(stream);
    if length > 0 {
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data).unwrap();
        return Ok(data);
    }
    let control = octets(stream);
    assert!(
        [READY, START].map(u32::to_be_bytes).iter().all(|kind| !control.starts_with(kind))
            || control.ends_with(CONTENT_TYPE)
    );
    Err(u32::from_be_bytes(control[..4].try_into().unwrap()))
}

/// The fields of a protocol buffer that have a length, and those that are numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|octet| octet & 0x80 == 0).unwrap();
        let (number, rest) = bytes.split_at(end + 1);
        *bytes = rest;
        number.iter().rev().fold(0, |sum, octet| sum << 7 | u64::from(octet & 0x7f))
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let (number, data): (u64, &[u8]) = match tag & 7 {
            0 => (varint(&mut bytes), &[]),
            5 => (0, bytes.split_off(..4).unwrap()),
            2 => {
                let length = varint(&mut bytes);
                (length, bytes.split_off(..usize::try_from(length).unwrap()).unwrap())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, number, data));
    }
    fields
}

/// Type of the message, socket protocol, and its query or response.
fn decoded(record: &[u8]) -> (u64, u64, Vec<u8>) {
    let outer = fields(record);
    let message = outer.iter().find(|field| field.0 == 14).unwrap().2;
    let inner = fields(message);
    let number = |wanted| inner.iter().find(|field| field.0 == wanted).map_or(0, |field| field.1);
    let message = inner.iter().find(|field| [10, 14].contains(&field.0)).unwrap().2;
    (number(1), number(3), message.to_vec())
}

/// Shakes hands, reads four records for each of two queries, and the end of the stream.
fn collect(mut stream: impl Read + Write, server: &Server) {
    assert_eq!(frame(&mut stream), Err(READY));
    stream.write_all(&control(ACCEPT)).unwrap();
    assert_eq!(frame(&mut stream), Err(START));
    let mut sent = Vec::new();
    for tcp in [false, true] {
        let asked = ask(server.address(), "Example.ORG.", RecordType::A);
        let response = if tcp { asked.tcp().send() } else { asked.send() };
        sent.push(response.bytes);
    }
    let records: Vec<_> = (0..8).map(|_| decoded(&frame(&mut stream).unwrap())).collect();
    for (number, (records, sent)) in records.chunks(4).zip(&sent).enumerate() {
        let protocol = number as u64 + 1;
        let kinds: Vec<_> = records.iter().map(|(kind, protocol, _)| (*kind, *protocol)).collect();
        assert_eq!(kinds, [5, 7, 8, 6].map(|kind| (kind, protocol)));
        assert_eq!(&records[3].2, sent, "what the client got");
    }
    server.signal("TERM");
    assert_eq!(frame(&mut stream), Err(STOP));
    stream.write_all(&control(FINISH)).unwrap();
    assert_eq!(server.wait_exit().code(), Some(0));
}

fn server(collector: &str, upstream: &Upstream) -> Server {
    let text = format!(
        ".:{{{{port}}}} {{\n  bind 127.0.0.1\n  dnstap {collector} full\n  forward . {}\n}}\n",
        upstream.address()
    );
    with_corefile(&text).start()
}

fn upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("example.org. 30 IN A 192.0.2.1"));
    upstream
}

#[test]
fn a_collector_behind_a_unix_socket_reads_all_records() {
    let (upstream, folder) = (upstream(), tempfile::tempdir().unwrap());
    let path = folder.path().join("tap.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = server(&format!("unix://{}", path.display()), &upstream);
    collect(listener.accept().unwrap().0, &server);
}

#[test]
fn a_collector_behind_tcp_reads_all_records() {
    let upstream = upstream();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = server(&format!("tcp://{}", listener.local_addr().unwrap()), &upstream);
    collect(listener.accept().unwrap().0, &server);
}

#[test]
fn a_file_holds_all_records_and_is_ended() {
    let (upstream, folder) = (upstream(), tempfile::tempdir().unwrap());
    let path = folder.path().join("tap");
    let server = server(&format!("file {}", path.display()), &upstream);
    for _ in 0..3 {
        ask(server.address(), "Example.ORG.", RecordType::A).send();
    }
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    let content = std::fs::read(path).unwrap();
    let mut content = &*content;
    assert_eq!(frame(&mut content), Err(START));
    let records: Vec<_> = (0..12).map(|_| decoded(&frame(&mut content).unwrap()).0).collect();
    assert_eq!(records, [5, 7, 8, 6].repeat(3));
    assert_eq!((frame(&mut content), content), (Err(STOP), &[][..]));
}
