//! Spans as OTLP has them: `ExportTraceServiceRequest` of opentelemetry-proto 1, in its binary form,
//! which every receiver of OTLP over HTTP takes; JSON is optional there.

use dunlin_core::protobuf::{fixed64, message as nested, number, octets};
use dunlin_core::release::VERSION;

use super::http::Message;
use super::span::{Facts, Service, Span, nanoseconds};

/// One resource, one scope, all spans.
pub(super) fn message(spans: &[Span], service: &Service) -> Message {
    let mut body = Vec::with_capacity(spans.len() * TYPICAL_SPAN);
    nested(&mut body, 1, |resource_spans| {
        nested(resource_spans, 1, |resource| append_resource(resource, service));
        nested(resource_spans, 2, |scope_spans| {
            nested(scope_spans, 1, |scope| {
                octets(scope, 1, b"dunlin");
                octets(scope, 2, VERSION.as_bytes());
            });
            for span in spans {
                nested(scope_spans, 2, |out| append(out, span));
            }
        });
    });
    Message { content_type: "application/x-protobuf", headers: Vec::new(), body }
}

const TYPICAL_SPAN: usize = 128;

fn append_resource(out: &mut Vec<u8>, service: &Service) {
    text_attribute(out, 1, "service.name", &service.name);
    if let Some((ip, port)) = service.address {
        text_attribute(out, 1, "server.address", &ip.to_string());
        nested(out, 1, |pair| {
            octets(pair, 1, b"server.port");
            nested(pair, 2, |value| number(value, 3, port.into()));
        });
    }
}

fn append(out: &mut Vec<u8>, span: &Span) {
    octets(out, 1, &span.trace.0.to_be_bytes());
    octets(out, 2, &span.id.0.to_be_bytes());
    if let Some(parent) = span.parent {
        octets(out, 4, &parent.0.to_be_bytes());
    }
    octets(out, 5, span.name.as_bytes());
    number(out, 6, kind(&span.facts));
    fixed64(out, 7, nanoseconds(span.start));
    fixed64(out, 8, nanoseconds(span.end()));
    for (name, value) in span.tags('/') {
        text_attribute(out, 9, &name, &value);
    }
    if let Some(error) = span.error() {
        nested(out, 15, |status| {
            octets(status, 2, error.as_bytes());
            number(status, 3, STATUS_ERROR);
        });
    }
}

/// `SpanKind`.
fn kind(facts: &Facts) -> u64 {
    match facts {
        Facts::Plugin => 1,
        Facts::Query(_) => 2,
        Facts::Upstream(_) => 3,
    }
}

const STATUS_ERROR: u64 = 2;

/// A `KeyValue` whose value is a text.
fn text_attribute(out: &mut Vec<u8>, field: u32, name: &str, value: &str) {
    nested(out, field, |pair| {
        octets(pair, 1, name.as_bytes());
        nested(pair, 2, |any| octets(any, 1, value.as_bytes()));
    });
}
