//! Responses as bytes: nothing that arrives may panic, and what passes keeps its promises.

use dunlin_core::op::Message;
use dunlin_core::wire::Records;
use proptest::prelude::*;

use super::chain::{Defect, clean};
use super::*;
use crate::ask::{Ask, is_response};
use crate::tests::{QNAME, answer, ask, good, reply};

fn through(ask: &Ask, bytes: &[u8]) -> Option<Result<Response, Defect>> {
    if !is_response(0, ask.as_bytes(), ask.question_end(), bytes) {
        return None;
    }
    Some(clean(ask, read(Buffer::copy_of(bytes), ask.question_end())?))
}

#[test]
fn a_good_response_passes_unchanged() {
    let ask = ask("a.test");
    let bytes = good(&ask);
    assert_eq!(**through(&ask, &bytes).unwrap().unwrap().bytes, *bytes);
}

#[test]
fn an_answer_to_a_question_for_the_alias_itself_is_not_followed() {
    let mut query = Buffer::copy_of(ask("a.test").as_bytes());
    let at = query.len() - 4;
    wire::write_u16(&mut query, at, types::CNAME);
    let ask = Ask::new(&query).unwrap();
    let bytes = answer(reply(&ask), QNAME, types::CNAME, QNAME);
    assert!(through(&ask, &bytes).unwrap().is_ok(), "odd, but what was asked for");
}

#[test]
fn eleven_aliases_are_too_many() {
    let ask = ask("n0.test");
    let name = |number: usize| {
        format!("\x02n{}\x04test\0", char::from(b'0' + u8::try_from(number).unwrap()))
    };
    let chain = |length: usize| {
        (0..length).fold(reply(&ask), |bytes, step| {
            answer(bytes, name(step).as_bytes(), types::CNAME, name(step + 1).as_bytes())
        })
    };
    assert!(through(&ask, &chain(10)).unwrap().is_ok());
    assert_eq!(through(&ask, &chain(11)).unwrap().err(), Some(Defect::AliasLoop));
}

#[test]
fn a_truncated_response_reads_wherever_it_was_cut() {
    let ask = ask("a.test");
    let mut whole = good(&ask);
    Flags::of(&whole).with(Flags::TC, true).store(&mut whole);
    for length in ask.question_end()..=whole.len() {
        let response = read(Buffer::copy_of(&whole[..length]), ask.question_end()).unwrap();
        assert!(response.is_truncated(), "{length}");
        assert_eq!(response.has_answers(), length == whole.len(), "{length}");
    }
}

#[test]
fn stripping_keeps_the_other_sections() {
    let ask = ask("a.test");
    let mut bytes = answer(good(&ask), b"\x05other\0", types::A, &[192, 0, 2, 66]);
    wire::write_u16(&mut bytes, 8, 1);
    // An NS record whose owner points into the question.
    bytes.extend_from_slice(&[0xc0, 14, 0, 2, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12]);
    let response = through(&ask, &bytes).unwrap().unwrap();
    assert_eq!(response.summary.records, [1, 1, 0]);
    let message = Message::from_vec(&response.bytes).unwrap();
    assert_eq!(message.authorities[0].to_string(), "test. 60 IN NS a.test.");
}

proptest! {
    #[test]
    fn no_datagram_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        through(&ask("a.test"), &octets);
    }

    #[test]
    fn no_damage_to_a_response_panics_and_what_passes_is_of_the_question(
        damage in proptest::collection::vec((12usize..90, any::<u8>()), 0..6),
        aliases in 0usize..3,
    ) {
        let ask = ask("a.test");
        let mut bytes = good(&ask);
        for _ in 0..aliases {
            bytes = answer(bytes, QNAME, types::CNAME, b"\x01b\xc0\x0e");
        }
        for (at, octet) in damage {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = octet;
            }
        }
        if let Some(Ok(response)) = through(&ask, &bytes) {
            let walked = Records::new(&response.bytes).unwrap().count();
            let told: u16 = response.summary.records.iter().sum();
            prop_assert_eq!(walked, usize::from(told) + usize::from(response.summary.opt.is_some()));
            for record in Records::new(&response.bytes).unwrap() {
                prop_assert!(record.kind == types::OPT || record.ttl <= i32::MAX.unsigned_abs());
            }
        }
    }
}
