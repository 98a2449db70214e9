//! The functions of expressions: what CoreDNS tells of a query, and a few of expr-lang's own.

use std::net::IpAddr;

use dunlin_core::wire::Presentation;
use dunlin_core::{Query, mnemonic};
use ipnet::IpNet;

use super::types::Type;
use super::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    BufSize,
    Class,
    ClientIp,
    Do,
    Id,
    InCidr,
    Metadata,
    Name,
    Opcode,
    Port,
    Proto,
    ServerIp,
    ServerPort,
    Size,
    QueryType,
    Float,
    Integer,
    Len,
    Lower,
    Split,
    Text,
    Trim,
    Upper,
}

/// Name, what it returns, least and most arguments.
type Known = (&'static str, Function, Type, usize, usize);

const KNOWN: [Known; 23] = [
    ("bufsize", Function::BufSize, Type::Integer, 0, 0),
    ("class", Function::Class, Type::Text, 0, 0),
    ("client_ip", Function::ClientIp, Type::Text, 0, 0),
    ("do", Function::Do, Type::Bool, 0, 0),
    ("id", Function::Id, Type::Integer, 0, 0),
    ("incidr", Function::InCidr, Type::Bool, 2, 2),
    ("metadata", Function::Metadata, Type::Text, 1, 1),
    ("name", Function::Name, Type::Text, 0, 0),
    ("opcode", Function::Opcode, Type::Integer, 0, 0),
    ("port", Function::Port, Type::Text, 0, 0),
    ("proto", Function::Proto, Type::Text, 0, 0),
    ("server_ip", Function::ServerIp, Type::Text, 0, 0),
    ("server_port", Function::ServerPort, Type::Text, 0, 0),
    ("size", Function::Size, Type::Integer, 0, 0),
    ("type", Function::QueryType, Type::Text, 0, 0),
    ("float", Function::Float, Type::Float, 1, 1),
    ("int", Function::Integer, Type::Integer, 1, 1),
    ("len", Function::Len, Type::Integer, 1, 1),
    ("lower", Function::Lower, Type::Text, 1, 1),
    ("split", Function::Split, Type::List, 2, 2),
    ("string", Function::Text, Type::Text, 1, 1),
    ("trim", Function::Trim, Type::Text, 1, 2),
    ("upper", Function::Upper, Type::Text, 1, 1),
];

impl Function {
    pub(super) fn of(name: &str) -> Option<Known> {
        KNOWN.into_iter().find(|known| known.0 == name)
    }

    pub(super) fn returns(self) -> Type {
        KNOWN.iter().find(|known| known.1 == self).map_or(Type::Any, |known| known.2)
    }

    /// `None` is a failure: arguments that make no sense.
    pub(super) fn call<'a>(self, query: &'a Query, arguments: &[Value<'a>]) -> Option<Value<'a>> {
        let text = |at: usize| arguments.get(at).and_then(Value::as_text);
        let integer = |number: usize| i64::try_from(number).ok().map(Value::Integer);
        let mnemonic = |known: Option<&'static str>, lead: &str, code: u16| {
            known.map_or_else(|| Value::text(format!("{lead}{code}")), Value::text)
        };
        match self {
            Self::BufSize => integer(query.max_size()),
            Self::Class => {
                let code = query.qclass_code();
                Some(mnemonic(mnemonic::class(code), "CLASS", code))
            }
            Self::ClientIp => Some(Value::text(query.client().ip().to_string())),
            Self::Do => Some(Value::Bool(query.dnssec_ok())),
            Self::Id => Some(Value::Integer(query.id().into())),
            Self::InCidr => Some(Value::Bool(in_cidr(text(0)?, text(1)?)?)),
            Self::Metadata => {
                let value = query.metadata().and_then(|metadata| metadata.get(text(0)?));
                Some(Value::text(value.unwrap_or_default()))
            }
            Self::Name => Some(Value::text(Presentation(query.qname()).to_string())),
            Self::Opcode => Some(Value::Integer(query.flags().opcode().into())),
            Self::Port => Some(Value::text(query.client().port().to_string())),
            Self::Proto => Some(Value::text(query.transport().label())),
            Self::ServerIp => Some(Value::text(query.local().ip().to_string())),
            Self::ServerPort => Some(Value::text(query.local().port().to_string())),
            Self::Size => integer(query.len()),
            Self::QueryType => {
                let code = query.qtype_code();
                Some(mnemonic(mnemonic::rtype(code), "TYPE", code))
            }
            Self::Float => convert(arguments.first()?).map(Value::Float),
            Self::Integer => to_integer(arguments.first()?).map(Value::Integer),
            Self::Len => match arguments.first()? {
                Value::Text(text) => integer(text.chars().count()),
                Value::List(items) => integer(items.len()),
                _ => None,
            },
            Self::Lower => Some(Value::text(text(0)?.to_lowercase())),
            Self::Split => Some(Value::List(
                text(0)?.split(text(1)?).map(|part| Value::text(part.to_owned())).collect(),
            )),
            Self::Text => shown(arguments.first()?).map(Value::text),
            Self::Trim => {
                let edges = arguments.get(1).map(|_| text(1));
                Some(Value::text(
                    match edges {
                        Some(edges) => {
                            text(0)?.trim_matches(|c| edges.is_some_and(|e| e.contains(c)))
                        }
                        None => text(0)?.trim(),
                    }
                    .to_owned(),
                ))
            }
            Self::Upper => Some(Value::text(text(0)?.to_uppercase())),
        }
    }
}

/// Whether an address lies in a network; `None` if one of them is none.
fn in_cidr(address: &str, network: &str) -> Option<bool> {
    let address: IpAddr = address.parse().ok()?;
    Some(network.parse::<IpNet>().ok()?.contains(&address))
}

fn convert(value: &Value<'_>) -> Option<f64> {
    value.number().or_else(|| value.as_text()?.parse().ok())
}

#[allow(clippy::cast_possible_truncation, reason = "as Go's int() cuts a float")]
fn to_integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Float(number) => Some(*number as i64),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn shown(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.to_string()),
        Value::Nil | Value::List(_) => None,
    }
}
