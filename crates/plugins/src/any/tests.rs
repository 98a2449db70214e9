//! Rows of the specification.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestQuery, query, records, stub};
use dunlin_core::wire::Flags;

use super::ENTRY;

async fn check(row: &str, asked: TestQuery, expected: &[&str], upstream: usize) {
    let behind = stub(|query| Box::pin(async move { Ok(query.reply()) }));
    let mut block = testing::setup(&ENTRY, "any\nany").unwrap().before(behind.clone());
    let reply = block.ask(asked).await.unwrap();
    assert_eq!(records(reply.answers()), expected, "{row}");
    assert!(!reply.flags().has(Flags::AA | Flags::RA), "{row}");
    assert_eq!(behind.asked(), upstream, "{row}");
}

#[tokio::test]
async fn any_is_answered_with_one_small_record() {
    use RecordType::{A, ANY};
    let hinfo = "8482 IN HINFO ANY obsoleted See RFC 8482";
    let lower = format!("example.org. {hinfo}");
    let mixed = format!("eXample.ORG. {hinfo}");
    check("AN1", query("example.org.", ANY), &[&lower], 0).await;
    check("AN2", query("example.org.", A), &[], 1).await;
    check("AN3", query("eXample.ORG.", ANY), &[&mixed], 0).await;
    check("AN6", query("example.org.", ANY).tcp(), &[&lower], 0).await;
    check("class", query("example.org.", ANY).class(3), &[&lower], 0).await;
}

#[test]
fn it_takes_no_arguments() {
    let table = [
        ("AN4", "any x", "Wrong argument count or unexpected line ending after 'x'"),
        ("AN5", "any {\n x\n}", "Unexpected token '{', expecting argument"),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        let expected = format!("Corefile:2 - Error during parsing: {expected}");
        assert_eq!(error, expected, "{row}");
    }
}
