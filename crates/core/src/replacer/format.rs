//! A format, compiled once: literal text, placeholders, metadata labels.

use crate::mnemonic;
use crate::wire::Presentation;

use super::event::{Event, Outcome};
use super::text;

/// A compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Box<[Piece]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field),
    /// `{/plugin/name}`
    Metadata(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Type,
    Name,
    Class,
    Proto,
    Size,
    Remote,
    Local,
    Port,
    Id,
    Opcode,
    DnssecOk,
    BufferSize,
    Rcode,
    ReplySize,
    ReplyFlags,
    Duration,
}

impl Format {
    /// What `{common}` stands for, and the format of rules that name none.
    pub const COMMON: &'static str = concat!(
        r#"{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" "#,
        "{rcode} {>rflags} {rsize} {duration}"
    );
    /// What `{combined}` adds to it.
    const COMBINED_TAIL: &'static str = r#" "{>opcode}""#;

    /// Compiles a format. A `}` belongs to the nearest `{` before it; what is no placeholder stays
    /// as it stands.
    pub fn compile(format: &str) -> Self {
        let combined = format!("{}{}", Self::COMMON, Self::COMBINED_TAIL);
        let format = format.replace("{common}", Self::COMMON).replace("{combined}", &combined);
        let mut pieces = Vec::new();
        let mut rest = format.as_str();
        while let Some((before, after)) = rest.split_once('}') {
            let found = before.rsplit_once('{');
            match found.and_then(|(lead, inside)| Some((lead, Piece::of(inside)?))) {
                Some((lead, piece)) => {
                    push_literal(&mut pieces, lead);
                    pieces.push(piece);
                }
                None => {
                    push_literal(&mut pieces, before);
                    push_literal(&mut pieces, "}");
                }
            }
            rest = after;
        }
        push_literal(&mut pieces, rest);
        Self(pieces.into())
    }

    /// Appends the text of an event, without line feed.
    pub fn append(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(field) => field.append(event, out),
                Piece::Metadata(label) => append_metadata(event, label, out),
            }
        }
    }
}

/// Adds to the literal at the end, or begins one.
fn push_literal(pieces: &mut Vec<Piece>, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut clean = Vec::with_capacity(text.len());
    text::on_one_line(&mut clean, text);
    let clean = String::from_utf8_lossy(&clean);
    match pieces.last_mut() {
        Some(Piece::Literal(literal)) => literal.push_str(&clean),
        _ => pieces.push(Piece::Literal(clean.into_owned())),
    }
}

impl Piece {
    fn of(inside: &str) -> Option<Self> {
        if let Some(label) = inside.strip_prefix('/') {
            return Some(Self::Metadata(label.to_owned()));
        }
        Field::NAMES.iter().find(|(name, _)| *name == inside).map(|(_, field)| Self::Field(*field))
    }
}

impl Field {
    const NAMES: [(&'static str, Self); 16] = [
        ("type", Self::Type),
        ("name", Self::Name),
        ("class", Self::Class),
        ("proto", Self::Proto),
        ("size", Self::Size),
        ("remote", Self::Remote),
        ("local", Self::Local),
        ("port", Self::Port),
        (">id", Self::Id),
        (">opcode", Self::Opcode),
        (">do", Self::DnssecOk),
        (">bufsize", Self::BufferSize),
        ("rcode", Self::Rcode),
        ("rsize", Self::ReplySize),
        (">rflags", Self::ReplyFlags),
        ("duration", Self::Duration),
    ];

    fn append(self, event: &Event<'_>, out: &mut Vec<u8>) {
        let query = event.query;
        match self {
            Self::Type => append_type(query.qtype_code(), out),
            Self::Name => Presentation(query.qname()).append_to(out),
            Self::Class => append_class(query.qclass_code(), out),
            Self::Proto => out.extend_from_slice(query.transport().label().as_bytes()),
            Self::Size => text::number(out, query.len()),
            Self::Remote => text::bracketed(out, query.client().ip()),
            Self::Local => text::bracketed(out, query.local().ip()),
            Self::Port => text::number(out, query.client().port()),
            Self::Id => text::number(out, query.id()),
            Self::Opcode => text::number(out, query.flags().opcode()),
            Self::DnssecOk => out.extend_from_slice(truth(query.dnssec_ok())),
            Self::BufferSize => text::number(out, query.max_size()),
            Self::ReplySize | Self::Duration if event.duration.is_none() => out.push(NOTHING),
            Self::ReplySize => text::number(out, event.outcome.map_or(0, |outcome| outcome.size)),
            Self::Rcode | Self::ReplyFlags => match event.outcome {
                Some(outcome) => self.append_outcome(outcome, out),
                None => out.push(NOTHING),
            },
            Self::Duration => {
                text::seconds(out, event.duration.unwrap_or_default());
                out.push(b's');
            }
        }
    }

    fn append_outcome(self, outcome: Outcome, out: &mut Vec<u8>) {
        match self {
            Self::ReplyFlags => text::flags(out, outcome.flags),
            _ => append_rcode(outcome.rcode, out),
        }
    }
}

/// The name of a type, or `TYPE` and its number.
pub fn append_type(code: u16, out: &mut Vec<u8>) {
    text::name_or(out, mnemonic::rtype(code), "TYPE", code);
}

/// The name of a class, or `CLASS` and its number.
pub fn append_class(code: u16, out: &mut Vec<u8>) {
    text::name_or(out, mnemonic::class(code), "CLASS", code);
}

/// The name of an rcode, or its number.
pub fn append_rcode(code: u16, out: &mut Vec<u8>) {
    text::name_or(out, mnemonic::rcode(code), "", code);
}

/// `true` or `false`.
pub fn truth(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

fn append_metadata(event: &Event<'_>, label: &str, out: &mut Vec<u8>) {
    match event.query.metadata().and_then(|metadata| metadata.get(label)) {
        Some(value) => text::on_one_line(out, &value),
        None => out.push(NOTHING),
    }
}

/// What stands for a value that does not exist.
const NOTHING: u8 = b'-';
