//! A whole line: what stands around the text of a rule's format, as text or as a JSON object.

use std::io::Write;
use std::time::SystemTime;

use dunlin_core::buffer::Buffer;
use dunlin_core::lines::{Format as Form, Style};
use dunlin_core::replacer::{self, Event, Format, text};
use dunlin_core::timestamp;
use dunlin_core::wire::Presentation;

/// A line is never longer than this, in octets, its line feed included.
const MAX_LINE_LEN: usize = 4096;

/// Appends the line of an event, line feed included.
pub(super) fn append(style: Style, format: &Format, event: &Event<'_>, out: &mut Vec<u8>) {
    match style.format {
        Form::Text => append_text(style, format, event, out),
        Form::Json => append_object(format, event, out),
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

/// The same as an object: the time, the text under `msg`, and every field with its type, under the
/// names that CoreDNS gives them. `rcode` is null if nothing was sent.
fn append_object(format: &Format, event: &Event<'_>, out: &mut Vec<u8>) {
    let mut text = Buffer::new();
    format.append(event, &mut text);
    cut(&mut text, MAX_LINE_LEN / 4);
    let mut object = Object { out, is_empty: true };
    object.string("time", |out| timestamp::append(out, SystemTime::now()));
    object.string("level", |out| out.extend_from_slice(b"INFO"));
    object.raw("msg", |out| append_quoted(out, &text));
    append_query(&mut object, event);
    match event.outcome {
        None => object.raw("rcode", |out| out.extend_from_slice(b"null")),
        Some(outcome) => {
            object.string("rcode", |out| replacer::append_rcode(outcome.rcode, out));
            object.string("rflags", |out| text::flags(out, outcome.flags));
            object.raw("response_size", |out| text::number(out, outcome.size));
        }
    }
    object.raw("duration_seconds", |out| text::seconds(out, event.duration.unwrap_or_default()));
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
    object.string("qclass", |out| replacer::append_class(query.qclass_code(), out));
    object.string("qtype", |out| replacer::append_type(query.qtype_code(), out));
    object.raw("request_size", |out| text::number(out, query.len()));
    object.raw("do", |out| out.extend_from_slice(replacer::truth(query.dnssec_ok())));
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dunlin_core::query::Source;
    use dunlin_core::replacer::Outcome;
    use dunlin_core::rr::RecordType;
    use dunlin_core::testing::{TestQuery, query as ask};
    use dunlin_core::wire::{HEADER_LEN, WireName};
    use dunlin_core::{Query, Reply, gate};

    use super::*;

    fn question(name: &str) -> TestQuery {
        ask(name, RecordType::A)
    }

    fn render(style: Style, format: &str, query: &Query) -> String {
        let reply = match query.qname() {
            b"\x06silent\x00" => Reply::silence(),
            _ => query.reply(),
        };
        let mut result = Ok(reply);
        let outcome = Outcome::of(query, &mut result);
        let event = Event { query, outcome, duration: Some(Duration::from_micros(1500)) };
        let mut out = b"before\n".to_vec();
        append(style, &Format::compile(format), &event, &mut out);
        let line = String::from_utf8(out).expect("UTF-8");
        let line = line.strip_prefix("before\n").unwrap();
        assert!(
            line.ends_with('\n') && line.matches('\n').count() == 1 && line.len() <= 4096,
            "{line}"
        );
        line.trim_end().to_owned()
    }

    const JSON: Style = Style { format: Form::Json, time: false };

    #[test]
    fn json_has_every_field_with_its_type() {
        let found = render(JSON, "{name} \"{type}\" {x}", &question("a.test.").edns(1400).build());
        let expected = [
            r#"","level":"INFO","msg":"a.test. \"A\" {x}","client_ip":"127.0.0.1","client_port":40000,"#,
            r#""server_ip":"127.0.0.1","proto":"udp","id":4660,"opcode":0,"qname":"a.test.","#,
            r#""qclass":"IN","qtype":"A","request_size":35,"do":false,"bufsize":1400,"#,
            r#""rcode":"NOERROR","rflags":"qr,rd","response_size":24,"duration_seconds":0.0015}"#,
        ];
        let (time, rest) = found.split_at(33);
        assert!(time.starts_with(r#"{"time":"20"#) && time.ends_with('Z'), "{found}");
        assert_eq!(rest, expected.concat());
        let silent = render(JSON, "x", &question("silent.").from("[2001:db8::1]:1053").build());
        assert!(silent.contains(r#""client_ip":"2001:db8::1""#), "{silent}");
        assert!(
            silent.ends_with(r#""bufsize":512,"rcode":null,"duration_seconds":0.0015}"#),
            "{silent}"
        );
    }

    /// A query for a name that has no text form to write down.
    fn query_for(labels: &[Vec<u8>]) -> Query {
        let mut bytes = question(".").to_bytes();
        let rest = bytes.split_off(HEADER_LEN);
        for label in labels {
            bytes.push(label.len().try_into().unwrap());
            bytes.extend_from_slice(label);
        }
        bytes.extend_from_slice(&rest);
        let example = question(".").build();
        let mut name = WireName::new();
        let (client, transport) = (example.client(), example.transport());
        let view = gate::accept(&bytes, client, transport, gate::Opcodes::default(), &mut name);
        let (local, received) = (example.local(), example.received());
        let source = Source { client, local, transport, received };
        Query::new(Buffer::from(bytes), view.unwrap(), &name, source)
    }

    #[test]
    fn any_name_gives_one_short_valid_line() {
        let labels: Vec<Vec<u8>> = vec![
            b"\"\\\n\r\0\x1b[31m".to_vec(),
            vec![0xff; 63],
            vec![0x80, 0xc3, 0x28],
            b"a.b c".to_vec(),
        ];
        let longest = vec![vec![0xff; 63], vec![b'\\'; 63], vec![0; 63], vec![b'"'; 61]];
        let names = labels.into_iter().map(|label| vec![label]).chain([longest]);
        for labels in names {
            let query = query_for(&labels);
            for style in [JSON, Style::default()] {
                let line = render(style, &"{name}".repeat(5), &query);
                assert!(line.chars().all(|letter| ('\x20'..='\x7e').contains(&letter)), "{line:?}");
                if style.format == Form::Json {
                    assert!(is_json_object(&line), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_time_stands_in_front_if_asked_for() {
        let text =
            render(Style { time: true, ..Style::default() }, "{name}", &question("a").build());
        let (time, rest) = text.split_at(24);
        assert!(time.starts_with("20") && time.ends_with('Z'), "{text}");
        assert_eq!(rest, " [INFO] a.");
    }

    /// Balanced quotes with known escapes only, and no brace inside but in strings.
    fn is_json_object(line: &str) -> bool {
        let mut letters = line.chars();
        let mut outside = String::new();
        while let Some(letter) = letters.next() {
            if letter != '"' {
                outside.push(letter);
                continue;
            }
            loop {
                match letters.next() {
                    Some('"') => break,
                    Some('\\') => match letters.next() {
                        Some('"' | '\\') => {}
                        Some('u') => {
                            if !(0..4)
                                .all(|_| letters.next().is_some_and(|l| l.is_ascii_hexdigit()))
                            {
                                return false;
                            }
                        }
                        _ => return false,
                    },
                    Some(letter) if letter >= ' ' => {}
                    _ => return false,
                }
            }
        }
        outside.starts_with('{') && outside.ends_with('}') && outside.matches('{').count() == 1
    }
}
