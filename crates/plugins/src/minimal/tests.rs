//! Rows of the specification, with a scripted plugin behind; what clients see of an upstream's reply stands in
//! `tests/chains`.

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::rdata::{A, NS, SOA};
use dunlin_core::rr::{Name, RData, RecordType};
use dunlin_core::testing::{self, query, stub};
use dunlin_core::{Error, Query, Reply, Result};

use super::ENTRY;

/// What stands behind: records by section, `a` for an address, `n` for a name server, `s` for SOA.
fn reply(query: &Query, rcode: ResponseCode, sections: [&str; 3]) -> Result<Reply> {
    let name = || Name::from_ascii("example.org.").unwrap();
    let data = |letter| match letter {
        'a' => RData::A(A::new(192, 0, 2, 1)),
        'n' => RData::NS(NS(name())),
        _ => RData::SOA(SOA::new(name(), name(), 1, 2, 3, 4, 5)),
    };
    let mut reply = query.error(rcode).authoritative();
    let message = reply.message_mut()?;
    let all = [&mut message.answers, &mut message.authorities, &mut message.additionals];
    for (section, letters) in all.into_iter().zip(sections) {
        section.extend(
            letters
                .chars()
                .map(|letter| dunlin_core::rr::Record::from_rdata(name(), 60, data(letter))),
        );
    }
    Ok(reply)
}

#[tokio::test]
async fn answers_lose_what_was_not_asked_for() {
    use ResponseCode::{NXDomain, NoError, Refused, ServFail};
    let table = [
        ("MI1", NoError, ["a", "n", "a"], [1, 0, 0]),
        ("MI2", NXDomain, ["", "s", ""], [0, 1, 0]),
        ("", NoError, ["", "s", ""], [0, 1, 0]),
        ("MI3", NoError, ["", "nn", "a"], [0, 2, 1]),
        ("MI5", Refused, ["", "n", "a"], [0, 1, 1]),
        ("", ServFail, ["", "", "a"], [0, 0, 1]),
        ("MI7", NoError, ["", "", "aa"], [0, 0, 0]),
        ("", NXDomain, ["a", "s", "a"], [1, 1, 1]),
    ];
    for (row, rcode, sections, left) in table {
        let behind = stub(move |query| Box::pin(async move { reply(query, rcode, sections) }));
        let mut block = testing::setup(&ENTRY, "minimal\nminimal").unwrap().before(behind);
        let reply = block.ask(query("example.org.", RecordType::A)).await.unwrap();
        let found =
            [reply.answers(), reply.authorities(), reply.additionals()].map(|all| all.len());
        assert_eq!(found, left, "{row} {rcode:?}");
        assert_eq!(reply.rcode(), rcode, "{row}");
        assert!(reply.flags().has(dunlin_core::wire::Flags::AA), "{row}");
    }
}

#[tokio::test]
async fn mi4_failures_and_silence_pass() {
    let failing = stub(|_query| Box::pin(async { Err(Error::new("plugin/x: y")) }));
    let mut block = testing::setup(&ENTRY, "minimal").unwrap().before(failing);
    let error = block.ask(query("example.org.", RecordType::A)).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.rcode()),
        ("plugin/x: y", ResponseCode::ServFail)
    );
    let silent = stub(|_query| Box::pin(async { Ok(Reply::silence()) }));
    let mut block = testing::setup(&ENTRY, "minimal").unwrap().before(silent);
    assert!(block.ask(query("example.org.", RecordType::A)).await.unwrap().is_silence());
}

#[test]
fn mi6_it_takes_no_arguments() {
    let table = [
        ("minimal x", "Wrong argument count or unexpected line ending after 'x'"),
        ("minimal {\n}", "Unexpected token '{', expecting argument"),
    ];
    for (text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, format!("Corefile:2 - Error during parsing: {expected}"), "{text}");
    }
}
