//! Walking messages: hickory-proto's encoder against our reader, and any octets at all.

use hickory_proto::op::Message;
use hickory_proto::serialize::binary::BinEncodable;
use proptest::collection::vec;
use proptest::prelude::*;

use super::generated::{name, response, uncompressed};
use super::*;
use crate::gate::packet::packet;

/// RFC 2181 §8.
fn ttl_of(sent: u32) -> u32 {
    if sent >= 1 << 31 { 0 } else { sent }
}

#[test]
fn a_summary_says_what_is_there() {
    let soa = "r6:c00c_c00c_00*16_0000012c";
    let signature = |inception: &str, expiration: &str| {
        format!("r46:0001_05_03_00*4_{expiration}_{inception}_0000_00_aa")
    };
    let both = format!(
        "h8180/1.2 q {} {}",
        signature("00000010", "00000030"),
        signature("00000020", "00000040")
    );
    let summary = |text: &str| Summary::of(&packet(text)).unwrap();
    assert_eq!(summary("h8180/1 q").end, 33);
    assert_eq!(summary("h8180/1 q ff").end, 33, "trailing octets are not the message");
    assert_eq!(summary("h8180/1.1.0.1 q r1:c0000201 o").records, [1, 0, 0]);
    assert_eq!(summary("h8180/1.1.0.1 q r1:c0000201 o").opt, Some(49..60));
    assert_eq!(summary("h8180/1.0.0.1 q o512/01008000").opt_ttl, 0x0100_8000);
    assert_eq!(summary(&format!("h8180/1.0.1 q {soa}")).soa, Some((0, 300)));
    assert_eq!(summary(&format!("h8180/1.1 q {soa}")).soa, None, "not an answer");
    assert!(summary("h8180/1.0.1 q r2:c00c").has_authority_ns);
    assert_eq!(summary(&both).signature_validity, Some((0x20, 0x30)));
    assert_eq!(summary("h8180/1 q").min_ttl, None);
}

#[test]
fn the_smallest_ttl_leaves_out_opt_and_reads_the_top_bit_as_zero() {
    let record = |ttl: &str| format!("c00c_0001_0001_{ttl}_0004_c0000201");
    for (ttls, expected) in [
        (["0000003c", "0000001e"], 30),
        (["0000003c", "7fffffff"], 60),
        (["0000003c", "80000000"], 0),
        (["ffffffff", "0000003c"], 0),
    ] {
        let [one, other] = ttls.map(record);
        let bytes = packet(&format!("h8180/1.1.1.1 q {one} {other} o1232/00000000"));
        assert_eq!(Summary::of(&bytes).unwrap().min_ttl, Some(expected), "{ttls:?}");
    }
}

/// RFC 3597 §4: names in these may be compressed by some.
#[test]
fn names_in_rdata_count_at_full_length() {
    let name = 17;
    for (record, expected) in [
        ("r2:c00c", name),
        ("r3:c00c", name),
        ("r39:c00c", name),
        ("r15:0001_c00c", 2 + name),
        ("r33:0001_0002_0003_c00c", 6 + name),
        ("r14:c00c_c00c", 2 * name),
        ("r6:c00c_c00c_00*20", 2 * name + 20),
        ("r65280:c00c", 2),
    ] {
        let bytes = packet(&format!("h8180/1.1 q {record}"));
        let summary = Summary::of(&bytes).unwrap();
        assert_eq!(summary.uncompressed_len, 33 + name + 10 + expected, "{record}");
    }
}

#[test]
fn malformed_responses_are_told() {
    for (what, text) in [
        ("nothing", "-"),
        ("half a header", "1234_8180"),
        ("a question is missing", "h8180/1"),
        ("a record is missing", "h8180/1.1 q"),
        ("RDLENGTH beyond the end", "h8180/1.1 q c00c_0001_0001_00*4_0005_c0000201"),
        ("an owner that points to itself", "h8180/1.1 q c021_0001_0001_00*4_0004_c0000201"),
        ("an owner that points forward", "h8180/1.1 q c030_0001_0001_00*4_0004_c0000201"),
        ("a question that points into the header", "h8180/1 c000_0001_0001"),
        ("a target beyond its RDATA", "h8180/1.2 q r2:03616161 r1:c0000201"),
        ("an SOA of one name", "h8180/1.1 q r6:c00c"),
        ("an SOA without its numbers", "h8180/1.0.2 q r6:c00c_c00c r1:c0000201"),
        ("an SOA with more numbers", "h8180/1.0.1 q r6:c00c_c00c_00*21"),
        ("an A of five octets", "h8180/1.1 q r1:c000020100"),
        ("an A of three octets", "h8180/1.1 q r1:c00002"),
        ("an AAAA of four octets", "h8180/1.1 q r28:c0000201"),
        ("octets behind a target", "h8180/1.1 q r5:c00c_00"),
        ("an RRSIG without times", "h8180/1.2 q r46:00*8 r1:c0000201"),
        ("two OPT", "h8180/1.0.0.2 q o o"),
        ("OPT as the answer", "h8180/1.1 q o"),
        ("OPT in the authority section", "h8180/1.0.1 q o"),
        ("OPT below a name", "h8180/1.0.0.1 q r41:"),
    ] {
        let bytes = packet(text);
        assert_eq!(Summary::of(&bytes), Err(MalformedMessage), "{what}");
        assert!(
            Message::from_vec(&bytes).is_err() || what == "an RRSIG without times",
            "{what}: hickory accepts it"
        );
    }
}

#[test]
fn an_a_record_of_another_class_is_not_an_address() {
    let bytes = packet("h8180/1.1 q:1/3 c00c_0001_0003_00*4_0004_c00c_0001");
    assert!(Summary::of(&bytes).is_ok());
}

/// A TTL is another one after each second in the cache; names have to stay what they are.
#[test]
fn no_name_leads_through_numbers() {
    let record = "c00c_0010_0001_00*4_0004_03616263";
    for (what, pointer) in
        [("QTYPE", "c01d"), ("TYPE", "c023"), ("TTL", "c027"), ("RDLENGTH", "c02b")]
    {
        let bytes = packet(&format!("h8180/1.2 q {record} {pointer}_0001_0001_00*4_0004_c0000201"));
        assert_eq!(Summary::of(&bytes), Err(MalformedMessage), "{what}");
    }
    let label_over_ttl = packet(
        "h8180/1.3 q r16:0d c00c_0010_0001_00*4_0002_0000 c02d_0001_0001_00*4_0004_c0000201",
    );
    assert_eq!(Summary::of(&label_over_ttl), Err(MalformedMessage));
    // RDATA that we do not read may hold names for others to point to.
    let naptr = "r35:0001_0001_00_00_00_0161_c00c";
    let bytes = packet(&format!("h8180/1.2 q {naptr} c034_0001_0001_00*4_0004_c0000201"));
    assert!(Summary::of(&bytes).is_ok());
}

/// Each record's owner leads through all records before it, and the message is as long as can be.
#[test]
fn a_message_of_pointers_to_pointers_is_refused_before_long() {
    let mut text = "h8180/1.4095 q c00c_ff00_0001_00*4_0002_c00c".to_owned();
    for index in 1..1000 {
        // The RDATA of each is a pointer to the RDATA of the one before: a chain of a thousand.
        let before = 33 + 14 * index - 2;
        text += &format!(" {:04x}_ff00_0001_00*4_0002_{0:04x}", 0xc000 | before);
    }
    assert_eq!(Summary::of(&packet(&text)), Err(MalformedMessage));
}

proptest! {
    #[test]
    fn what_hickory_writes_is_understood(message in response()) {
        let bytes = message.to_vec().unwrap();
        let summary = Summary::of(&bytes).unwrap();
        let sections = [&message.answers, &message.authorities, &message.additionals];
        prop_assert_eq!(summary.records.map(usize::from), sections.map(Vec::len));
        prop_assert_eq!(summary.end, bytes.len());
        prop_assert_eq!(summary.opt.is_some(), message.edns.is_some());
        let ttls = sections.into_iter().flatten().map(|record| ttl_of(record.ttl));
        prop_assert_eq!(summary.min_ttl, ttls.min());
        prop_assert_eq!(summary.uncompressed_len, uncompressed(&message).len());
    }

    #[test]
    fn compression_changes_nothing_but_offsets(message in response()) {
        let [one, other] = [message.to_vec().unwrap(), uncompressed(&message)]
            .map(|bytes| Summary::of(&bytes).unwrap());
        prop_assert_eq!(other.end, other.uncompressed_len);
        let place = Summary { question_end: 0, end: 0, opt: None, ..one };
        prop_assert_eq!(place, Summary { question_end: 0, end: 0, opt: None, ..other });
    }

    #[test]
    fn names_expand_to_lower_case_and_print_on_one_line(name in name()) {
        let wire = name.to_bytes().unwrap();
        let message = [&[0; HEADER_LEN][..], &wire].concat();
        let mut expanded = WireName::new();
        prop_assert_eq!(expand(&message, HEADER_LEN, &mut expanded), Some(message.len()));
        prop_assert_eq!(skip(&message, HEADER_LEN), Some(message.len()));
        prop_assert_eq!(expanded.as_bytes(), wire.to_ascii_lowercase());
        prop_assert!(same_name(expanded.as_bytes(), &wire));
        let text = Presentation(&wire).to_string();
        prop_assert!(text.bytes().all(|octet| (0x21..=0x7e).contains(&octet)), "{}", text);
    }

    #[test]
    fn any_octets_can_be_walked(bytes in vec(any::<u8>(), 0..300), at in 0..400_usize) {
        walk(&bytes, at);
    }

    #[test]
    fn spoilt_responses_can_be_walked(
        message in response(),
        is_compressed in any::<bool>(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        at in 0..400_usize,
    ) {
        let mut bytes =
            if is_compressed { message.to_vec().unwrap() } else { uncompressed(&message) };
        for (place, octet) in edits {
            let place = place.index(bytes.len());
            bytes[place] = octet;
        }
        walk(&bytes, at);
        bytes.truncate(cut.index(bytes.len()));
        walk(&bytes, at);
    }
}

/// Nothing panics, and what is told lies inside.
fn walk(bytes: &[u8], at: usize) {
    let mut name = WireName::new();
    for end in [skip(bytes, at), expand(bytes, at, &mut name)].into_iter().flatten() {
        assert!(end > at && end <= bytes.len());
    }
    let _text = Presentation(bytes).to_string();
    if let Some(mut records) = Records::new(bytes) {
        for record in records.by_ref() {
            assert!(record.rdata.end <= bytes.len() && record.start < record.ttl_at);
        }
        assert!(records.offset() <= bytes.len());
    }
    let summary = Summary::of(bytes);
    if is_understood_by_hickory(bytes) {
        assert!(summary.is_ok(), "hickory understands {bytes:x?}");
    }
    if let Ok(summary) = summary {
        assert!(summary.question_end <= summary.end && summary.end <= bytes.len());
        assert!(summary.opt.is_none_or(|opt| opt.end <= summary.end));
    }
}

/// Types whose RDATA hickory-proto leaves alone and we read do not count, nor do pointers: those
/// into header and TTL, which it follows, are refused here.
fn is_understood_by_hickory(bytes: &[u8]) -> bool {
    let Ok(message) = Message::from_vec(bytes) else { return false };
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let read_by_us_alone = [3, 4, 7, 8, 9, 14, 17, 18, 21, types::DNAME, types::RRSIG];
    let is_shared = |kind: u16| !read_by_us_alone.contains(&kind);
    let is_pointer = |octet: &u8| *octet >= 0xc0;
    sections.into_iter().flatten().all(|record| is_shared(record.record_type().into()))
        && !bytes.iter().skip(HEADER_LEN).any(is_pointer)
}
