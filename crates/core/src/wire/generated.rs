//! Messages made at random, for property tests: few labels, so that compression has work.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{
    A, AAAA, CNAME, HINFO, MX, NAPTR, NS, NULL, PTR, SOA, SRV, SVCB, TXT,
};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use proptest::collection::vec;
use proptest::prelude::*;

/// A name of up to five labels of any octets; many share their ends.
pub(crate) fn name() -> impl Strategy<Value = Name> {
    let common = prop::sample::select(vec![&b"a"[..], b"Example", b"org", b"x.y\\", b"\x00\xff "]);
    let label = prop_oneof![4 => common.prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 1..64)];
    vec(label, 0..4).prop_map(|labels| {
        let mut name = Name::from_labels(labels).unwrap();
        name.set_fqdn(true);
        name
    })
}

fn data() -> impl Strategy<Value = RData> {
    let text = || vec(any::<u8>(), 0..20);
    let pairs = (any::<u16>(), any::<u16>(), any::<u16>());
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| RData::A(A(octets.into()))),
        any::<[u8; 16]>().prop_map(|octets| RData::AAAA(AAAA(octets.into()))),
        name().prop_map(|name| RData::CNAME(CNAME(name))),
        name().prop_map(|name| RData::NS(NS(name))),
        name().prop_map(|name| RData::PTR(PTR(name))),
        (any::<u16>(), name()).prop_map(|(number, name)| RData::MX(MX::new(number, name))),
        (name(), name(), any::<u32>(), any::<u32>()).prop_map(|(one, other, serial, minimum)| {
            RData::SOA(SOA::new(one, other, serial, 1, 2, 3, minimum))
        }),
        (pairs, name()).prop_map(|((a, b, c), name)| RData::SRV(SRV::new(a, b, c, name))),
        (any::<u16>(), name(), text()).prop_map(|(number, name, text)| {
            let [flags, services, pattern] = [Box::default(), text.into(), Box::default()];
            RData::NAPTR(NAPTR::new(number, 1, flags, services, pattern, name))
        }),
        vec(text(), 1..4).prop_map(|texts| {
            RData::TXT(TXT::from_bytes(texts.iter().map(Vec::as_slice).collect()))
        }),
        ("[a-z]{0,9}", "[a-z]{0,9}").prop_map(|(cpu, os)| RData::HINFO(HINFO::new(cpu, os))),
        name().prop_map(|name| RData::SVCB(SVCB::new(1, name, Vec::new()))),
        vec(any::<u8>(), 1..40).prop_map(|octets| {
            RData::Unknown { code: RecordType::from(65_280), rdata: NULL::with(octets) }
        }),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    (name(), any::<u32>(), data())
        .prop_map(|(owner, ttl, data)| Record::from_rdata(owner, ttl, data))
}

/// Any response with one question.
pub(crate) fn response() -> impl Strategy<Value = Message> {
    let sections = (vec(record(), 0..5), vec(record(), 0..3), vec(record(), 0..3));
    let opt = prop::option::of((512..u16::MAX, any::<bool>()));
    let header = (any::<u16>(), any::<[bool; 6]>(), 0..16_u8);
    (name(), sections, opt, header).prop_map(|(name, sections, opt, (id, bits, rcode))| {
        let mut message = Message::new(id, MessageType::Response, OpCode::Query);
        let metadata = &mut message.metadata;
        [
            metadata.authoritative,
            metadata.truncation,
            metadata.recursion_desired,
            metadata.recursion_available,
            metadata.authentic_data,
            metadata.checking_disabled,
        ] = bits;
        metadata.response_code = ResponseCode::from(0, rcode);
        let mut question = Query::query(name, RecordType::A);
        question.set_query_class(DNSClass::IN);
        message.add_query(question);
        (message.answers, message.authorities, message.additionals) = sections;
        message.edns = opt.map(|(size, dnssec_ok)| {
            let mut edns = Edns::new();
            edns.set_max_payload(size).set_dnssec_ok(dnssec_ok);
            edns
        });
        message
    })
}

/// The octets of a message or record with every name spelled out.
pub(crate) fn uncompressed(value: &impl BinEncodable) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    value.emit(&mut encoder).unwrap();
    bytes
}
