//! What a query asks: its header, its question, its EDNS. Names and records are decoded when somebody asks
//! for them.

use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::Query;
use crate::edns::{Edns, EdnsOptions, MIN_UDP_SIZE};
use crate::wire::{Flags, HEADER_LEN, MAX_MESSAGE_LEN};

impl Query {
    /// The message ID.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.view.id
    }

    /// The header flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.view.flags
    }

    /// QNAME in wire form, lower case, uncompressed.
    #[must_use]
    pub fn qname(&self) -> &[u8] {
        self.bytes.get(self.view.end..).unwrap_or_default()
    }

    /// QNAME in wire form as the client spelled it.
    #[must_use]
    pub fn qname_as_sent(&self) -> &[u8] {
        let end = HEADER_LEN + usize::from(self.view.qname_len);
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// The question section as sent: QNAME, QTYPE, QCLASS.
    #[must_use]
    pub fn question(&self) -> &[u8] {
        let end = HEADER_LEN + usize::from(self.view.qname_len) + 4;
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// QNAME as the client spelled it.
    pub fn name(&self) -> &Name {
        self.name.get_or_init(|| {
            let mut decoder = BinDecoder::new(self.qname_as_sent());
            Box::new(Name::read(&mut decoder).unwrap_or_else(|_| Name::root()))
        })
    }

    /// QTYPE.
    #[must_use]
    pub fn qtype(&self) -> RecordType {
        RecordType::from(self.view.qtype)
    }

    /// QTYPE as a number.
    #[must_use]
    pub fn qtype_code(&self) -> u16 {
        self.view.qtype
    }

    /// QCLASS.
    #[must_use]
    pub fn qclass(&self) -> DNSClass {
        DNSClass::from(self.view.qclass)
    }

    /// QCLASS as a number.
    #[must_use]
    pub fn qclass_code(&self) -> u16 {
        self.view.qclass
    }

    /// The OPT record.
    #[must_use]
    pub fn edns(&self) -> Option<&Edns> {
        self.view.edns.as_ref()
    }

    /// The EDNS options, in order.
    #[must_use]
    pub fn edns_options(&self) -> EdnsOptions<'_> {
        let range = self.view.edns.as_ref().map(|edns| edns.options.clone()).unwrap_or_default();
        EdnsOptions(self.bytes.get(range).unwrap_or_default())
    }

    /// Whether the client wants DNSSEC records (the DO flag).
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.view.edns.as_ref().is_some_and(|edns| edns.dnssec_ok)
    }

    /// Octets that the client can take: 65,535 over a stream, else its UDP payload size, 512 at
    /// least.
    #[must_use]
    pub fn max_size(&self) -> usize {
        if self.source.transport.is_stream() {
            return MAX_MESSAGE_LEN;
        }
        usize::from(self.view.edns.as_ref().map_or(0, |edns| edns.udp_size).max(MIN_UDP_SIZE))
    }

    /// The length of the message in octets.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub fn len(&self) -> usize {
        self.view.end
    }

    /// The message as received, trailing octets stripped.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.view.end).unwrap_or_default()
    }

    /// The message in full; `None` if something in it that the gate ignores does not decode.
    pub fn message(&self) -> Option<&Message> {
        self.message
            .get_or_init(|| Message::from_vec(self.as_bytes()).ok().map(Box::new))
            .as_deref()
    }
}
