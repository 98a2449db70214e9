//! The sixteen bits after the ID (RFC 1035 §4.1.1, RFC 4035 §3.2.2 and §3.1.6).

use super::{read_u16, write_u16};

/// Header flags, opcode and rcode as they stand on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u16);

impl Flags {
    /// QR: this is a response.
    pub const QR: u16 = 0x8000;
    /// AA: authoritative answer.
    pub const AA: u16 = 0x0400;
    /// TC: truncated.
    pub const TC: u16 = 0x0200;
    /// RD: recursion desired.
    pub const RD: u16 = 0x0100;
    /// RA: recursion available.
    pub const RA: u16 = 0x0080;
    /// Z: reserved, must be zero.
    pub const Z: u16 = 0x0040;
    /// AD: authentic data.
    pub const AD: u16 = 0x0020;
    /// CD: checking disabled.
    pub const CD: u16 = 0x0010;
    /// The four opcode bits.
    pub const OPCODE: u16 = 0x7800;

    /// The flags of a message; all zero if it is too short to have any.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        Self(read_u16(message, 2).unwrap_or(0))
    }

    /// Puts these flags into a message.
    pub fn store(self, message: &mut [u8]) {
        write_u16(message, 2, self.0);
    }

    /// Sets or clears the bits of `mask`.
    #[must_use]
    pub fn with(self, mask: u16, on: bool) -> Self {
        Self(if on { self.0 | mask } else { self.0 & !mask })
    }

    /// Replaces the low four bits, the rcode of the header.
    #[must_use]
    pub fn with_rcode(self, rcode: u8) -> Self {
        Self((self.0 & !0x000f) | u16::from(rcode & 0x0f))
    }

    /// Whether any bit of `mask` is set.
    #[must_use]
    pub fn has(self, mask: u16) -> bool {
        self.0 & mask != 0
    }

    /// The opcode.
    #[must_use]
    pub fn opcode(self) -> u8 {
        ((self.0 & Self::OPCODE) >> 11).to_be_bytes()[1]
    }

    /// The rcode of the header, without the extension bits of an OPT.
    #[must_use]
    pub fn rcode(self) -> u8 {
        (self.0 & 0x000f).to_be_bytes()[1]
    }
}
