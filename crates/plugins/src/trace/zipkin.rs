//! Spans as Zipkin's API v2 has them.

use serde_json::{Map, Value, json};

use super::http::Message;
use super::span::{Service, Span, since_1970};

/// A list of spans. `b3: 0` asks proxies on the way not to trace this in turn, as in CoreDNS.
pub(super) fn message(spans: &[Span], service: &Service) -> Message {
    let local = local_endpoint(service);
    let spans: Vec<Value> = spans.iter().map(|span| json_of(span, local.as_ref())).collect();
    Message {
        content_type: "application/json",
        headers: vec![("b3", "0".to_owned())],
        body: Value::from(spans).to_string().into_bytes(),
    }
}

fn json_of(span: &Span, local: Option<&Value>) -> Value {
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
    set("traceId", span.trace.hex().into());
    set("id", span.id.hex().into());
    if let Some(parent) = span.parent {
        set("parentId", parent.hex().into());
    }
    set("name", span.name.to_lowercase().into());
    if span.is_query() {
        set("kind", "SERVER".into());
    }
    set("timestamp", microseconds(since_1970(span.start).as_nanos()).into());
    // No duration at all would be an unfinished span.
    set("duration", microseconds(span.duration.as_nanos()).max(1).into());
    if let Some(local) = local {
        set("localEndpoint", local.clone());
    }
    let mut tags: Map<String, Value> =
        span.tags('/').into_iter().map(|(name, value)| (name, value.into())).collect();
    if let Some(error) = span.error() {
        tags.insert("error".to_owned(), "true".into());
        let at = microseconds(since_1970(span.end()).as_nanos());
        let note = |text: String| json!({ "timestamp": at, "value": text });
        let notes = [note("event:error".to_owned()), note(format!("error.object:{error}"))];
        set("annotations", notes.as_slice().into());
    }
    if !tags.is_empty() {
        set("tags", tags.into());
    }
    object.into()
}

/// None if nothing is known.
fn local_endpoint(service: &Service) -> Option<Value> {
    let mut object = Map::new();
    if !service.name.is_empty() {
        object.insert("serviceName".to_owned(), service.name.to_lowercase().into());
    }
    if let Some((ip, port)) = service.address {
        let family = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
        object.insert(family.to_owned(), ip.to_string().into());
        if port != 0 {
            object.insert("port".to_owned(), port.into());
        }
    }
    (!object.is_empty()).then(|| object.into())
}

/// To the nearest.
fn microseconds(nanoseconds: u128) -> u64 {
    u64::try_from(nanoseconds.saturating_add(500) / 1000).unwrap_or(u64::MAX)
}
