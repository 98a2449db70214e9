//! The functions of expressions: what CoreDNS tells of a query, and some of expr-lang's own.

use std::net::IpAddr;

use crate::mnemonic;
use crate::wire::Presentation;
use ipnet::IpNet;

use super::scope::Scope;
use super::texts;
use super::types::Type;
use super::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    BufSize,
    Class,
    ClientIp,
    Do,
    Group,
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
    First,
    Float,
    HasPrefix,
    HasSuffix,
    IndexOf,
    Integer,
    Join,
    Last,
    LastIndexOf,
    Len,
    Lower,
    Repeat,
    Replace,
    Split,
    Text,
    Trim,
    TrimPrefix,
    TrimSuffix,
    Upper,
}

/// Name, what it returns, least and most arguments.
type Known = (&'static str, Function, Type, usize, usize);

const KNOWN: [Known; 35] = [
    ("bufsize", Function::BufSize, Type::Integer, 0, 0),
    ("class", Function::Class, Type::Text, 0, 0),
    ("client_ip", Function::ClientIp, Type::Text, 0, 0),
    ("do", Function::Do, Type::Bool, 0, 0),
    ("group", Function::Group, Type::Text, 1, 1),
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
    ("first", Function::First, Type::Any, 1, 1),
    ("float", Function::Float, Type::Float, 1, 1),
    ("hasPrefix", Function::HasPrefix, Type::Bool, 2, 2),
    ("hasSuffix", Function::HasSuffix, Type::Bool, 2, 2),
    ("indexOf", Function::IndexOf, Type::Integer, 2, 2),
    ("int", Function::Integer, Type::Integer, 1, 1),
    ("join", Function::Join, Type::Text, 1, 2),
    ("last", Function::Last, Type::Any, 1, 1),
    ("lastIndexOf", Function::LastIndexOf, Type::Integer, 2, 2),
    ("len", Function::Len, Type::Integer, 1, 1),
    ("lower", Function::Lower, Type::Text, 1, 1),
    ("repeat", Function::Repeat, Type::Text, 2, 2),
    ("replace", Function::Replace, Type::Text, 3, 4),
    ("split", Function::Split, Type::List, 2, 2),
    ("string", Function::Text, Type::Text, 1, 1),
    ("trim", Function::Trim, Type::Text, 1, 2),
    ("trimPrefix", Function::TrimPrefix, Type::Text, 1, 2),
    ("trimSuffix", Function::TrimSuffix, Type::Text, 1, 2),
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
    pub(super) fn call<'a>(self, scope: &Scope<'a>, arguments: &[Value<'a>]) -> Option<Value<'a>> {
        let query = scope.query;
        let text = |at: usize| arguments.get(at).and_then(Value::as_text);
        let mnemonic = |known: Option<&'static str>, lead: &str, code: u16| {
            known.map_or_else(|| Value::text(format!("{lead}{code}")), Value::text)
        };
        match self {
            Self::BufSize => count(query.max_size()),
            Self::Class => {
                let code = query.qclass_code();
                Some(mnemonic(mnemonic::class(code), "CLASS", code))
            }
            Self::ClientIp => Some(Value::text(query.client().ip().to_string())),
            Self::Do => Some(Value::Bool(query.dnssec_ok())),
            Self::Group => Some(Value::text(scope.group(arguments.first()?))),
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
            Self::Size => count(query.len()),
            Self::QueryType => {
                let code = query.qtype_code();
                Some(mnemonic(mnemonic::rtype(code), "TYPE", code))
            }
            _ => self.compute(arguments),
        }
    }

    /// The functions that look at nothing but their arguments.
    fn compute<'a>(self, arguments: &[Value<'a>]) -> Option<Value<'a>> {
        let text = |at: usize| arguments.get(at).and_then(Value::as_text);
        match self {
            Self::First => edge(arguments, <[Value<'a>]>::first),
            Self::Last => edge(arguments, <[Value<'a>]>::last),
            Self::HasPrefix => Some(Value::Bool(text(0)?.starts_with(text(1)?))),
            Self::HasSuffix => Some(Value::Bool(text(0)?.ends_with(text(1)?))),
            Self::IndexOf => Some(place(text(0)?.find(text(1)?))),
            Self::LastIndexOf => Some(place(text(0)?.rfind(text(1)?))),
            Self::Join => texts::join(arguments.first()?, texts::or(arguments, 1, "")?),
            Self::Repeat => texts::repeat(text(0)?, arguments.get(1)?),
            Self::Replace => texts::replace(text(0)?, text(1)?, text(2)?, arguments.get(3)),
            Self::TrimPrefix => {
                let edge = texts::or(arguments, 1, " ")?;
                Some(Value::text(text(0)?.strip_prefix(edge).unwrap_or(text(0)?).to_owned()))
            }
            Self::TrimSuffix => {
                let edge = texts::or(arguments, 1, " ")?;
                Some(Value::text(text(0)?.strip_suffix(edge).unwrap_or(text(0)?).to_owned()))
            }
            Self::Float => convert(arguments.first()?).map(Value::Float),
            Self::Integer => to_integer(arguments.first()?).map(Value::Integer),
            Self::Len => match arguments.first()? {
                Value::Text(text) => count(text.chars().count()),
                Value::List(items) => count(items.len()),
                _ => None,
            },
            Self::Lower => Value::bounded(text(0)?.to_lowercase()),
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
            Self::Upper => Value::bounded(text(0)?.to_uppercase()),
            _ => None,
        }
    }
}

/// The first or last value of a list; `nil` if there is none.
fn edge<'a>(
    arguments: &[Value<'a>],
    of: for<'v> fn(&'v [Value<'a>]) -> Option<&'v Value<'a>>,
) -> Option<Value<'a>> {
    let Value::List(items) = arguments.first()? else { return None };
    Some(of(items).cloned().unwrap_or(Value::Nil))
}

fn count(number: usize) -> Option<Value<'static>> {
    i64::try_from(number).ok().map(Value::Integer)
}

/// An octet's place, or -1.
fn place(found: Option<usize>) -> Value<'static> {
    Value::Integer(found.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1))
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
