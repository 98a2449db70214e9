//! The way back for most replies, without decoding them: another name was asked for, and all records
//! are addresses or texts of that name.

use dunlin_core::buffer::Buffer;
use dunlin_core::change::Change;
use dunlin_core::wire::{HEADER_LEN, Records, types};
use dunlin_core::{Query, Reply};

use super::response::Collected;
use super::rules::Fired;

/// Gives the reply the client's question, if that is all there is to do, and says whether it was.
pub(super) fn revert(query: &Query, fired: &Fired<'_>, reply: &mut Reply) -> bool {
    let Some(change) = &fired.change else { return false };
    // Owners come back in lower case: they can point to a question that is spelled so.
    let is_lower = query.qname() == query.qname_as_sent();
    let is_one_name = matches!(fired.responses.as_slice(), [Collected::Remap { .. }])
        && change.qtype == query.qtype_code()
        && change.qclass == query.qclass_code();
    if !is_lower || !is_one_name {
        return false;
    }
    let bytes = reply.wire().ok().and_then(|(bytes, _)| with_question(query, change, bytes));
    bytes.is_some_and(|bytes| reply.replace_wire(bytes).is_ok())
}

fn with_question(query: &Query, change: &Change, bytes: &[u8]) -> Option<Buffer> {
    let records = Records::new(bytes)?;
    let question = bytes.get(HEADER_LEN..records.offset())?;
    let (name, rest) = question.split_at_checked(change.name.len())?;
    if rest.len() != 4 || !name.eq_ignore_ascii_case(&change.name) {
        return None;
    }
    let mut new = Buffer::new();
    new.extend_from_slice(bytes.get(..HEADER_LEN)?);
    new.extend_from_slice(query.question());
    for record in records {
        let raw = bytes.get(record.start..record.rdata.end)?;
        let is_plain = match record.kind {
            types::A | types::AAAA | TXT => raw.starts_with(&QUESTION),
            types::OPT => true,
            _ => false,
        };
        if !is_plain {
            return None;
        }
        new.extend_from_slice(raw);
    }
    Some(new)
}

/// As numbered by IANA.
const TXT: u16 = 16;

/// A pointer to the question (RFC 1035 §4.1.4).
const QUESTION: [u8; 2] = [0xc0, 12];

#[cfg(test)]
mod tests {
    use dunlin_core::rr::RecordType;
    use dunlin_core::rr::rdata::name::CNAME;
    use dunlin_core::rr::rdata::{A, TXT as Text};
    use dunlin_core::rr::{Name, RData};
    use dunlin_core::testing::query;

    use super::*;

    fn remap(query: &Query, to: &[u8]) -> Fired<'static> {
        let mut change = query.change();
        change.name = to.to_vec();
        let remap = Collected::Remap { from: "b.longer.test.".into(), to: "a.test.".into() };
        Fired { change: Some(change), responses: vec![remap] }
    }

    const NEW: &[u8] = b"\x01b\x06longer\x04test\x00";

    /// The reply of an upstream to the other name.
    fn reply(records: &[RData]) -> Reply {
        let asked = query("b.longer.test.", RecordType::A).build();
        let name = || Name::from_ascii("b.longer.test.").unwrap();
        let answer = |reply: Reply, data: &RData| reply.answer(name(), 30, data.clone());
        let mut reply = records.iter().fold(asked.reply(), answer);
        Reply::from_wire(reply.take_wire().unwrap()).unwrap()
    }

    #[test]
    fn addresses_and_texts_come_back_under_the_clients_name() {
        let asked = query("a.test.", RecordType::A).build();
        let data = [RData::A(A::new(192, 0, 2, 1)), RData::TXT(Text::new(vec!["x".into()]))];
        let mut reply = reply(&data);
        assert!(revert(&asked, &remap(&asked, NEW), &mut reply));
        let shown: Vec<String> = reply.answers().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a.test. 30 IN A 192.0.2.1", "a.test. 30 IN TXT x"]);
        assert_eq!(reply.message().unwrap().queries[0].name().to_string(), "a.test.");
    }

    #[test]
    fn what_may_hold_names_or_is_spelled_otherwise_is_left_to_the_long_way() {
        let address = [RData::A(A::new(192, 0, 2, 1))];
        let alias = [RData::CNAME(CNAME(Name::from_ascii("b.longer.test.").unwrap()))];
        let table = [
            ("a.test.", RecordType::A, NEW, &alias[..]),
            ("A.test.", RecordType::A, NEW, &address[..]),
            ("a.test.", RecordType::A, &b"\x01c\x00"[..], &address[..]),
        ];
        for (name, kind, new, records) in table {
            let asked = query(name, kind).build();
            let mut reply = reply(records);
            let before = reply.wire().unwrap().0.to_vec();
            assert!(!revert(&asked, &remap(&asked, new), &mut reply), "{name}");
            assert_eq!(reply.wire().unwrap().0, before, "{name}");
        }
        let asked = query("a.test.", RecordType::A).build();
        let mut fired = remap(&asked, NEW);
        fired.responses.clear();
        assert!(!revert(&asked, &fired, &mut reply(&address)));
    }
}
