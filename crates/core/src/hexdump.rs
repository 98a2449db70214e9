//! Messages as hexadecimal text, for DEBUG lines.

use std::fmt;

/// Shows octets as CoreDNS does: sixteen a line, each line with its offset, the length last.
#[derive(Debug, Clone, Copy)]
pub struct Hexdump<'a>(pub &'a [u8]);

impl fmt::Display for Hexdump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, octets) in self.0.chunks(16).enumerate() {
            write!(f, "debug: {:06x}", line * 16)?;
            for octet in octets {
                write!(f, " {octet:02x}")?;
            }
            writeln!(f)?;
        }
        write!(f, "debug: {:06x}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn db10_twenty_octets_take_two_lines_and_their_length() {
        let octets: Vec<u8> = (0..20).collect();
        assert_eq!(
            Hexdump(&octets).to_string(),
            "debug: 000000 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f\n\
             debug: 000010 10 11 12 13\n\
             debug: 000014"
        );
    }
}
