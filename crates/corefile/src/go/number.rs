//! Integers as Go's `strconv` reads them.

use std::num::IntErrorKind;
use std::str::FromStr;

use super::quote;

/// A decimal integer with an optional sign, 64 bits.
///
/// # Errors
/// `strconv.Atoi: parsing "x": invalid syntax`, or `value out of range`.
pub fn atoi(text: &str) -> Result<i64, String> {
    read("Atoi", text, text.strip_prefix(['+', '-']).unwrap_or(text))
}

/// A decimal number without a sign, 16 bits.
///
/// # Errors
/// `strconv.ParseUint: parsing "x": invalid syntax`, or `value out of range`.
pub fn parse_uint16(text: &str) -> Result<u16, String> {
    read("ParseUint", text, text)
}

/// A decimal number without a sign, 32 bits.
///
/// # Errors
/// `strconv.ParseUint: parsing "x": invalid syntax`, or `value out of range`.
pub fn parse_uint32(text: &str) -> Result<u32, String> {
    read("ParseUint", text, text)
}

/// A decimal number without a sign, 64 bits.
///
/// # Errors
/// `strconv.ParseUint: parsing "x": invalid syntax`, or `value out of range`.
pub fn parse_uint64(text: &str) -> Result<u64, String> {
    read("ParseUint", text, text)
}

/// `digits` is the text without the sign that `function` allows.
fn read<T: FromStr<Err = std::num::ParseIntError>>(
    function: &str,
    text: &str,
    digits: &str,
) -> Result<T, String> {
    let error = |reason: &str| format!("strconv.{function}: parsing {}: {reason}", quote(text));
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(error("invalid syntax"));
    }
    text.parse().map_err(|cause: std::num::ParseIntError| match cause.kind() {
        IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => error("value out of range"),
        _ => error("invalid syntax"),
    })
}
