//! What a query shows of itself, keeps when it is copied, and takes along to an upstream.

use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::BinEncodable;

use super::*;
use crate::testing::query;
use crate::wire::{Flags, MAX_MESSAGE_LEN};

#[test]
fn names_come_in_the_clients_spelling_and_in_lower_case() {
    let query = query("wWw.eXample.ORG", RecordType::AAAA).class(3).build();
    assert_eq!(query.name().to_string(), "wWw.eXample.ORG.");
    assert_eq!(query.name().to_bytes().unwrap(), query.qname_as_sent());
    assert_eq!(query.qname_as_sent(), b"\x03wWw\x07eXample\x03ORG\x00");
    assert_eq!(query.qname(), b"\x03www\x07example\x03org\x00");
    assert_eq!(query.question(), b"\x03wWw\x07eXample\x03ORG\x00\x00\x1c\x00\x03");
    assert_eq!((query.qtype(), query.qtype_code()), (RecordType::AAAA, 28));
    assert_eq!((query.qclass(), query.qclass_code()), (DNSClass::CH, 3));
}

#[test]
fn a_duplicate_asks_the_same_with_metadata_of_its_own() {
    let site = Arc::new(Site { zone: "org.".into(), ..Site::default() });
    let mut first = query("A.org", RecordType::A).dnssec_ok().at(Arc::clone(&site)).build();
    first.attach_metadata(Metadata::default());
    first.metadata().unwrap().set("a/b", "1");
    first.set_flag(Flags::AD, true);
    for (copy, transport) in
        [(first.duplicate(), Transport::Udp), (first.duplicate_over_tcp(), Transport::Tcp)]
    {
        assert_eq!(copy.as_bytes(), first.as_bytes());
        assert_eq!((copy.id(), copy.flags()), (first.id(), first.flags()));
        assert_eq!((copy.question(), copy.qname()), (first.question(), first.qname()));
        assert_eq!((copy.client(), copy.transport()), (first.client(), transport));
        assert_eq!(copy.edns(), first.edns());
        assert!(Arc::ptr_eq(copy.site(), &site));
        assert_eq!(copy.metadata().unwrap().get("a/b"), None);
    }
    assert_eq!(first.duplicate_over_tcp().max_size(), MAX_MESSAGE_LEN);
    assert!(query("a", RecordType::A).build().duplicate().metadata().is_none());
}

#[test]
fn upstreams_get_the_flags_that_plugins_set() {
    let mut query = query("a", RecordType::A).id(9).build();
    query.set_flag(Flags::RD, false);
    query.set_flag(Flags::AD | Flags::CD | Flags::TC, true);
    let mut out = b"before".to_vec();
    query.append_for_upstream(&mut out);
    assert_eq!(out, b"before\0\0\0\x30\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
}

#[test]
fn a_capped_size_is_seen_by_all_who_look() {
    let table = [(700, 4096, 700), (700, 600, 600), (4096, 65_535, 4096), (1232, 100, 100)];
    for (cap, sent, seen) in table {
        let mut query = query("a", RecordType::A).edns(sent).option(9, b"xy").build();
        query.cap_udp_size(cap);
        let announced = seen.max(MIN_UDP_SIZE);
        assert_eq!((query.edns().unwrap().udp_size, query.our_udp_size()), (seen, announced));
        assert_eq!(query.max_size(), usize::from(announced));
        assert_eq!(query.message().unwrap().edns.as_ref().unwrap().max_payload(), seen.max(512));
        assert_eq!(query.edns_options().next(), Some((9, &b"xy"[..])));
        let mut out = Vec::new();
        query.duplicate().append_for_upstream(&mut out);
        assert_eq!(crate::wire::read_u16(&out, 12 + query.question().len() + 3), Some(announced));
    }
    let mut without = query("a", RecordType::A).build();
    without.cap_udp_size(600);
    assert_eq!((without.edns(), without.our_udp_size()), (None, OUR_UDP_SIZE));
}

#[test]
fn options_for_the_reply_are_those_of_one_query() {
    let mut query = query("a", RecordType::A).edns(4096).build();
    query.add_reply_option(3, b"ns1");
    query.add_reply_option(65_001, b"");
    assert_eq!(query.reply_options(), b"\x00\x03\x00\x03ns1\xfd\xe9\x00\x00");
    assert!(query.duplicate().reply_options().is_empty());
}

#[test]
fn options_are_read_in_order_and_the_message_in_full() {
    let query = query("a", RecordType::A).edns(4096).option(3, b"").option(65_001, b"x").build();
    let options: Vec<(u16, &[u8])> = query.edns_options().collect();
    assert_eq!(options, [(3, &b""[..]), (65_001, b"x")]);
    assert_eq!(query.message().unwrap().edns.as_ref().unwrap().max_payload(), 4096);
    assert_eq!(query.len(), query.as_bytes().len());
}
