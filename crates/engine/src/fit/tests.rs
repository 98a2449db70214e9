//! Replies as clients get them: OPT, size, truncation, header and question.

use dunlin_core::edns::EdnsOptions;
use dunlin_core::op::{Edns, Message};
use dunlin_core::rr::rdata::{A, TXT};
use dunlin_core::rr::{Name, RData, RecordType};
use dunlin_core::testing::{TestQuery, query};
use dunlin_core::wire::write_u16;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// 15 octets on the wire, as the name in core.md's rows 55 and 56.
const OWNER: &str = "large.example.";

fn owner() -> Name {
    Name::from_ascii(OWNER).unwrap()
}

fn with_addresses(query: &Query, count: u8) -> Reply {
    (0..count).fold(query.reply(), |reply, last| {
        reply.answer(owner(), 300, RData::A(A::new(192, 0, 2, last)))
    })
}

fn with_texts(query: &Query, count: usize) -> Reply {
    (0..count).fold(query.reply(), |reply, number| {
        let text = format!("{}{number}", "x".repeat(100));
        reply.answer(owner(), 300, RData::TXT(TXT::new(vec![text])))
    })
}

fn fitted(query: &TestQuery, reply: impl FnOnce(&Query) -> Reply) -> Vec<u8> {
    let query = query.build();
    let mut reply = reply(&query);
    fit(&query, &mut reply).unwrap().expect("a reply").to_vec()
}

/// UDP size, TTL field, options.
type Opt = (u16, u32, Vec<(u16, Vec<u8>)>);

fn opt_of(reply: &[u8]) -> Option<Opt> {
    let summary = Summary::of(reply).unwrap();
    let opt = summary.opt?;
    assert_eq!(opt.end, reply.len(), "the OPT comes last");
    let options = EdnsOptions(&reply[opt.start + OPT_LEN..opt.end]);
    let options = options.map(|(code, data)| (code, data.to_vec())).collect();
    Some((wire::read_u16(reply, opt.start + 3).unwrap(), summary.opt_ttl, options))
}

/// The bytes of a reply with this OPT as an upstream would send them.
fn with_opt(query: &Query, edit: impl FnOnce(&mut Edns)) -> Reply {
    let mut reply = with_addresses(query, 1);
    let mut edns = Edns::new();
    edit(&mut edns);
    reply.message_mut().unwrap().edns = Some(edns);
    Reply::from_wire(reply.take_wire().unwrap()).unwrap()
}

#[test]
fn the_opt_is_ours_and_only_for_clients_that_sent_one() {
    let plain = query(OWNER, RecordType::A);
    let table = [
        (plain.clone(), None),
        (plain.clone().edns(4096), Some((1232, 0, vec![]))),
        (plain.clone().edns(100), Some((1232, 0, vec![]))),
        (plain.clone().dnssec_ok(), Some((1232, 0x8000, vec![]))),
        (
            plain.clone().option(10, &[1; 8]).option(3, b"").option(12, &[0; 9]),
            Some((1232, 0, vec![])),
        ),
    ];
    for (query, expected) in table {
        assert_eq!(
            opt_of(&fitted(&query, |query| with_addresses(query, 1))),
            expected,
            "{query:?}"
        );
        let from_upstream = fitted(&query, |query| {
            with_opt(query, |edns| {
                edns.set_max_payload(4096).set_dnssec_ok(true);
                edns.options_mut()
                    .insert(dunlin_core::rr::rdata::opt::EdnsOption::Unknown(10, vec![7; 8]));
            })
        });
        assert_eq!(opt_of(&from_upstream), expected, "from an upstream: {query:?}");
    }
}

#[test]
fn extended_errors_pass_and_ours_comes_first() {
    let client = query(OWNER, RecordType::A).edns(1232);
    let upstream = |query: &Query| {
        with_opt(query, |edns| {
            let ede =
                dunlin_core::rr::rdata::opt::EdnsOption::Unknown(15, b"\x00\x16gone\nnow".to_vec());
            edns.options_mut().insert(ede);
        })
    };
    let ours = |query: &Query| {
        upstream(query).with_extended_error(ExtendedError::new(ExtendedError::STALE_ANSWER, "old"))
    };
    let theirs = (15, b"\x00\x16gone now".to_vec());
    let options = |reply: &[u8]| opt_of(reply).unwrap().2;
    assert_eq!(options(&fitted(&client, upstream)), std::slice::from_ref(&theirs));
    assert_eq!(options(&fitted(&client, ours)), [(15, b"\x00\x03old".to_vec()), theirs]);
    assert_eq!(opt_of(&fitted(&query(OWNER, RecordType::A), ours)), None);
}

#[test]
fn an_upstream_cannot_fill_a_reply_with_extended_errors() {
    let long = format!("{}.{}.{}.", "a".repeat(63), "b".repeat(63), "c".repeat(63));
    for size in [512, 1232] {
        let query = query(&long, RecordType::A).edns(size).build();
        let mut reply = with_addresses(&query, 1);
        reply.message_mut().unwrap().edns = Some(Edns::new());
        let summary = reply.wire().unwrap().1.clone();
        let mut bytes = reply.take_wire().unwrap();
        let error = [&[0, 15, 0, 66, 0, 23][..], &[b'x'; 64]].concat();
        let length = bytes.len() + error.len() * 40;
        let length_at = summary.opt.unwrap().end - 2;
        write_u16(&mut bytes, length_at, u16::try_from(error.len() * 40).unwrap());
        while bytes.len() < length {
            bytes.extend_from_slice(&error);
        }
        let reply = fit(&query, &mut Reply::from_wire(bytes).unwrap()).unwrap().unwrap();
        assert!(reply.len() <= usize::from(size), "{} octets for {size}", reply.len());
        let (_, _, options) = opt_of(&reply).unwrap();
        assert!((1..=3).contains(&options.len()), "{} errors", options.len());
    }
}

#[test]
fn the_upper_bits_of_an_rcode_go_into_the_opt() {
    let table = [(ResponseCode::BADCOOKIE, 7, 1), (ResponseCode::NXDomain, 3, 0)];
    for (rcode, low, high) in table {
        let client = query(OWNER, RecordType::A);
        let reply = fitted(&client.clone().dnssec_ok(), |query| query.error(rcode));
        assert_eq!(Flags::of(&reply).rcode(), low);
        assert_eq!(opt_of(&reply).unwrap().1, u32::from_be_bytes([high, 0, 0x80, 0]));
        assert_eq!(Flags::of(&fitted(&client, |query| query.error(rcode))).rcode(), low);
    }
}

/// core.md rows 55 to 57, with our own limit of 1,232 octets; we compress over TCP too.
#[test]
fn replies_fit_and_as_much_as_fits_is_kept() {
    let (none, tcp) = (query(OWNER, RecordType::A), query(OWNER, RecordType::A).tcp());
    let edns = |size| query(OWNER, RecordType::A).edns(size);
    type Case<'a> = (&'a str, TestQuery, fn(&Query) -> Reply, usize, u16, bool);
    let addresses: fn(&Query) -> Reply = |query| with_addresses(query, 59);
    let texts: fn(&Query) -> Reply = |query| with_texts(query, 20);
    let thirty: fn(&Query) -> Reply = |query| with_addresses(query, 30);
    let table: [Case<'_>; 12] = [
        ("55 none", none.clone(), addresses, 511, 30, true),
        ("55 512", edns(512), addresses, 506, 29, true),
        ("55 100", edns(100), addresses, 506, 29, true),
        ("55 1232", edns(1232), addresses, 986, 59, false),
        ("55 4096", edns(4096), addresses, 986, 59, false),
        ("55 tcp", tcp.clone(), addresses, 975, 59, false),
        ("56 4096", edns(4096), texts, 1182, 10, true),
        ("56 1232", edns(1232), texts, 1182, 10, true),
        ("56 none", none.clone(), texts, 487, 4, true),
        ("56 tcp", tcp.clone(), texts, 2321, 20, false),
        ("56 tcp edns", tcp.edns(512), texts, 2332, 20, false),
        ("57 none", none, thirty, 511, 30, false),
    ];
    for (row, client, reply, length, answers, truncated) in table {
        let bytes = fitted(&client, reply);
        let summary = Summary::of(&bytes).unwrap();
        assert_eq!((bytes.len(), summary.records), (length, [answers, 0, 0]), "{row}");
        assert_eq!(Flags::of(&bytes).has(Flags::TC), truncated, "{row}");
        let has_opt = client.build().edns().is_some();
        assert_eq!(opt_of(&bytes).is_some(), has_opt, "{row}");
        assert_eq!(wire::counts(&bytes), [1, answers, 0, u16::from(has_opt)], "{row}");
        let owners = Records::new(&bytes).unwrap().take(usize::from(answers));
        assert!(
            owners.into_iter().all(|record| bytes[record.start..].starts_with(&[0xc0, 12])),
            "{row}"
        );
    }
}

#[test]
fn truncation_ends_in_a_later_section_too() {
    let client = query(OWNER, RecordType::A).edns(512);
    let bytes = fitted(&client, |query| {
        let reply = with_addresses(query, 10).authority(owner(), 1, RData::A(A::new(1, 1, 1, 1)));
        (0..30).fold(reply, |reply, last| {
            reply.additional(owner(), 1, RData::A(A::new(9, 9, 9, last)))
        })
    });
    let message = Message::from_vec(&bytes).unwrap();
    assert!(message.metadata.truncation);
    assert_eq!((message.answers.len(), message.authorities.len()), (10, 1));
    assert_eq!(message.additionals.len(), 18);
    assert_eq!(message.additionals[17].data, RData::A(A::new(9, 9, 9, 17)));
    assert_eq!(message.edns.unwrap().max_payload(), 1232);
}

/// The reply of an upstream that does not compress: 59 records in 1,742 octets.
fn uncompressed(query: &Query) -> Reply {
    let mut bytes = Buffer::new();
    bytes.extend_from_slice(&[0, 0, 0x81, 0x80, 0, 1, 0, 59, 0, 0, 0, 0]);
    bytes.extend_from_slice(query.question());
    for last in 0..59 {
        bytes.extend_from_slice(query.qname());
        bytes.extend_from_slice(&[0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, last]);
    }
    assert_eq!(bytes.len(), 1742);
    Reply::from_wire(bytes).unwrap()
}

#[test]
fn what_is_too_long_is_compressed_before_it_is_truncated() {
    let client = query(OWNER, RecordType::A);
    for (client, length, answers) in
        [(client.clone().edns(1232), 986, 59), (client.clone(), 511, 30), (client.tcp(), 1742, 59)]
    {
        let bytes = fitted(&client, uncompressed);
        assert_eq!((bytes.len(), Summary::of(&bytes).unwrap().records[0]), (length, answers));
    }
}

#[test]
fn records_that_do_not_decode_are_truncated_as_they_are() {
    let bytes = fitted(&query(OWNER, RecordType::A), |query| {
        let mut reply = uncompressed(query);
        let summary = reply.wire().unwrap().1.clone();
        let mut bytes = reply.take_wire().unwrap();
        // A TXT whose string is longer than its RDATA.
        bytes[summary.question_end + 16] = 16;
        bytes[summary.question_end + 25] = 200;
        Reply::from_wire(bytes).unwrap()
    });
    let summary = Summary::of(&bytes).unwrap();
    assert_eq!((bytes.len(), summary.records), (495, [16, 0, 0]));
    assert!(Flags::of(&bytes).has(Flags::TC));
}

#[test]
fn the_client_gets_its_question_back_letter_by_letter() {
    let client = query("lArGe.eXample", RecordType::A);
    let reply = fitted(&client, |_| {
        // As a cache has it, that another client's spelling has filled.
        with_addresses(&query(OWNER, RecordType::A).build(), 2)
    });
    let message = Message::from_vec(&reply).unwrap();
    assert_eq!(message.queries[0].name().to_string(), "lArGe.eXample.");
    // The owner points at the question.
    assert_eq!(message.answers[1].name.to_string(), "lArGe.eXample.");
}

#[test]
fn a_reply_to_another_question_gets_the_clients() {
    let none = |query: &Query| {
        let mut reply = with_addresses(query, 1);
        reply.message_mut().unwrap().queries.clear();
        reply
    };
    let of_same_length =
        |_: &Query| with_addresses(&query("larg.eexample.", RecordType::A).build(), 1);
    let longer = |_: &Query| with_addresses(&query("www.large.example.", RecordType::A).build(), 1);
    let two = |query: &Query| {
        let mut reply = with_addresses(query, 1);
        let message = reply.message_mut().unwrap();
        message.queries.push(message.queries[0].clone());
        reply
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&Query) -> Reply);
    let table: [Case<'_>; 4] = [
        ("none", &none),
        ("of the same length", &of_same_length),
        ("longer", &longer),
        ("two", &two),
    ];
    for (case, reply) in table {
        for as_wire in [false, true] {
            let bytes = fitted(&query("Large.example.", RecordType::A), |query| {
                let mut reply = reply(query);
                if as_wire { Reply::from_wire(reply.take_wire().unwrap()).unwrap() } else { reply }
            });
            let message = Message::from_vec(&bytes).unwrap();
            let names: Vec<String> =
                message.queries.iter().map(|query| query.name().to_string()).collect();
            assert_eq!(names, ["Large.example."], "{case}");
            assert_eq!(message.answers[0].name.to_ascii().to_lowercase(), OWNER, "{case}");
        }
    }
}

#[test]
fn the_header_is_the_querys_but_for_what_a_reply_says() {
    const ALL: u16 =
        Flags::AA | Flags::TC | Flags::RD | Flags::RA | Flags::Z | Flags::AD | Flags::CD;
    let said = Flags::QR | Flags::AA | Flags::TC | Flags::RA | Flags::AD;
    let table = [
        ("query", 0, 0, 0, Flags::QR),
        ("a query's RD and CD", 0, Flags::RD | Flags::CD, 0, Flags::QR | Flags::RD | Flags::CD),
        ("not its other flags", 0, ALL, 0, Flags::QR | Flags::RD | Flags::CD),
        ("the reply's flags", 0, 0, ALL, said),
        ("notify", 4, 0, 0, Flags::QR | 4 << 11),
        ("not a notify's RD and CD", 4, ALL, 0, Flags::QR | 4 << 11),
        ("the flags of a reply to notify", 4, 0, ALL, said | 4 << 11),
    ];
    for (case, opcode, asked, replied, expected) in table {
        let mut client =
            query(OWNER, RecordType::A).id(0xbeef).opcode(opcode).flag(Flags::RD, false);
        client = client.flag(asked, true);
        let bytes = fitted(&client, |query| {
            let mut bytes = query.error(ResponseCode::NXDomain).take_wire().unwrap();
            Flags(replied | 3).store(&mut bytes);
            write_u16(&mut bytes, 0, 1);
            Reply::from_wire(bytes).unwrap()
        });
        assert_eq!(Flags::of(&bytes).0, expected | 3, "{case}");
        assert_eq!(wire::id(&bytes), 0xbeef, "{case}");
        let own = bare(&client.build(), ResponseCode::Refused, None);
        let copied = expected & !(Flags::AA | Flags::TC | Flags::RA | Flags::AD);
        assert_eq!(Flags::of(&own).0, copied | 5, "bare: {case}");
    }
}

#[test]
fn silence_stays_silence() {
    assert!(fit(&query(OWNER, RecordType::A).build(), &mut Reply::silence()).unwrap().is_none());
}

#[test]
fn an_opt_that_is_not_the_last_record_goes() {
    let client = query(OWNER, RecordType::A).edns(1232);
    let bytes = fitted(&client, |query| {
        let name: &[u8] = b"\x04tail\x00";
        let mut bytes = Buffer::new();
        bytes.extend_from_slice(&[0, 0, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 3]);
        bytes.extend_from_slice(query.question());
        bytes.extend_from_slice(&[0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 4, 0, 10, 0, 0]);
        let at = u8::try_from(bytes.len()).unwrap();
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1]);
        bytes.extend_from_slice(&[0xc0, at, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 2]);
        Reply::from_wire(bytes).unwrap()
    });
    let message = Message::from_vec(&bytes).unwrap();
    let owners: Vec<String> = message.additionals.iter().map(|r| r.name.to_string()).collect();
    assert_eq!(owners, ["tail.", "tail."]);
    assert_eq!(opt_of(&bytes), Some((1232, 0, vec![])));
}

#[test]
fn more_than_a_message_can_hold_is_truncated_over_tcp() {
    for client in
        [query(OWNER, RecordType::TXT).tcp(), query(OWNER, RecordType::TXT).tcp().edns(512)]
    {
        let bytes = fitted(&client, |query| with_texts(query, 700));
        assert!(bytes.len() <= MAX_MESSAGE_LEN && bytes.len() > 60_000, "{}", bytes.len());
        let summary = Summary::of(&bytes).unwrap();
        assert!(Flags::of(&bytes).has(Flags::TC));
        assert!(summary.records[0] > 500, "{:?}", summary.records);
        assert_eq!(summary.opt.is_some(), client.build().edns().is_some());
    }
}

/// RF-01: a forged query must not gain by our own replies.
#[test]
fn our_own_replies_are_hardly_longer_than_the_query() {
    let error = ExtendedError::new(ExtendedError::NETWORK_ERROR, "too many queries in work");
    let client = query(OWNER, RecordType::A);
    let table = [
        (client.clone(), None),
        (client.clone().edns(1232), Some("")),
        (client.clone().option(12, &[0; 40]), Some("too many queries in work")),
        (client.tcp().edns(1232), Some("too many queries in work")),
    ];
    for (client, text) in table {
        let query = client.build();
        let reply = bare(&query, ResponseCode::ServFail, Some(&error));
        assert!(reply.len() <= query.len() + 11 || query.transport().is_stream(), "{query:?}");
        let told = opt_of(&reply).map(|(_, _, options)| options[0].1[2..].to_vec());
        assert_eq!(told.as_deref(), text.map(str::as_bytes), "{query:?}");
    }
}

fn records() -> impl Strategy<Value = Vec<(u8, u8, Vec<u8>)>> {
    vec((0u8..3, 0u8..4, vec(any::<u8>(), 1..250)), 0..60)
}

proptest! {
    #[test]
    fn whatever_a_plugin_says_fits_and_parses(
        records in records(),
        size in proptest::option::of(any::<u16>()),
        stream in any::<bool>(),
        ede in proptest::option::of("[ -~]{0,100}"),
        flags in any::<u16>(),
    ) {
        let mut client = query("wWw.large.example", RecordType::TXT);
        client = if stream { client.tcp() } else { client };
        client = match size { Some(size) => client.edns(size), None => client };
        let query = client.build();
        let mut reply = query.reply();
        for (section, owner, text) in records {
            let name = Name::from_ascii(["large.example.", "www.large.example.", ".", "x.test."][usize::from(owner)]).unwrap();
            let data = RData::TXT(TXT::from_bytes(vec![&text]));
            reply = match section {
                0 => reply.answer(name, 1, data),
                1 => reply.authority(name, 1, data),
                _ => reply.additional(name, 1, data),
            };
        }
        if let Some(text) = ede {
            reply = reply.with_extended_error(ExtendedError::new(22, text));
        }
        let summary = reply.wire().unwrap().1.clone();
        let mut bytes = reply.take_wire().unwrap();
        Flags(flags).store(&mut bytes);
        let whole = bytes.to_vec();
        let fitted = fit(&query, &mut Reply::from_parts(bytes, summary)).unwrap().unwrap();
        let limit = if stream { 65_535 } else { usize::from(size.unwrap_or(512).clamp(512, 1232)) };
        prop_assert!(fitted.len() <= limit, "{} octets, {limit} allowed", fitted.len());
        let message = Message::from_vec(&fitted).unwrap();
        prop_assert_eq!(message.edns.is_some(), size.is_some());
        let summary = Summary::of(&fitted).unwrap();
        prop_assert_eq!(summary.end, fitted.len());
        let all = Message::from_vec(&whole).unwrap();
        prop_assert!(all.answers.starts_with(&message.answers));
        prop_assert!(all.authorities.starts_with(&message.authorities));
        prop_assert!(all.additionals.starts_with(&message.additionals));
        let kept = message.answers.len() + message.authorities.len() + message.additionals.len();
        let had = all.answers.len() + all.authorities.len() + all.additionals.len();
        let was_cut = Flags(flags).has(Flags::TC);
        prop_assert_eq!(message.metadata.truncation, was_cut || kept < had);
    }

    #[test]
    fn whatever_an_upstream_sends_fits_or_fails(
        bytes in vec(any::<u8>(), 12..700),
        counts in [0u8..3, 0u8..4, 0u8..4, 0u8..4],
        edns in any::<bool>(),
    ) {
        let mut bytes = Buffer::from(bytes);
        for (at, count) in [4, 6, 8, 10].into_iter().zip(counts) {
            write_u16(&mut bytes, at, count.into());
        }
        let client = query(OWNER, RecordType::A);
        let query = if edns { client.edns(512).build() } else { client.build() };
        if let Ok(mut reply) = Reply::from_wire(bytes)
            && let Ok(Some(fitted)) = fit(&query, &mut reply)
        {
            prop_assert!(fitted.len() <= 512);
            let summary = Summary::of(&fitted).unwrap();
            prop_assert_eq!(summary.opt.is_some(), edns);
            prop_assert_eq!(&fitted[HEADER_LEN..summary.question_end], query.question());
        }
    }
}
