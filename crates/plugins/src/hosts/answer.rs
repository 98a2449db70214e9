//! Replies written straight as bytes: no record is made only to be encoded.

use dunlin_core::buffer::Buffer;
use dunlin_core::wire::{CLASS_IN, Flags, HEADER_LEN, MAX_MESSAGE_LEN, types, write_u16};
use dunlin_core::{Query, Reply, Result};

/// A reply in the making: ID and question of the query, AA set.
#[derive(Debug)]
pub(super) struct Answer<'q> {
    query: &'q Query,
    bytes: Buffer,
    ttl: u32,
    owner: Owner,
    count: u16,
    is_full: bool,
}

/// How the owner of the next record is written (RFC 1035 §4.1.4).
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// In full, because the client spelled its question differently: as in CoreDNS, owners are
    /// always in lower case.
    Spelled,
    /// As a pointer to this place.
    At(u16),
}

impl<'q> Answer<'q> {
    pub(super) fn to(query: &'q Query, ttl: u32) -> Self {
        let mut bytes = Buffer::new();
        bytes.extend_from_slice(&query.id().to_be_bytes());
        let copied = query.flags().0 & (Flags::OPCODE | Flags::RD | Flags::CD);
        bytes.extend_from_slice(&(copied | Flags::QR | Flags::AA).to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(query.question());
        let is_lower = query.qname() == query.qname_as_sent();
        let owner = if is_lower { Owner::At(HEADER_LEN_U16) } else { Owner::Spelled };
        Self { query, bytes, ttl, owner, count: 0, is_full: false }
    }

    pub(super) fn v4(&mut self, address: [u8; 4]) {
        self.record(types::A, &address);
    }

    pub(super) fn v6(&mut self, address: [u8; 16]) {
        self.record(types::AAAA, &address);
    }

    pub(super) fn pointer(&mut self, name: &[u8]) {
        self.record(types::PTR, name);
    }

    /// Whether a record did not fit: then no further one is taken.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) fn reply(mut self) -> Result<Reply> {
        write_u16(&mut self.bytes, 6, self.count);
        if self.is_full {
            Flags::of(&self.bytes).with(Flags::TC, true).store(&mut self.bytes);
        }
        Reply::from_wire(self.bytes).map_err(|error| dunlin_core::Error::new(error.to_string()))
    }

    fn record(&mut self, kind: u16, data: &[u8]) {
        let qname = self.query.qname();
        let most = self.bytes.len() + qname.len() + RECORD_LEN + data.len();
        let (Ok(length), Some(count)) = (u16::try_from(data.len()), self.count.checked_add(1))
        else {
            return;
        };
        if most > MAX_MESSAGE_LEN {
            self.is_full = true;
            return;
        }
        match self.owner {
            Owner::At(place) => self.bytes.extend_from_slice(&(POINTER | place).to_be_bytes()),
            Owner::Spelled => {
                // Behind header and question: well within the reach of a pointer.
                let place = u16::try_from(self.bytes.len()).unwrap_or(HEADER_LEN_U16);
                self.bytes.extend_from_slice(qname);
                self.owner = Owner::At(place);
            }
        }
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&CLASS_IN.to_be_bytes());
        self.bytes.extend_from_slice(&self.ttl.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(data);
        self.count = count;
    }
}

/// Octets of a record between owner and RDATA: type, class, TTL, RDLENGTH.
const RECORD_LEN: usize = 10;

/// The two bits that make a pointer.
const POINTER: u16 = 0xc000;

#[expect(clippy::cast_possible_truncation, reason = "it is twelve")]
const HEADER_LEN_U16: u16 = HEADER_LEN as u16;
