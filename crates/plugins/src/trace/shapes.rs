//! What collectors are sent, octet by octet where it matters.

use std::time::{Duration, UNIX_EPOCH};

use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_core::{Error, Reply, Result};
use serde_json::{Value, json};

use super::span::{CONNECT, Facts, SERVE, Served, Service, Span, SpanId, TraceId};
use super::{datadog, otlp, zipkin};

/// 2023-11-14T22:13:20.0000015Z.
const START: Duration = Duration::from_nanos(1_700_000_000_000_001_500);

fn span(id: u64, parent: Option<u64>, name: &'static str, nanos: u64, facts: Facts) -> Span {
    Span {
        trace: TraceId(0xabc),
        id: SpanId(id),
        parent: parent.map(SpanId),
        name,
        start: UNIX_EPOCH + START,
        duration: Duration::from_nanos(nanos),
        facts,
    }
}

fn served(result: &Result<Reply>) -> Facts {
    let query = query("WWW.Example.ORG", RecordType::AAAA).from("[2001:db8::7]:4000").build();
    Facts::Query(Some(Box::new(Served::of(&query, result))))
}

/// A query, the last plugin that had a part in it, an exchange, and a query that failed.
fn spans() -> Vec<Span> {
    let reply = query("a", RecordType::A).build().reply();
    let failure = Err(Error::new("no \u{1}healthy upstreams"));
    vec![
        span(3, Some(2), CONNECT, 1_499_499, Facts::Upstream("192.0.2.53:53".parse().unwrap())),
        span(2, Some(1), "forward", 1_500_000, Facts::Plugin),
        span(1, None, SERVE, 499, served(&Ok(reply))),
        span(u64::MAX, None, SERVE, 0, served(&failure)),
    ]
}

fn service() -> Service {
    let address = Some(("192.0.2.1".parse().unwrap(), 53));
    Service { name: "DNS".to_owned(), address, analytics_rate: 0.5 }
}

fn tags(separator: char, rcode: &str, others: &[(&str, &str)]) -> Value {
    let mut tags = json!({});
    let known = [
        ("name", "www.example.org."),
        ("proto", "udp"),
        ("rcode", rcode),
        ("remote", "2001:db8::7"),
        ("type", "AAAA"),
    ];
    for (name, value) in known {
        tags[format!("coredns.io{separator}{name}")] = value.into();
    }
    others.iter().for_each(|(name, value)| tags[*name] = (*value).into());
    tags
}

#[test]
fn zipkin_gets_spans_of_its_version_2() {
    let message = zipkin::message(&spans(), &service());
    assert_eq!(message.content_type, "application/json");
    assert_eq!(message.headers, [("b3", "0".to_owned())]);
    let local = json!({ "serviceName": "dns", "ipv4": "192.0.2.1", "port": 53 });
    let timestamp = 1_700_000_000_000_002_u64;
    let note = |text: &str| json!({ "timestamp": timestamp, "value": text });
    let expected = json!([
        {
            "traceId": "0000000000000abc", "id": "0000000000000003", "parentId": "0000000000000002",
            "name": "connect", "timestamp": timestamp, "duration": 1499, "localEndpoint": local,
            "tags": { "peer.address": "192.0.2.53:53" },
        },
        {
            "traceId": "0000000000000abc", "id": "0000000000000002", "parentId": "0000000000000001",
            "name": "forward", "timestamp": timestamp, "duration": 1500, "localEndpoint": local,
        },
        {
            "traceId": "0000000000000abc", "id": "0000000000000001", "name": "servedns",
            "kind": "SERVER", "timestamp": timestamp, "duration": 1, "localEndpoint": local,
            "tags": tags('/', "NOERROR", &[]),
        },
        {
            "traceId": "0000000000000abc", "id": "ffffffffffffffff", "name": "servedns",
            "kind": "SERVER", "timestamp": timestamp, "duration": 1, "localEndpoint": local,
            "tags": tags('/', "SERVFAIL", &[("error", "true")]),
            "annotations": [note("event:error"), note("error.object:no \u{1}healthy upstreams")],
        },
    ]);
    let found: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(found, expected);
}

#[test]
fn zipkin_is_told_where_we_are_as_far_as_it_is_known() {
    let at = |address: &str, port| Some((address.parse().unwrap(), port));
    let table = [
        ("", None, Value::Null),
        ("a", None, json!({ "serviceName": "a" })),
        ("", at("2001:db8::1", 53), json!({ "ipv6": "2001:db8::1", "port": 53 })),
        ("A", at("192.0.2.1", 0), json!({ "serviceName": "a", "ipv4": "192.0.2.1" })),
    ];
    for (name, address, expected) in table {
        let service = Service { name: name.to_owned(), address, analytics_rate: 0.0 };
        let body = zipkin::message(&spans(), &service).body;
        let found: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found[0]["localEndpoint"], expected);
    }
}

#[test]
fn datadog_gets_a_list_for_each_trace() {
    let mut spans = spans();
    spans[3].trace = TraceId(0x6553_f100_0000_0000_0000_0000_0000_0001);
    let message = datadog::message(&spans, &service());
    assert_eq!(message.headers, [("x-datadog-trace-count", "2".to_owned())]);
    let start = 1_700_000_000_000_001_500_u64;
    let of = |id: u64, parent: u64, name: &str, duration: u64, meta: Value| {
        json!({
            "trace_id": 0xabc, "span_id": id, "parent_id": parent, "name": name, "resource": name,
            "service": "DNS", "type": "dns", "start": start, "duration": duration, "error": 0,
            "meta": meta, "metrics": {},
        })
    };
    let first = [("_dd.p.tid", "0000000000000000"), ("span.kind", "server")];
    let mut root = of(1, 0, "servedns", 499, tags('@', "NOERROR", &first));
    root["metrics"] =
        json!({ "_dd.top_level": 1, "_sampling_priority_v1": 1, "_dd1.sr.eausr": 0.5 });
    let failed = [
        ("_dd.p.tid", "6553f10000000000"),
        ("span.kind", "server"),
        ("error.message", "no \u{1}healthy upstreams"),
        ("error.type", "dns_error"),
    ];
    let mut other = of(u64::MAX, 0, "servedns", 0, tags('@', "SERVFAIL", &failed));
    other["metrics"] = root["metrics"].clone();
    (other["error"], other["trace_id"]) = (1.into(), 1.into());
    let upstream = json!({ "peer.address": "192.0.2.53:53" });
    let expected = json!([
        [of(3, 2, "connect", 1_499_499, upstream), of(2, 1, "forward", 1_500_000, json!({})), root,],
        [other],
    ]);
    let found: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(found, expected);
}

/// A field of a message, as far as the wire tells what it is.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Number(u64),
    Fixed(u64),
    Octets(Vec<u8>),
}

fn varint(octets: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = octets.split_first().expect("a varint");
        *octets = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

fn fields(mut octets: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !octets.is_empty() {
        let tag = varint(&mut octets);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut octets)),
            1 => {
                let (value, rest) = octets.split_first_chunk().expect("eight octets");
                octets = rest;
                Field::Fixed(u64::from_le_bytes(*value))
            }
            2 => {
                let length = usize::try_from(varint(&mut octets)).unwrap();
                let (value, rest) = octets.split_at(length);
                octets = rest;
                Field::Octets(value.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn nested(octets: &[u8], number: u64) -> Vec<Vec<u8>> {
    let of = fields(octets).into_iter().filter(|(found, _)| *found == number);
    of.map(|(_, field)| match field {
        Field::Octets(octets) => octets,
        other => panic!("field {number} is {other:?}"),
    })
    .collect()
}

/// `NAME=VALUE` of the attributes in this field.
fn attributes(octets: &[u8], number: u64) -> Vec<String> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let pair = |pair: Vec<u8>| {
        let value = match &fields(&nested(&pair, 2)[0])[..] {
            [(1, Field::Octets(octets))] => text(octets),
            [(3, Field::Number(number))] => number.to_string(),
            other => panic!("{other:?}"),
        };
        format!("{}={value}", text(&nested(&pair, 1)[0]))
    };
    nested(octets, number).into_iter().map(pair).collect()
}

#[test]
fn otlp_gets_one_resource_with_all_spans() {
    let message = otlp::message(&spans(), &service());
    assert_eq!((message.content_type, message.headers.len()), ("application/x-protobuf", 0));
    let [resource_spans] = &nested(&message.body, 1)[..] else { panic!("one resource") };
    let resource = &nested(resource_spans, 1)[0];
    let about = ["service.name=DNS", "server.address=192.0.2.1", "server.port=53"];
    assert_eq!(attributes(resource, 1), about);
    let [scope_spans] = &nested(resource_spans, 2)[..] else { panic!("one scope") };
    assert_eq!(nested(&nested(scope_spans, 1)[0], 1), [b"dunlin"]);
    let found = nested(scope_spans, 2);
    let expected = spans();
    assert_eq!(found.len(), expected.len());
    for (found, span) in found.iter().zip(expected) {
        assert_eq!(nested(found, 1), [0xabc_u128.to_be_bytes()]);
        assert_eq!(nested(found, 2), [span.id.0.to_be_bytes()]);
        let parents: Vec<_> = span.parent.iter().map(|id| id.0.to_be_bytes().to_vec()).collect();
        assert_eq!(nested(found, 4), parents);
        assert_eq!(nested(found, 5), [span.name.as_bytes()]);
        let begin = u64::try_from(START.as_nanos()).unwrap();
        let duration = u64::try_from(span.duration.as_nanos()).unwrap();
        let kind = [("connect", 3), ("forward", 1), ("servedns", 2)];
        let kind = kind.into_iter().find(|(name, _)| *name == span.name).unwrap().1;
        let numbers = [
            (6, Field::Number(kind)),
            (7, Field::Fixed(begin)),
            (8, Field::Fixed(begin + duration)),
        ];
        let found_numbers = fields(found).into_iter().filter(|(number, _)| (6..9).contains(number));
        assert_eq!(found_numbers.collect::<Vec<_>>(), numbers);
        let tags = span.tags('/').into_iter().map(|(name, value)| format!("{name}={value}"));
        assert_eq!(attributes(found, 9), tags.collect::<Vec<_>>());
        let status = nested(found, 15).into_iter().map(|status| fields(&status));
        let error =
            |text: &str| vec![(2, Field::Octets(text.as_bytes().to_vec())), (3, Field::Number(2))];
        let errors: Vec<_> = span.error().into_iter().map(error).collect();
        assert_eq!(status.collect::<Vec<_>>(), errors);
    }
}

#[test]
fn identifiers_are_of_the_size_that_each_kind_has() {
    use super::endpoint::Kind;
    let now = UNIX_EPOCH + START;
    for _ in 0..100 {
        let zipkin = TraceId::random(Kind::Zipkin, now);
        assert!(zipkin.low() > 0 && zipkin.high() == 0 && zipkin.hex().len() == 16);
        let datadog = TraceId::random(Kind::Datadog, now).hex();
        assert!(datadog.len() == 32 && datadog.starts_with("6553f10000000000"), "{datadog}");
        let otlp = TraceId::random(Kind::Otlp, now).hex();
        assert!(otlp.len() == 32 && !otlp.starts_with("0000000000000000"), "{otlp}");
    }
}
