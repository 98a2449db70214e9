//! Protocol buffers, written by hand: *dnstap* and *trace* send a few flat messages and read none, so
//! that a compiler of `.proto` files would be more to keep than what it saves.

/// A field whose value is a number of any size.
pub fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

/// A field of four octets.
pub fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field of eight octets.
pub fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field whose value is octets or a text; none without any.
pub fn octets(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        tag(out, field, LENGTH);
        varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }
}

/// A field whose value is a message, which `fill` writes. It is there also if it is empty.
pub fn message(out: &mut Vec<u8>, field: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    tag(out, field, LENGTH);
    varint(out, inner.len() as u64);
    out.extend_from_slice(&inner);
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

/// Seven bits an octet, the lowest first; all but the last octet have the top bit set.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows from the description of the encoding at protobuf.dev.
    #[test]
    fn fields_are_written_as_the_encoding_has_them() {
        type Write = fn(&mut Vec<u8>);
        let table: [(Write, &[u8]); 7] = [
            (|out| number(out, 1, 150), &[0x08, 0x96, 0x01]),
            (|out| number(out, 16, 0), &[0x80, 0x01, 0x00]),
            (|out| octets(out, 2, b"testing"), b"\x12\x07testing"),
            (|out| octets(out, 2, b""), b""),
            (|out| message(out, 3, |inner| number(inner, 1, 150)), &[0x1a, 3, 0x08, 0x96, 0x01]),
            (|out| fixed32(out, 1, 0x0102), &[0x0d, 2, 1, 0, 0]),
            (|out| fixed64(out, 1, 0x0102), &[0x09, 2, 1, 0, 0, 0, 0, 0, 0]),
        ];
        for (write, expected) in table {
            let mut out = Vec::new();
            write(&mut out);
            assert_eq!(out, expected);
        }
    }
}
