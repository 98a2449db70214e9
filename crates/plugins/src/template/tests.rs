//! The acceptance rows of the specification, T1 to T46, and records as text. T19, T20 and T47 stand in
//! `tests/chains`.

use dunlin_core::mnemonic;
use dunlin_core::rr::rdata::A;
pub(super) use dunlin_core::rr::{RData, Record, RecordType};
pub(super) use dunlin_core::testing::{self, Stub, TestBlock, TestQuery, query, stub};
use dunlin_core::{Query, Reply};
use dunlin_testkit::metrics::value;

pub(super) use super::ENTRY;

/// A block with this text in front of an upstream that has an address for each name but `v4.test.`,
/// and the TTL 30.
pub(super) fn block(text: &str) -> (TestBlock, Stub) {
    let upstream = stub(|query| Box::pin(async move { Ok(upstream(query)) }));
    let block = testing::setup(&ENTRY, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (block.before(upstream.clone()), upstream)
}

pub(super) fn upstream(query: &Query) -> Reply {
    match query.qtype() {
        RecordType::A => {
            let name = query.name().clone();
            query.reply().answer(name, 30, RData::A(A::new(192, 0, 2, 1)))
        }
        _ => query.reply(),
    }
}

/// `RCODE [aa] QUESTION: RECORDS`; records lose `IN`, and sections are parted by bars.
pub(super) fn shown(reply: &Reply) -> String {
    let Some(message) = reply.message() else { return "silence".into() };
    let question = &message.queries[0];
    let rcode = mnemonic::rcode(message.metadata.response_code.into()).unwrap_or("?");
    let flags = if message.metadata.authoritative { " aa" } else { "" };
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let text = |record: &Record| record.to_string().replace(" IN ", " ");
    let sections = sections.map(|records| records.iter().map(text).collect::<Vec<_>>().join(", "));
    let (name, kind) = (question.name(), question.query_type());
    let text = format!("{rcode}{flags} {name} {kind}: {}", sections.join(" | "));
    text.trim_end_matches([' ', '|']).into()
}

pub(super) async fn ask(block: &mut TestBlock, query: TestQuery) -> String {
    match block.ask(query).await {
        Ok(reply) => shown(&reply),
        Err(error) => format!("{} error: {error}", error.rcode()),
    }
}

pub(super) fn a(name: &str) -> TestQuery {
    query(name, RecordType::A)
}

/// Rows: Corefile, query, how often the upstream was asked, what the client gets.
pub(super) async fn check(rows: &[(&str, &str, TestQuery, usize, &str)]) {
    for (row, text, asked, upstream_asked, expected) in rows {
        let (mut block, upstream) = block(text);
        assert_eq!(ask(&mut block, asked.clone()).await, *expected, "{row}: {text}");
        assert_eq!(upstream.asked(), *upstream_asked, "{row}: {text}");
    }
}

pub(super) fn metric(block: &TestBlock, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    value(&block.metrics().page(), name, labels)
}
