//! A whole line: what stands around the text of a rule's format, as text or as a JSON object.

use std::io::Write;
use std::time::SystemTime;

use dunlin_core::buffer::Buffer;
use dunlin_core::lines::{Format as Form, Style};
use dunlin_core::timestamp;
use dunlin_core::wire::Presentation;

use super::event::Event;
use super::format::{self, Format};
use super::text;

/// A line is never longer than this, in octets, its line feed included.
const MAX_LINE_LEN: usize = 4096;

/// Appends the line of an event, line feed included.
pub(super) fn append(style: Style, format: &Format, event: &Event<'_>, out: &mut Vec<u8>) {
    match style.format {
        Form::Text => append_text(style, format, event, out),
        Form::Json => append_object(style, format, event, out),
    }
}

/// `[INFO] TEXT`, as CoreDNS writes it.
fn append_text(style: Style, format: &Format, event: &Event<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    if style.time {
        timestamp::append(out, SystemTime::now());
        out.push(b' ');
    }
    out.extend_from_slice(b"[INFO] ");
    format.append(event, out);
    cut(out, start + MAX_LINE_LEN - 1);
    out.push(b'\n');
}

/// The same as an object: the text under `msg`, and every field with its type, under the names
/// that CoreDNS gives them. `rcode` is null if nothing was sent.
fn append_object(style: Style, format: &Format, event: &Event<'_>, out: &mut Vec<u8>) {
    let mut text = Buffer::new();
    format.append(event, &mut text);
    cut(&mut text, MAX_LINE_LEN / 4);
    let mut object = Object { out, is_empty: true };
    if style.time {
        object.string("time", |out| timestamp::append(out, SystemTime::now()));
    }
    object.string("level", |out| out.extend_from_slice(b"INFO"));
    object.raw("msg", |out| append_quoted(out, &text));
    append_query(&mut object, event);
    match event.outcome {
        None => object.raw("rcode", |out| out.extend_from_slice(b"null")),
        Some(outcome) => {
            object.string("rcode", |out| format::append_rcode(outcome.rcode, out));
            object.string("rflags", |out| text::flags(out, outcome.flags));
            object.raw("response_size", |out| text::number(out, outcome.size));
        }
    }
    object.raw("duration_seconds", |out| text::seconds(out, event.duration));
    object.out.extend_from_slice(b"}\n");
}

fn append_query(object: &mut Object<'_>, event: &Event<'_>) {
    let query = event.query;
    object.string("client_ip", |out| text::bare(out, query.client().ip()));
    object.raw("client_port", |out| text::number(out, query.client().port()));
    object.string("server_ip", |out| text::bare(out, query.local().ip()));
    object.string("proto", |out| out.extend_from_slice(query.transport().label().as_bytes()));
    object.raw("id", |out| text::number(out, query.id()));
    object.raw("opcode", |out| text::number(out, query.flags().opcode()));
    let mut name = Buffer::new();
    Presentation(query.qname()).append_to(&mut name);
    object.raw("qname", |out| append_quoted(out, &name));
    object.string("qclass", |out| format::append_class(query.qclass_code(), out));
    object.string("qtype", |out| format::append_type(query.qtype_code(), out));
    object.raw("request_size", |out| text::number(out, query.len()));
    object.raw("do", |out| out.extend_from_slice(format::truth(query.dnssec_ok())));
    object.raw("bufsize", |out| text::number(out, query.max_size()));
}

/// Shortens to at most `end` octets, between two characters.
fn cut(line: &mut Vec<u8>, end: usize) {
    if line.len() <= end {
        return;
    }
    let is_inside = |at: &usize| line.get(*at).is_some_and(|octet| octet & 0xc0 == 0x80);
    let end = (0..=end).rev().find(|at| !is_inside(at)).unwrap_or(0);
    line.truncate(end);
}

/// A JSON object in the making.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl Object<'_> {
    /// A member whose value is text that needs no escapes.
    fn string(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.raw(name, |out| {
            out.push(b'"');
            value(out);
            out.push(b'"');
        });
    }

    /// A member with a value that is JSON already.
    fn raw(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(if self.is_empty { b'{' } else { b',' });
        self.is_empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        value(self.out);
    }
}

/// A JSON string (RFC 8259 §7) from UTF-8.
fn append_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &octet in text {
        match octet {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
            // Writing to a `Vec` cannot fail.
            0x00..=0x1f | 0x7f => _ = write!(out, "\\u{octet:04x}"),
            _ => out.push(octet),
        }
    }
    out.push(b'"');
}
