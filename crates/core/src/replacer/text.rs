//! Writing numbers, addresses and foreign text into a line: no allocation, no formatter.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::wire::Flags;

/// A number in decimal.
pub fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A name, or if there is none, a word and the number.
pub fn name_or(out: &mut Vec<u8>, name: Option<&str>, word: &str, code: u16) {
    match name {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => {
            out.extend_from_slice(word.as_bytes());
            number(out, code);
        }
    }
}

/// An address, IPv6 in brackets (RFC 3986 §3.2.2).
pub fn bracketed(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(_) => bare(out, address),
        IpAddr::V6(_) => {
            out.push(b'[');
            bare(out, address);
            out.push(b']');
        }
    }
}

/// An address without brackets.
pub fn bare(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [first, rest @ ..] = v4.octets();
            number(out, first);
            for octet in rest {
                out.push(b'.');
                number(out, octet);
            }
        }
        // Writing to a `Vec` cannot fail.
        IpAddr::V6(v6) => _ = write!(out, "{v6}"),
    }
}

/// Header flags that are set, as `qr,aa,rd`.
pub fn flags(out: &mut Vec<u8>, flags: Flags) {
    let start = out.len();
    for (mask, name) in FLAGS {
        if flags.has(mask) {
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
        }
    }
}

const FLAGS: [(u16, &str); 8] = [
    (Flags::QR, "qr"),
    (Flags::AA, "aa"),
    (Flags::TC, "tc"),
    (Flags::RD, "rd"),
    (Flags::RA, "ra"),
    (Flags::Z, "z"),
    (Flags::AD, "ad"),
    (Flags::CD, "cd"),
];

/// Seconds as the shortest decimal fraction, without exponent and without unit: `0.000053781`.
pub fn seconds(out: &mut Vec<u8>, duration: Duration) {
    number(out, duration.as_secs());
    let mut nanos = duration.subsec_nanos();
    if nanos == 0 {
        return;
    }
    out.push(b'.');
    let mut unit = 100_000_000;
    while nanos > 0 {
        number(out, nanos / unit);
        nanos %= unit;
        unit = (unit / 10).max(1);
    }
}

/// Text from elsewhere, kept on its line: control characters become `\DDD`.
pub fn on_one_line(out: &mut Vec<u8>, text: &str) {
    let mut utf8 = [0; 4];
    for letter in text.chars() {
        let octets = letter.encode_utf8(&mut utf8).as_bytes();
        if !letter.is_control() || letter == '\t' {
            out.extend_from_slice(octets);
            continue;
        }
        for octet in octets {
            out.extend_from_slice(&[
                b'\\',
                b'0' + octet / 100,
                b'0' + octet / 10 % 10,
                b'0' + octet % 10,
            ]);
        }
    }
}
