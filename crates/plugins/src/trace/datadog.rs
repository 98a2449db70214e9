//! Spans as version 0.3 of the API of Datadog's agent has them. Its later versions speak MessagePack;
//! this one is kept by every agent, and is the one that is described for others to use.

use serde_json::{Map, Value, json};

use super::http::Message;
use super::span::{Service, Span, TraceId, nanoseconds};

/// A list of traces, each of them a list of spans.
pub(super) fn message(spans: &[Span], service: &Service) -> Message {
    let mut traces: Vec<(TraceId, Vec<Value>)> = Vec::new();
    for span in spans {
        let value = json_of(span, service);
        match traces.iter_mut().find(|(trace, _)| *trace == span.trace) {
            Some((_, list)) => list.push(value),
            None => traces.push((span.trace, vec![value])),
        }
    }
    let count = traces.len().to_string();
    let lists: Vec<Value> = traces.into_iter().map(|(_, list)| list.into()).collect();
    Message {
        content_type: "application/json",
        headers: vec![("x-datadog-trace-count", count)],
        body: Value::from(lists).to_string().into_bytes(),
    }
}

fn json_of(span: &Span, service: &Service) -> Value {
    let mut meta: Map<String, Value> =
        span.tags('@').into_iter().map(|(name, value)| (name, value.into())).collect();
    let mut metrics = Map::new();
    if let Some(error) = span.error() {
        meta.insert("error.message".to_owned(), error.into());
        meta.insert("error.type".to_owned(), "dns_error".into());
    }
    if span.is_query() {
        // The identifier of a trace has two halves here; the upper one is told once.
        meta.insert("_dd.p.tid".to_owned(), format!("{:016x}", span.trace.high()).into());
        meta.insert("span.kind".to_owned(), "server".into());
        metrics.insert("_dd.top_level".to_owned(), 1.into());
        metrics.insert("_sampling_priority_v1".to_owned(), 1.into());
        if service.analytics_rate > 0.0 {
            metrics.insert("_dd1.sr.eausr".to_owned(), service.analytics_rate.into());
        }
    }
    json!({
        "trace_id": span.trace.low(),
        "span_id": span.id.0,
        "parent_id": span.parent.map_or(0, |parent| parent.0),
        "name": span.name,
        "resource": span.name,
        "service": service.name,
        "type": "dns",
        "start": nanoseconds(span.start),
        "duration": u64::try_from(span.duration.as_nanos()).unwrap_or(u64::MAX),
        "error": u8::from(span.error().is_some()),
        "meta": meta,
        "metrics": metrics,
    })
}
