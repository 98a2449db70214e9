//! The client against the fake upstream.

use std::io::ErrorKind;

use hickory_proto::op::OpCode;
use hickory_proto::rr::{DNSClass, RecordType};

use super::{Tcp, ask, query, tcp_exchange, udp_exchange};
use crate::ports;
use crate::upstream::{Action, Asked, Upstream};

/// An upstream that sends queries back as responses.
fn mirror() -> Upstream {
    let upstream = Upstream::start();
    upstream.always(|asked: &Asked| {
        let mut bytes = asked.bytes.clone();
        if let Some(flags) = bytes.get_mut(2) {
            *flags |= 0x80;
        }
        vec![Action::Raw(bytes)]
    });
    upstream
}

#[test]
fn a_query_has_what_was_asked_for() {
    let upstream = mirror();
    let plain = ask(upstream.address(), "Example.org", RecordType::MX).send().message;
    assert!(plain.metadata.recursion_desired && plain.edns.is_none());
    assert_eq!(plain.queries[0].to_string(), "Example.org. IN MX");
    let full = ask(upstream.address(), "a.", RecordType::A)
        .id(7)
        .class(DNSClass::CH)
        .checking_disabled()
        .authentic_data()
        .no_recursion()
        .edns(4096)
        .dnssec_ok()
        .option(65_001, &[1, 2])
        .edit(|message| message.metadata.op_code = OpCode::Notify)
        .send();
    let metadata = &full.message.metadata;
    assert_eq!((metadata.id, metadata.op_code), (7, OpCode::Notify));
    assert!(metadata.checking_disabled && metadata.authentic_data && !metadata.recursion_desired);
    let edns = full.message.edns.as_ref().unwrap();
    assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (4096, true));
    assert!(full.bytes.ends_with(&[0xfd, 0xe9, 0, 2, 1, 2]));
    assert_eq!(
        ask(upstream.address(), "a.", RecordType::A).dnssec_ok().send().message.max_payload(),
        1232
    );
}

#[test]
fn arbitrary_bytes_go_there_and_back() {
    let upstream = mirror();
    assert_eq!(udp_exchange(upstream.address(), b"ab\x01").unwrap(), b"ab\x81");
    assert_eq!(tcp_exchange(upstream.address(), b"").unwrap(), b"");
    assert_eq!(upstream.asked()[0].bytes, b"ab\x01");
}

#[test]
fn refusals_and_ends_are_told() {
    let closed = ports::closed();
    assert_eq!(udp_exchange(closed, b"x").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(tcp_exchange(closed, b"x").unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let upstream = Upstream::start();
    upstream.always(vec![Action::Unframed(b"rest".to_vec()), Action::Close]);
    let mut connection = Tcp::to(upstream.address());
    connection.send(&query("a.", RecordType::A).encode()).unwrap();
    assert_eq!(connection.wait_closed(), b"rest");
    assert_eq!(upstream.asked()[0].client, connection.local());
    upstream.always(Action::Raw(b"no".to_vec()));
    let undecodable = ask(upstream.address(), "a.", RecordType::A).try_send();
    assert_eq!(undecodable.unwrap_err().kind(), ErrorKind::InvalidData);
}
