//! Networks as reverse zones, RFC 1035 §3.5 and RFC 3596 §2.5.

use std::fmt::Write as _;
use std::net::IpAddr;

/// An address with a prefix length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Octets of IPv4, nibbles of IPv6: what the labels of a reverse zone say, most significant first.
    digits: Vec<u8>,
    /// Bits of one digit.
    width: usize,
    length: usize,
}

impl Network {
    /// `ADDRESS/LENGTH`; host bits do not matter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        if length.is_empty() || !length.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        let length = length.parse().ok()?;
        let (digits, width) = match address {
            IpAddr::V4(address) => (address.octets().to_vec(), 8),
            IpAddr::V6(address) => {
                let nibbles =
                    address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
                (nibbles.collect(), 4)
            }
        };
        (length <= digits.len() * width).then_some(Self { digits, width, length })
    }

    /// The zone of the network; if no label ends where its prefix ends, those of all networks at the next label, of which
    /// there are at most 128 (IPv4) or 8 (IPv6).
    pub(super) fn zones(&self) -> Vec<String> {
        let whole = self.digits.get(..self.length / self.width).unwrap_or_default();
        let fixed_bits = self.length % self.width;
        let Some(&partial) = self.digits.get(whole.len()).filter(|_| fixed_bits > 0) else {
            return vec![self.zone(whole)];
        };
        let free = (1_u8 << (self.width - fixed_bits)) - 1;
        let range = (partial & !free)..=(partial | free);
        range.map(|digit| self.zone(&[whole, &[digit]].concat())).collect()
    }

    fn zone(&self, digits: &[u8]) -> String {
        let mut zone = String::new();
        for digit in digits.iter().rev() {
            // Writing to a string cannot fail.
            let _ =
                if self.width == 4 { write!(zone, "{digit:x}.") } else { write!(zone, "{digit}.") };
        }
        zone.push_str(if self.width == 4 { "ip6.arpa." } else { "in-addr.arpa." });
        zone
    }
}
