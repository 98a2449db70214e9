//! The acceptance rows of the specification, W1 to W56, and what else a rule may meet. Prefix and
//! substring operands are literal here (docs/compatibility.md), so W5, W6 and W11 differ.

use std::sync::{Arc, Mutex};

use dunlin_core::mnemonic;
use dunlin_core::op::{Message, ResponseCode};
use dunlin_core::rr::rdata::name::{CNAME, NS};
use dunlin_core::rr::rdata::{A, AAAA, SOA, SRV};
pub(super) use dunlin_core::rr::{Name, RData, Record, RecordType};
pub(super) use dunlin_core::testing::{self, TestBlock, TestQuery, query, stub};
use dunlin_core::wire::Presentation;
use dunlin_core::{Error, Query, Reply};

pub(super) use super::ENTRY;

/// What reached the upstream: `NAME TYPE CLASS`, then options as `CODE=DATA`.
pub(super) type Seen = Arc<Mutex<Vec<String>>>;

pub(super) fn block(text: &str) -> (TestBlock, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let block = testing::setup(&ENTRY, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let upstream = stub(move |query| {
        noted.lock().unwrap().push(shown_query(query));
        Box::pin(async move { upstream(query) })
    });
    (block.before(upstream), seen)
}

pub(super) fn shown_query(query: &Query) -> String {
    let class = mnemonic::class(query.qclass_code()).unwrap_or("?");
    let name = Presentation(query.qname_as_sent());
    let mut text = format!("{name} {} {class}", query.qtype());
    if let Some(edns) = query.edns() {
        text += &format!(" opt{}", edns.udp_size);
    }
    for (code, data) in query.edns_options() {
        let data: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
        text += &format!(" {code}={data}");
    }
    text
}

pub(super) fn upstream(query: &Query) -> dunlin_core::Result<Reply> {
    let name = query.name().clone();
    let record = |owner: Name, data| Record::from_rdata(owner, 30, data);
    let soa = || {
        let zone: Name = "test.".parse().unwrap();
        record(zone.clone(), RData::SOA(SOA::new(zone.clone(), zone, 1, 2, 3, 4, 5)))
    };
    let address = |owner: &str| record(owner.parse().unwrap(), RData::A(A::new(192, 0, 2, 1)));
    let alias = |owner: &str, target: &str| {
        record(owner.parse().unwrap(), RData::CNAME(CNAME(target.parse().unwrap())))
    };
    let mut reply = query.reply();
    let message = reply.message_mut()?;
    match name.to_lowercase().to_string().as_str() {
        "nx.test." => {
            message.metadata.response_code = ResponseCode::NXDomain;
            message.authorities.push(soa());
        }
        "sf.test." => message.metadata.response_code = ResponseCode::ServFail,
        "fail.test." => return Err(Error::new("unreachable")),
        "silent.test." => return Ok(Reply::silence()),
        "alias.test." => {
            message.answers = vec![alias("alias.test.", "tgt.test."), address("tgt.test.")];
        }
        "c2.test." => message.answers = vec![alias("c2.test.", "c3.test."), address("c3.test.")],
        "self.test." => message.answers = vec![alias("self.test.", "self.test.")],
        _ => fill(message, &name, query.qtype()),
    }
    Ok(reply)
}

pub(super) fn fill(message: &mut Message, name: &Name, qtype: RecordType) {
    let below = |label: &str| name.prepend_label(label).unwrap();
    let data = match qtype {
        RecordType::A => RData::A(A::new(192, 0, 2, 1)),
        RecordType::AAAA => RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        RecordType::SRV => {
            let glue = RData::A(A::new(192, 0, 2, 9));
            message.additionals.push(Record::from_rdata(below("host"), 30, glue));
            RData::SRV(SRV::new(0, 0, 53, below("host")))
        }
        _ => return,
    };
    message.answers.push(Record::from_rdata(name.clone(), 30, data));
    let server = RData::NS(NS(below("ns")));
    message.authorities.push(Record::from_rdata(name.clone(), 30, server));
}

/// `RCODE QUESTION: RECORDS`; records lose `IN`, and sections are parted by bars.
pub(super) fn shown(reply: &Reply) -> String {
    let Some(message) = reply.message() else { return "silence".into() };
    let question = &message.queries[0];
    let rcode = mnemonic::rcode(message.metadata.response_code.into()).unwrap_or("?");
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let sections = sections.map(|records| {
        let records = records.iter().map(|record| record.to_string().replace(" IN ", " "));
        records.collect::<Vec<_>>().join(", ")
    });
    let (name, kind) = (question.name(), question.query_type());
    format!("{rcode} {name} {kind}: {}", sections.join(" | ")).trim_end_matches([' ', '|']).into()
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

/// Rows: Corefile, query, what the upstream saw, what the client gets.
pub(super) async fn check(rows: &[(&str, &str, TestQuery, &[&str], &str)]) {
    for (row, text, asked, upstream, expected) in rows {
        let (mut block, seen) = block(text);
        assert_eq!(ask(&mut block, asked.clone()).await, *expected, "{row}: {text}");
        assert_eq!(*seen.lock().unwrap(), *upstream, "{row}: {text}");
    }
}
