//! `print`, `printf` and the escapes, as Go's `fmt` and `text/template` have them.

use std::fmt::Write as _;

use dunlin_core::corefile::go::quote;

use super::value::Value;

/// Octets that one call may make.
const MAX_LEN: usize = 1 << 16;

/// A blank between two operands of which neither is a text.
pub(super) fn sprint(arguments: &[Value<'_>]) -> Result<String, String> {
    let mut text = String::new();
    let mut before_is_text = true;
    for value in arguments {
        let is_text = matches!(value, Value::Text(_));
        if !is_text && !before_is_text {
            text.push(' ');
        }
        push(&mut text, value)?;
        before_is_text = is_text;
    }
    Ok(text)
}

/// A blank between any two, and a line feed at the end.
pub(super) fn sprintln(arguments: &[Value<'_>]) -> Result<String, String> {
    let mut text = String::new();
    for (index, value) in arguments.iter().enumerate() {
        text.push_str(if index > 0 { " " } else { "" });
        push(&mut text, value)?;
    }
    text.push('\n');
    Ok(text)
}

fn push(text: &mut String, value: &Value<'_>) -> Result<(), String> {
    if let Value::Object(object) = value {
        return Err(format!("can't print {}", object.type_name()));
    }
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{value}");
    if text.len() > MAX_LEN { Err("output is too long".into()) } else { Ok(()) }
}

/// The flags, width and precision of a verb.
#[derive(Debug, Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    blank: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Go's `fmt.Sprintf` without `*` and argument numbers.
pub(super) fn printf(arguments: &[Value<'_>]) -> Result<String, String> {
    let Some((format, values)) = arguments.split_first() else { return Ok(String::new()) };
    let format = format.as_text().ok_or_else(|| {
        format!("wrong type for value; expected string; got {}", format.type_name())
    })?;
    let mut values = values.iter();
    let mut text = String::new();
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let verb = Verb::read(&mut characters)?;
        match characters.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(kind) => match values.next() {
                None => {
                    let _ = write!(text, "%!{kind}(MISSING)");
                }
                Some(value) => text.push_str(&verb.apply(kind, value)?),
            },
        }
        if text.len() > MAX_LEN {
            return Err("output is too long".into());
        }
    }
    let extra: Vec<String> = values.map(|value| format!("{}={value}", value.type_name())).collect();
    if !extra.is_empty() {
        let _ = write!(text, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(text)
}

impl Verb {
    fn read(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Self, String> {
        let mut verb = Self::default();
        while let Some(flag) = characters.next_if(|next| "-+# 0".contains(*next)) {
            match flag {
                '-' => verb.minus = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                ' ' => verb.blank = true,
                _ => verb.zero = true,
            }
        }
        verb.width = number(characters)?;
        if characters.next_if_eq(&'.').is_some() {
            verb.precision = Some(number(characters)?);
        }
        if characters.peek().is_some_and(|next| matches!(next, '*' | '[')) {
            return Err("printf with * or [n] is not supported".into());
        }
        Ok(verb)
    }

    fn apply(&self, kind: char, value: &Value<'_>) -> Result<String, String> {
        let shown = match (kind, value) {
            ('v', Value::Int(_) | Value::Uint(_)) => self.integer('d', value),
            ('v', Value::Text(text)) if self.sharp => Some(quote(text)),
            ('v', _) => Some(sprint(std::slice::from_ref(value))?),
            ('t', Value::Bool(value)) => Some(value.to_string()),
            ('s' | 'q' | 'x' | 'X', Value::Text(text)) => Some(self.string(kind, text)),
            ('s' | 'q', Value::List(values)) => {
                let each: Result<Vec<String>, String> =
                    values.iter().map(|value| self.apply(kind, value)).collect();
                return Ok(format!("[{}]", each?.join(" ")));
            }
            ('d' | 'b' | 'o' | 'x' | 'X' | 'c' | 'q', Value::Int(_) | Value::Uint(_)) => {
                self.integer(kind, value)
            }
            ('T', _) => Some(value.type_name().to_owned()),
            _ => None,
        };
        match shown {
            Some(shown) => Ok(self.padded(&shown, matches!(value, Value::Int(_) | Value::Uint(_)))),
            None => {
                let inner = sprint(std::slice::from_ref(value))?;
                Ok(format!("%!{kind}({}={inner})", value.type_name()))
            }
        }
    }

    fn string(&self, kind: char, text: &str) -> String {
        let cut: String = match self.precision {
            Some(count) => text.chars().take(count).collect(),
            None => text.to_owned(),
        };
        match kind {
            'q' => quote(&cut),
            'x' => cut.bytes().fold(String::new(), |text, octet| format!("{text}{octet:02x}")),
            'X' => cut.bytes().fold(String::new(), |text, octet| format!("{text}{octet:02X}")),
            _ => cut,
        }
    }

    fn integer(&self, kind: char, value: &Value<'_>) -> Option<String> {
        let number = value.number()?;
        let size = number.unsigned_abs();
        let digits = match kind {
            'd' => size.to_string(),
            'b' => format!("{size:b}"),
            'o' => format!("{size:o}"),
            'x' => format!("{size:x}"),
            'X' => format!("{size:X}"),
            _ => {
                let character = u32::try_from(number).ok().and_then(char::from_u32);
                let character = character.unwrap_or('\u{fffd}');
                return Some(if kind == 'q' { format!("'{character}'") } else { character.into() });
            }
        };
        let prefix = match kind {
            'x' if self.sharp => "0x",
            'X' if self.sharp => "0X",
            'b' if self.sharp => "0b",
            'o' if self.sharp => "0",
            _ => "",
        };
        let sign = match number {
            ..0 => "-",
            _ if self.plus => "+",
            _ if self.blank => " ",
            _ => "",
        };
        let fill = match self.precision {
            Some(precision) => precision.saturating_sub(digits.len()),
            None if self.zero && !self.minus => {
                self.width.saturating_sub(digits.len() + prefix.len() + sign.len())
            }
            None => 0,
        };
        Some(format!("{sign}{prefix}{}{digits}", "0".repeat(fill)))
    }

    fn padded(&self, text: &str, is_number: bool) -> String {
        let fill = self.width.saturating_sub(text.chars().count());
        match (self.minus, self.zero && !is_number) {
            (true, _) => format!("{text}{}", " ".repeat(fill)),
            (false, true) => format!("{}{text}", "0".repeat(fill)),
            (false, false) => format!("{}{text}", " ".repeat(fill)),
        }
    }
}

/// Digits of a width; a name has no room for more than this.
fn number(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<usize, String> {
    let mut number = 0_usize;
    while let Some(digit) = characters.peek().and_then(|next| next.to_digit(10)) {
        characters.next();
        number = number.saturating_mul(10).saturating_add(usize::try_from(digit).unwrap_or(0));
    }
    if number > MAX_LEN { Err("output is too long".into()) } else { Ok(number) }
}

/// A text in Go's quotes.
pub(super) fn quoted(text: &str) -> String {
    quote(text)
}

pub(super) fn html(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        match character {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(character),
        }
        out
    })
}

pub(super) fn js(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, character| {
        match character {
            '\\' | '\'' | '"' => out.extend(['\\', character]),
            '<' | '>' | '&' | '=' | '\0'..=' ' if character != ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            _ => out.push(character),
        }
        out
    })
}

pub(super) fn url_query(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(octet));
            }
            b' ' => out.push('+'),
            _ => {
                let _ = write!(out, "%{octet:02X}");
            }
        }
        out
    })
}
