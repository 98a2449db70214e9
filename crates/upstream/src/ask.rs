//! A query as it goes to an upstream, and the rule that says which response belongs to it.

use std::sync::Arc;

use dunlin_core::Query;
use dunlin_core::buffer::Buffer;
use dunlin_core::edns::MIN_UDP_SIZE;
use dunlin_core::wire::{
    self, Flags, HEADER_LEN, Records, WireName, expand, read_u16, types, write_u16,
};

use crate::journal::Journal;

/// A query with ID 0, ready for any number of exchanges; each of them gives it an ID of its own.
///
/// Clones share the octets.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The message, then QNAME in lower case. As large as they are: a query that waits for its response
    /// shall not hold a buffer for messages.
    octets: Arc<[u8]>,
    message_len: usize,
    question_end: usize,
    /// Where the OPT record begins; it is the last record.
    opt_at: Option<usize>,
    /// The largest response over UDP that we invited.
    max_udp_size: usize,
    journal: Option<Arc<Journal>>,
}

impl Ask {
    /// The query re-made for an upstream (security.md FW-08).
    #[must_use]
    pub fn of(query: &Query) -> Self {
        let mut octets = Buffer::new();
        query.append_for_upstream(&mut octets);
        let message_len = octets.len();
        let question_end = HEADER_LEN + query.question().len();
        let has_opt = message_len > question_end;
        octets.extend_from_slice(query.qname());
        Self {
            octets: octets.as_slice().into(),
            message_len,
            question_end,
            opt_at: has_opt.then_some(question_end),
            max_udp_size: usize::from(if has_opt { query.our_udp_size() } else { MIN_UDP_SIZE }),
            journal: None,
        }
    }

    /// A query from a message with one uncompressed question. `None` if it is something else.
    #[must_use]
    pub fn new(message: &[u8]) -> Option<Self> {
        let mut name = WireName::new();
        let question_end = expand(message, HEADER_LEN, &mut name)?.checked_add(4)?;
        if wire::counts(message)[0] != 1 {
            return None;
        }
        let mut records = Records::behind(message, question_end)?;
        let opt = records.find(|record| record.kind == types::OPT);
        let size = opt.as_ref().map_or(MIN_UDP_SIZE, |opt| opt.class.max(MIN_UDP_SIZE));
        let opt_at = opt.filter(|opt| opt.rdata.end == message.len()).map(|opt| opt.start);
        let max_udp_size = usize::from(size);
        let (message_len, octets) = (message.len(), [message, name.as_bytes()].concat().into());
        Some(Self { octets, message_len, question_end, opt_at, max_udp_size, journal: None })
    }

    /// A query for `name`, in wire form, without EDNS: what probes send.
    #[must_use]
    pub fn plain(name: &[u8], qtype: u16, recursion_desired: bool) -> Option<Self> {
        let mut message = Buffer::new();
        message.extend_from_slice(&[0, 0, u8::from(recursion_desired), 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message.extend_from_slice(name);
        message.extend_from_slice(&qtype.to_be_bytes());
        message.extend_from_slice(&wire::CLASS_IN.to_be_bytes());
        Self::new(&message)
    }

    /// The same query without its OPT record, for an upstream that knows no EDNS (RFC 6891 §7).
    #[must_use]
    pub fn without_opt(&self) -> Option<Self> {
        let mut message = Buffer::copy_of(self.as_bytes().get(..self.opt_at?)?);
        let additionals = wire::counts(&message)[3];
        write_u16(&mut message, 10, additionals.saturating_sub(1));
        Some(Self { journal: self.journal.clone(), ..Self::new(&message)? })
    }

    /// The same query, each send of which is written down.
    #[must_use]
    pub fn watched(self, journal: Arc<Journal>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.as_deref()
    }

    /// The message, ID 0.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.message_len).unwrap_or_default()
    }

    /// QNAME in wire form, lower case.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.octets.get(self.message_len..).unwrap_or_default()
    }

    /// QTYPE.
    #[must_use]
    pub fn qtype(&self) -> u16 {
        read_u16(&self.octets, self.question_end - 4).unwrap_or_default()
    }

    /// QCLASS.
    #[must_use]
    pub fn qclass(&self) -> u16 {
        read_u16(&self.octets, self.question_end - 2).unwrap_or_default()
    }

    /// The header flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::of(&self.octets)
    }

    /// Whether there is an OPT record.
    #[must_use]
    pub fn has_opt(&self) -> bool {
        self.opt_at.is_some()
    }

    /// Octets of the largest response that may come over UDP.
    #[must_use]
    pub fn max_udp_size(&self) -> usize {
        self.max_udp_size
    }

    /// Where the question section ends.
    pub(crate) fn question_end(&self) -> usize {
        self.question_end
    }
}

/// Whether `reply` is the response to `query`, which was sent with this `id` and ends its question at
/// `question_end`: ID, QR, opcode, and the one question with its class (security.md FW-20). Letter
/// case is not compared.
#[must_use]
pub(crate) fn is_response(id: u16, query: &[u8], question_end: usize, reply: &[u8]) -> bool {
    let (asked, flags) = (Flags::of(query), Flags::of(reply));
    let same_question = || {
        let (asked, got) =
            (query.get(HEADER_LEN..question_end), reply.get(HEADER_LEN..question_end));
        asked.zip(got).is_some_and(|(asked, got)| wire::same_name(asked, got))
            // Type and class once more, exactly: some of their octets are letters.
            && wire::read_u32(query, question_end - 4) == wire::read_u32(reply, question_end - 4)
    };
    reply.len() >= HEADER_LEN
        && wire::id(reply) == id
        && flags.has(Flags::QR)
        && flags.opcode() == asked.opcode()
        && wire::counts(reply)[0] == 1
        && same_question()
}

#[cfg(test)]
mod tests {
    use dunlin_core::rr::RecordType;
    use dunlin_core::testing::query;

    use super::*;

    #[test]
    fn what_is_known_of_a_query_is_what_its_message_tells() {
        let with_edns = query("wWw.Example.org", RecordType::AAAA).edns(4096).build();
        for query in [query("wWw.Example.org", RecordType::A).build(), with_edns] {
            let known = Ask::of(&query);
            let read = Ask::new(known.as_bytes()).unwrap();
            let facts = |ask: &Ask| {
                let sizes = (ask.question_end(), ask.opt_at, ask.max_udp_size());
                (ask.as_bytes().to_vec(), ask.name().to_vec(), ask.qtype(), ask.qclass(), sizes)
            };
            assert_eq!(facts(&known), facts(&read));
            assert_eq!(known.name(), b"\x03www\x07example\x03org\x00");
            assert_eq!(known.has_opt(), query.edns().is_some());
        }
    }
}
