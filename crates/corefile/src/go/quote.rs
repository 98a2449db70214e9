//! `%q`: a text as a Go string literal.

use std::fmt::Write as _;

/// `text` in double quotes, with Go's escapes for quotes, backslashes and what cannot be printed.
///
/// Which characters beyond ASCII count as printable follows Rust's tables, which may know newer characters than Go's.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

fn push(quoted: &mut String, character: char) {
    let short = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        _ => {
            // Writing to a string cannot fail.
            let _ = match u32::from(character) {
                _ if is_printable(character) => write!(quoted, "{character}"),
                code @ ..0x80 => write!(quoted, "\\x{code:02x}"),
                code @ ..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                code => write!(quoted, "\\U{code:08x}"),
            };
            return;
        }
    };
    quoted.push_str(short);
}

fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // `escape_debug` leaves combining marks alone only behind another character, but Go prints them everywhere.
    let mut escaped =
        "x".chars().chain([character]).collect::<String>().escape_debug().skip(1).take(2).count();
    if character.is_whitespace() {
        escaped = 2;
    }
    escaped == 1
}
