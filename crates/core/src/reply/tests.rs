//! Replies as bytes and as records, and replies that were put by.

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::{A, TXT};
use hickory_proto::rr::{RData, RecordType};
use proptest::prelude::*;

use super::*;
use crate::gate::packet::packet;
use crate::testing::query;
use crate::wire::generated::{response, uncompressed};

fn reply(text: &str) -> Reply {
    Reply::from_wire(packet(text).into()).unwrap()
}

/// What a reply knows of itself is what a walk over its bytes tells.
#[track_caller]
fn check_summary(reply: &mut Reply) -> Vec<u8> {
    let (bytes, summary) = reply.wire().unwrap();
    assert_eq!(summary, &Summary::of(bytes).unwrap());
    bytes.to_vec()
}

#[test]
fn trailing_octets_are_stripped() {
    assert_eq!(check_summary(&mut reply("h8180/1 q ff*9")), packet("h8180/1 q"));
}

#[test]
fn flags_are_the_same_in_both_forms() {
    for mask in [Flags::AA, Flags::TC, Flags::RD, Flags::RA, Flags::AD, Flags::CD] {
        for (start, on) in [("h8000/1 q", true), ("h87b0/1 q", false)] {
            let mut bytes = reply(start);
            let mut message = reply(start);
            let _decoded = message.message_mut().unwrap();
            for reply in [&mut bytes, &mut message] {
                reply.set_flag(mask, on);
                assert_eq!(reply.flags().has(mask), on, "{mask:#x}");
            }
            assert_eq!(bytes.flags(), message.flags(), "{mask:#x}");
            let sent = message.flags();
            assert_eq!(Flags::of(&check_summary(&mut message)), sent, "{mask:#x}");
        }
    }
}

#[test]
fn a_reply_to_a_query_has_its_id_question_rd_and_cd() {
    let all = Flags::RD | Flags::CD | Flags::AD | Flags::RA | Flags::AA | Flags::TC | Flags::Z;
    let table =
        [(0, 0), (Flags::RD, Flags::RD), (Flags::CD, Flags::CD), (all, Flags::RD | Flags::CD)];
    for (asked, answered) in table {
        let query =
            query("wWw.Example.org", RecordType::TXT).flag(all, false).flag(asked, true).build();
        let bytes = check_summary(&mut query.reply());
        assert_eq!(bytes[..2], query.as_bytes()[..2]);
        assert_eq!(Flags::of(&bytes), Flags(Flags::QR | answered), "{asked:#x}");
        assert_eq!(bytes[12..], *query.question());
    }
}

#[test]
fn rcodes_can_be_replaced_in_both_forms() {
    for text in ["h8183/1 q", "h8183/1.0.0.1 q o", "h8180/1.0.0.1 q o1232/01008000"] {
        for rcode in [ResponseCode::ServFail, ResponseCode::NoError, ResponseCode::Refused] {
            let mut changed = reply(text).with_rcode(rcode);
            assert_eq!(changed.rcode(), rcode, "{text}");
            check_summary(&mut changed);
            let mut message = reply(text);
            let _decoded = message.message_mut().unwrap();
            assert_eq!(message.with_rcode(rcode).rcode(), rcode, "{text}");
        }
    }
    // 16 has two names, of which hickory-proto knows the other: BADVERS and BADSIG.
    assert_eq!(u16::from(reply("h8180/1.0.0.1 q o1232/01000000").rcode()), 16);
    let extended = reply("h8180/1.0.0.1 q o").with_rcode(ResponseCode::BADCOOKIE);
    assert_eq!(extended.rcode(), ResponseCode::BADCOOKIE);
}

#[test]
fn silence_is_nothing_at_all() {
    let mut silence = Reply::silence().with_rcode(ResponseCode::Refused).authoritative();
    assert!(silence.is_silence());
    assert_eq!(silence.flags(), Flags::default());
    assert!(silence.wire().is_err() && silence.message_mut().is_err());
    assert!(silence.message().is_none() && silence.answers().is_empty());
    assert!(silence.take_wire().is_err());
}

#[test]
fn only_the_answers_are_kept_in_both_forms() {
    let answer = "c00c_0001_0001_00*4_0004_c0000201";
    for (text, answers) in [
        (format!("h8180/1.1.1.2 q {answer} {answer} {answer} o"), 1),
        (format!("h8180/1.0.1.1 q {answer} o"), 0),
        (format!("h8180/1.2 q {answer} {answer}"), 2),
        ("h8180/1 q".to_owned(), 0),
    ] {
        let mut bytes = reply(&text);
        let mut message = reply(&text);
        let _decoded = message.message_mut().unwrap();
        for reply in [&mut bytes, &mut message] {
            reply.keep_answers().unwrap();
            check_summary(reply);
            assert_eq!(reply.answers().len(), answers, "{text}");
            assert!(reply.authorities().is_empty() && reply.additionals().is_empty(), "{text}");
            assert!(reply.message_mut().unwrap().edns.is_none(), "{text}");
        }
    }
    assert!(Reply::silence().keep_answers().is_err());
}

#[test]
fn an_opt_before_other_records_is_removed_and_their_names_stay() {
    // The owner of the last record points to that of the one before it, which will move.
    let text = "q 0161_c00c_0001_0001_00*4_0004_c0000201 c02c_0001_0001_00*4_0004_c0000202";
    let text = text.replacen("q ", "q o ", 1);
    let mut reply = reply(&format!("h8180/1.0.0.3 {text}"));
    let before: Vec<String> = reply.additionals().iter().map(ToString::to_string).collect();
    assert_eq!(before.len(), 2);
    reply.remove_opt().unwrap();
    check_summary(&mut reply);
    let after: Vec<String> = reply.additionals().iter().map(ToString::to_string).collect();
    assert_eq!(after, before);
    assert!(after.iter().all(|record| record.starts_with("a.wWw.eXample.org. ")), "{after:?}");
    assert!(reply.message().unwrap().edns.is_none());
}

#[test]
fn an_opt_that_cannot_be_removed_leaves_the_reply_as_it_was() {
    let text = "h8180/1.0.0.2 q o r16:05aa";
    let mut broken = reply(text);
    assert!(broken.remove_opt().is_err());
    assert_eq!(check_summary(&mut broken), packet(text));
}

#[test]
fn ttls_of_all_records_but_opt_are_replaced() {
    let soa = "c00c_0006_0001_00000e10_0018_c00c_c00c_00*16_0000012c";
    let mut reply = reply(&format!(
        "h8180/1.1.1.1 q c00c_0001_0001_80000001_0004_c0000201 {soa} o1232/00008000"
    ));
    for (ttl, least) in [(7, 7), (0, 0), (u32::MAX, 0)] {
        reply.set_all_ttls(ttl).unwrap();
        check_summary(&mut reply);
        assert_eq!(reply.wire().unwrap().1.min_ttl, Some(least));
        assert_eq!(reply.wire().unwrap().1.soa, Some((least, 300)));
        assert_eq!(reply.wire().unwrap().1.opt_ttl, 0x8000);
    }
}

proptest! {
    #[test]
    fn records_survive_the_wire(message in response()) {
        let bytes = message.to_vec().unwrap();
        let mut reply = Reply::from_wire(bytes.clone().into()).unwrap();
        let _decoded = reply.message_mut().unwrap();
        prop_assert_eq!(check_summary(&mut reply), bytes);
        prop_assert_eq!(reply.answers(), message.answers);
    }

    #[test]
    fn without_its_opt_a_reply_is_what_it_was_before(message in response()) {
        let mut message = message;
        let mut reply = Reply::from_wire(message.to_vec().unwrap().into()).unwrap();
        reply.remove_opt().unwrap();
        message.edns = None;
        prop_assert_eq!(check_summary(&mut reply), message.to_vec().unwrap());
    }

    #[test]
    fn an_opt_may_stand_anywhere_in_its_section(message in response(), at in 0..4_usize) {
        let mut message = message;
        message.edns = None;
        let mut plain = message.clone();
        plain.additionals.clear();
        let mut bytes = plain.to_vec().unwrap();
        let mut records: Vec<Vec<u8>> =
            message.additionals.iter().map(uncompressed).collect();
        let opt = uncompressed(&Record::from(&Edns::new()));
        records.insert(at.min(records.len()), opt);
        bytes.extend(records.concat());
        write_u16(&mut bytes, 10, u16::try_from(records.len()).unwrap());
        let mut reply = Reply::from_wire(bytes.into()).unwrap();
        prop_assert!(reply.wire().unwrap().1.opt.is_some());
        reply.remove_opt().unwrap();
        check_summary(&mut reply);
        prop_assert_eq!(reply.message().unwrap().into_owned(), message);
    }

    #[test]
    fn a_reply_gets_other_ttls_and_loses_its_opt_and_nothing_else_changes(
        message in response(),
        ttl in any::<u32>(),
    ) {
        let mut message = message;
        let mut reply = Reply::from_wire(message.to_vec().unwrap().into()).unwrap();
        reply.remove_opt().unwrap();
        reply.set_all_ttls(ttl).unwrap();
        let bytes = check_summary(&mut reply);
        message.edns = None;
        let before = message.to_vec().unwrap();
        prop_assert_eq!(bytes.len(), before.len());
        let ttls: Vec<usize> =
            Records::new(&bytes).unwrap().flat_map(|record| record.ttl_at..record.ttl_at + 4).collect();
        for (at, (new, old)) in bytes.iter().zip(&before).enumerate() {
            prop_assert!(new == old || ttls.contains(&at), "octet {}", at);
        }
        for record in Records::new(&bytes).unwrap() {
            prop_assert_eq!(record.ttl, ttl);
        }
    }
}

#[test]
fn a_message_that_is_too_long_ends_with_a_whole_record() {
    let query = query("large.example.", RecordType::TXT).build();
    let mut reply = (0..700).fold(query.reply(), |reply, _| {
        reply.answer(query.name().clone(), 1, RData::TXT(TXT::new(vec!["x".repeat(101)])))
    });
    let (bytes, summary) = reply.wire().unwrap();
    assert_eq!(bytes.len(), summary.end);
    assert!(Flags::of(bytes).has(Flags::TC));
}

#[test]
fn ttls_are_kept_within_bounds_and_the_opt_has_none() {
    let asked = query("a", RecordType::A).edns(1232).build();
    let data = || RData::A(A::new(192, 0, 2, 1));
    let mut reply = asked.reply().answer(asked.name().clone(), 5, data());
    reply = reply.authority(asked.name().clone(), 50, data());
    reply = reply.additional(asked.name().clone(), 500, data());
    reply.message_mut().unwrap().edns.get_or_insert_default();
    reply.clamp_ttls(10, 100).unwrap();
    let (bytes, summary) = reply.wire().unwrap();
    assert_eq!(summary, &Summary::of(bytes).unwrap());
    assert_eq!((summary.min_ttl, summary.opt_ttl), (Some(10), 0));
    let ttls = [reply.answers(), reply.authorities(), reply.additionals()].map(|some| some[0].ttl);
    assert_eq!(ttls, [10, 50, 100]);
}
