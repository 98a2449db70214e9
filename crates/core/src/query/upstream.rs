//! A query as it goes to an upstream: what it takes along, and what stays on this hop.

use super::Query;
use crate::edns::{options, travels_upstream};
use crate::wire::{Flags, types};

impl Query {
    /// Appends the query as it goes to an upstream, with ID 0: re-made from what the gate
    /// understood, never copied. RD, AD and CD are kept; OPT is rebuilt with our own size; options
    /// that belong to one hop (RFC 6891 §6.2.6) stay behind.
    pub fn append_for_upstream(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kept = Flags::RD | Flags::AD | Flags::CD | Flags::OPCODE;
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&(self.view.flags.0 & kept).to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.view.edns.is_some())]);
        out.extend_from_slice(self.question());
        if self.view.edns.is_none() {
            return;
        }
        out.extend_from_slice(&[0, 0, types::OPT.to_be_bytes()[1]]);
        out.extend_from_slice(&self.our_size.to_be_bytes());
        out.extend_from_slice(&[0, 0, if self.dnssec_ok() { 0x80 } else { 0 }, 0, 0, 0]);
        let length_at = out.len() - 2;
        let mut has_subnet = false;
        for (code, data) in self.edns_options() {
            // Of an option that may stand once, the first counts.
            let is_repeated = code == options::CLIENT_SUBNET && has_subnet;
            has_subnet |= code == options::CLIENT_SUBNET;
            if !is_repeated && (self.options_are_ours || travels_upstream(code, data)) {
                let length = u16::try_from(data.len()).unwrap_or(0);
                out.extend_from_slice(&code.to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(data);
            }
        }
        let length = u16::try_from(out.len() - length_at - 2).unwrap_or(0);
        crate::wire::write_u16(out, length_at, length);
        debug_assert!(start <= length_at);
    }
}
