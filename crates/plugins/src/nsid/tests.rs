//! Rows of the specification that a chain without its server can show; what clients see stands in
//! `tests/chains`.

use dunlin_core::edns::options;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestQuery, query, stub};

use super::ENTRY;

/// The options that the reply will get.
async fn options_of(text: &str, asked: TestQuery) -> Vec<u8> {
    let behind = stub(|query| Box::pin(async move { Ok(query.reply()) }));
    let chain = testing::setup(&ENTRY, text).unwrap().before(behind).chain();
    let mut query = asked.build();
    chain.run(&mut query).await.unwrap();
    query.reply_options().to_vec()
}

fn nsid(data: &str) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&options::NSID.to_be_bytes()[..], &length.to_be_bytes(), data.as_bytes()].concat()
}

#[tokio::test]
async fn who_asks_for_the_identifier_gets_it() {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let plain = || query("example.org.", RecordType::A);
    let asking = || plain().option(options::NSID, b"");
    let long = "x".repeat(600);
    let force = "nsid Use The Force";
    let table = [
        ("Y01", force.to_owned(), asking(), nsid("Use The Force")),
        ("Y02", force.to_owned(), plain().edns(4096), Vec::new()),
        ("Y03", force.to_owned(), plain(), Vec::new()),
        ("Y05", force.to_owned(), asking().dnssec_ok(), nsid("Use The Force")),
        ("Y06", "nsid".to_owned(), asking(), nsid(host.trim())),
        ("Y07", "nsid \"a b\"".to_owned(), asking(), nsid("a b")),
        ("Y12", force.to_owned(), asking().tcp(), nsid("Use The Force")),
        ("Y13", force.to_owned(), plain().option(options::NSID, b"junk"), nsid("Use The Force")),
        ("Y15", format!("nsid {long}"), asking(), nsid(&long)),
        ("", force.to_owned(), asking().option(options::NSID, b""), nsid("Use The Force")),
        ("", "nsid \"\"".to_owned(), asking(), nsid("")),
    ];
    for (row, text, asked, expected) in table {
        assert_eq!(options_of(&text, asked).await, expected, "{row} {text}");
    }
}

#[test]
fn mistakes_are_told() {
    let brace = "Corefile:2 - Error during parsing: Unexpected token '{', expecting argument";
    let table = [
        ("Y10", "nsid a\nnsid b", "this plugin can only be used once per Server Block"),
        ("", "nsid {\n a\n}", brace),
        ("", "nsid a {\n}", brace),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}
