//! Go's literals: integers and escapes in quotes.

/// An integer as Go's `strconv.ParseInt` with base 0 reads it, wide enough for `uint64` too.
pub(super) fn literal(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (lower.get(2..)?, 16),
        [b'0', b'b', ..] => (lower.get(2..)?, 2),
        [b'0', b'o', ..] => (lower.get(2..)?, 8),
        [b'0', _, ..] => (lower.get(1..)?, 8),
        _ => (lower.as_str(), 10),
    };
    let digits = digits.replace('_', "");
    let is_plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let number = i128::from_str_radix(&digits, radix).ok().filter(|_| is_plain)?;
    let number = if negative { -number } else { number };
    let fits = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
    fits.then_some(number)
}

/// The character of an escape, and its length in the text; `\x80` and above are no characters.
pub(super) fn escape(text: &str) -> Option<(char, usize)> {
    let kind = text.chars().nth(1)?;
    let simple = match kind {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '\\' | '"' | '\'' => kind,
        'x' => return coded(text, 2, 2, 16),
        'u' => return coded(text, 2, 4, 16),
        'U' => return coded(text, 2, 8, 16),
        '0'..='7' => return coded(text, 1, 3, 8),
        _ => return None,
    };
    Some((simple, 2))
}

fn coded(text: &str, start: usize, digits: usize, radix: u32) -> Option<(char, usize)> {
    let end = start + digits;
    let code = text.get(start..end)?;
    let code = code.chars().all(|digit| digit.is_digit(radix)).then_some(code)?;
    let code = u32::from_str_radix(code, radix).ok()?;
    let is_octet = digits < 4;
    let character = char::from_u32(code).filter(|_| !is_octet || code < 0x80)?;
    Some((character, end))
}
