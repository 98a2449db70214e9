//! The functions of templates: Go's own but `call`, and CoreDNS' `parseInt`.

use super::format::{html, js, printf, sprint, sprintln, url_query};
use super::value::Value;

/// A function by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Function(&'static str);

/// All of them, with the least and the greatest number of arguments.
const ALL: [(&str, usize, usize); 19] = [
    ("and", 1, usize::MAX),
    ("or", 1, usize::MAX),
    ("not", 1, 1),
    ("eq", 1, usize::MAX),
    ("ne", 2, 2),
    ("lt", 2, 2),
    ("le", 2, 2),
    ("gt", 2, 2),
    ("ge", 2, 2),
    ("index", 1, usize::MAX),
    ("slice", 1, 4),
    ("len", 1, 1),
    ("print", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("println", 0, usize::MAX),
    ("html", 0, usize::MAX),
    ("js", 0, usize::MAX),
    ("urlquery", 0, usize::MAX),
    ("parseInt", 3, 3),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.iter().find(|(known, ..)| *known == name).map(|(known, ..)| Self(known))
    }

    pub(super) fn name(self) -> &'static str {
        self.0
    }

    /// Whether it stops at an argument: those behind it are not even looked at.
    pub(super) fn stops_at(self, value: &Value<'_>) -> bool {
        match self.0 {
            "and" => !value.is_true(),
            "or" => value.is_true(),
            _ => false,
        }
    }

    /// Calls it. A text that Go would put behind `error calling NAME: ` stands there here too.
    pub(super) fn call<'d>(self, arguments: &[Value<'d>]) -> Result<Value<'d>, String> {
        let found = match self.0 {
            "and" | "or" => arguments.last().cloned().ok_or_else(String::new),
            "not" => Ok(Value::Bool(!arguments.first().is_some_and(Value::is_true))),
            "eq" => equal(arguments).map(Value::Bool),
            "ne" => equal(arguments).map(|same| Value::Bool(!same)),
            "lt" => compare(arguments, std::cmp::Ordering::is_lt),
            "le" => compare(arguments, std::cmp::Ordering::is_le),
            "gt" => compare(arguments, std::cmp::Ordering::is_gt),
            "ge" => compare(arguments, std::cmp::Ordering::is_ge),
            "index" => index(arguments),
            "slice" => slice(arguments),
            "len" => len(arguments),
            "print" => sprint(arguments).map(Value::text),
            "println" => sprintln(arguments).map(Value::text),
            "printf" => printf(arguments).map(Value::text),
            "html" => sprint(arguments).map(|text| Value::text(html(&text))),
            "js" => sprint(arguments).map(|text| Value::text(js(&text))),
            "urlquery" => sprint(arguments).map(|text| Value::text(url_query(&text))),
            _ => parse_int(arguments),
        };
        found.map_err(|text| format!("error calling {}: {text}", self.0))
    }

    /// Whether it takes so many arguments.
    pub(super) fn check_count(self, count: usize) -> Result<(), String> {
        let Some((name, least, most)) = ALL.iter().find(|(known, ..)| *known == self.0) else {
            return Ok(());
        };
        let wanted = match (*least, *most) {
            (least, usize::MAX) => format!("at least {least}"),
            (_, most) => most.to_string(),
        };
        let fits = (*least..=*most).contains(&count);
        fits.then_some(())
            .ok_or_else(|| format!("wrong number of args for {name}: want {wanted} got {count}"))
    }
}

/// Whether the first is one of the others.
fn equal(arguments: &[Value<'_>]) -> Result<bool, String> {
    let Some((first, others)) = arguments.split_first() else { return Ok(false) };
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        let same = match (first, other) {
            (Value::Nothing | Value::Nil, other) | (other, Value::Nothing | Value::Nil) => {
                matches!(other, Value::Nothing | Value::Nil)
            }
            (Value::Bool(one), Value::Bool(other)) => one == other,
            _ => first.order(other).ok_or_else(|| incompatible(first, other))?.is_eq(),
        };
        if same {
            return Ok(true);
        }
    }
    Ok(false)
}

fn incompatible(one: &Value<'_>, other: &Value<'_>) -> String {
    let has_order = |value: &Value<'_>| {
        matches!(value, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Text(_))
    };
    match has_order(one) && has_order(other) {
        true => format!(
            "incompatible types for comparison: {} and {}",
            one.type_name(),
            other.type_name()
        ),
        false => "invalid type for comparison".into(),
    }
}

fn compare<'d>(
    arguments: &[Value<'d>],
    holds: impl Fn(std::cmp::Ordering) -> bool,
) -> Result<Value<'d>, String> {
    let [one, other] = arguments else { return Err("missing argument for comparison".into()) };
    let order = one.order(other).ok_or_else(|| incompatible(one, other))?;
    Ok(Value::Bool(holds(order)))
}

/// An item of a list, an octet of a text, an entry of a map; further arguments lead further in.
fn index<'d>(arguments: &[Value<'d>]) -> Result<Value<'d>, String> {
    let Some((item, keys)) = arguments.split_first() else {
        return Err("index of untyped nil".into());
    };
    let mut item = item.clone();
    for key in keys {
        item = match &item {
            Value::Nothing | Value::Nil => return Err("index of untyped nil".into()),
            Value::List(values) => {
                let place = place(key, values.len())?;
                values.get(place).cloned().ok_or_else(|| out_of_range(key))?
            }
            Value::Text(text) => {
                let place = place(key, text.len())?;
                let octet = text.as_bytes().get(place).ok_or_else(|| out_of_range(key))?;
                Value::Uint((*octet).into())
            }
            Value::Map(entries) => {
                let name = key.as_text().ok_or_else(|| {
                    format!("value has type {}; should be string", key.type_name())
                })?;
                Value::entry(entries, name).unwrap_or_else(|| Value::text(""))
            }
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn out_of_range(key: &Value<'_>) -> String {
    format!("index out of range: {key}")
}

fn place(key: &Value<'_>, length: usize) -> Result<usize, String> {
    let number = key.number().ok_or_else(|| match key {
        Value::Nothing | Value::Nil => "cannot index slice/array with nil".to_owned(),
        _ => format!("cannot index slice/array with type {}", key.type_name()),
    })?;
    usize::try_from(number).ok().filter(|place| *place < length).ok_or_else(|| out_of_range(key))
}

/// `slice x 1 2` is `x[1:2]`.
fn slice<'d>(arguments: &[Value<'d>]) -> Result<Value<'d>, String> {
    let Some((item, bounds)) = arguments.split_first() else {
        return Err("slice of untyped nil".into());
    };
    let length = match item {
        Value::Text(text) => text.len(),
        Value::List(values) => values.len(),
        Value::Nothing | Value::Nil => return Err("slice of untyped nil".into()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    if bounds.len() > 2 && matches!(item, Value::Text(_)) {
        return Err("cannot 3-index slice a string".into());
    }
    let mut places = Vec::new();
    for bound in bounds {
        places.push(place(bound, length + 1)?);
    }
    let from = places.first().copied().unwrap_or(0);
    let to = places.get(1).copied().unwrap_or(length);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match item {
        // Octets in the middle of a character are none of a name.
        Value::Text(text) => Ok(Value::text(text.get(from..to).unwrap_or_default())),
        Value::List(values) => {
            Ok(Value::list(values.get(from..to).unwrap_or_default().iter().cloned()))
        }
        _ => Ok(Value::Nothing),
    }
}

fn len<'d>(arguments: &[Value<'d>]) -> Result<Value<'d>, String> {
    let length = match arguments.first() {
        Some(Value::Text(text)) => text.len(),
        Some(Value::List(values)) => values.len(),
        Some(Value::Map(entries)) => entries.len(),
        None | Some(Value::Nothing | Value::Nil) => return Err("len of nil pointer".into()),
        Some(other) => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// Go's `strconv.ParseUint`: an unsigned number with this base and at most so many bits.
fn parse_int<'d>(arguments: &[Value<'d>]) -> Result<Value<'d>, String> {
    let [text, base, bits] = arguments else { return Err("three arguments required".into()) };
    let (Some(text), Some(base), Some(bits)) = (text.as_text(), base.number(), bits.number())
    else {
        return Err("wrong type for value; expected string, int, int".into());
    };
    let error = |reason: &str| {
        format!("strconv.ParseUint: parsing {}: {reason}", super::format::quoted(text))
    };
    let number = match base {
        0 => super::numbers::literal(text).filter(|_| !text.starts_with(['+', '-'])),
        2..=36 => {
            let radix = u32::try_from(base).unwrap_or(10);
            let is_plain = !text.is_empty() && text.chars().all(|digit| digit.is_digit(radix));
            if !is_plain {
                return Err(error("invalid syntax"));
            }
            Some(i128::from_str_radix(text, radix).unwrap_or(i128::MAX))
        }
        _ => return Err(error(&format!("invalid base {base}"))),
    };
    let number = number.ok_or_else(|| error("invalid syntax"))?;
    let bits = match bits {
        0 => 64,
        1..=64 => u32::try_from(bits).unwrap_or(64),
        _ => return Err(error(&format!("invalid bit size {bits}"))),
    };
    let value = u64::try_from(number).ok();
    let value = value.filter(|value| bits == 64 || value >> bits == 0);
    value.map(Value::Uint).ok_or_else(|| error("value out of range"))
}
