//! Making a reply record by record.

use hickory_proto::op::{Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record};

use super::{Body, Reply};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::query::Query;
use crate::wire::{Flags, MalformedMessage, Summary, set_ttls, write_u32};

impl Reply {
    /// An empty NOERROR reply to `query`: ID, opcode, RD, CD and question from it (RFC 1035
    /// §4.1.1, RFC 4035 §3.2.2).
    #[must_use]
    pub fn to(query: &Query) -> Self {
        let opcode = OpCode::from_u8(query.flags().opcode());
        let mut message = Message::new(query.id(), MessageType::Response, opcode);
        message.metadata.recursion_desired = query.flags().has(Flags::RD);
        message.metadata.checking_disabled = query.flags().has(Flags::CD);
        let mut question = Question::query(query.name().clone(), query.qtype());
        question.set_query_class(query.qclass());
        message.add_query(question);
        Self::from_message(message)
    }

    /// Replaces the rcode.
    #[must_use]
    pub fn with_rcode(mut self, rcode: ResponseCode) -> Self {
        match &mut self.0.body {
            Body::Message(message) => message.metadata.response_code = rcode,
            Body::Wire(bytes) => {
                Flags::of(bytes).with_rcode(rcode.low()).store(bytes);
                // The upper bits stand first in the TTL of an OPT, behind owner, type and class.
                if let Some(summary) = &mut self.0.summary
                    && let Some(opt) = &summary.opt
                {
                    let [_, kept @ ..] = summary.opt_ttl.to_be_bytes();
                    summary.opt_ttl = u32::from_be_bytes([rcode.high(), kept[0], kept[1], kept[2]]);
                    write_u32(bytes, opt.start + 5, summary.opt_ttl);
                }
            }
            Body::Silence => {}
        }
        self
    }

    /// Puts other bytes in place of the reply's: who made it, and what else is known of it, stays.
    ///
    /// # Errors
    /// [`MalformedMessage`] if the bytes do not walk as a message; the reply is what it was.
    pub fn replace_wire(&mut self, mut bytes: Buffer) -> Result<(), MalformedMessage> {
        let summary = Summary::of(&bytes)?;
        bytes.truncate(summary.end);
        self.0.body = Body::Wire(bytes);
        self.0.summary = Some(summary);
        Ok(())
    }

    /// Keeps the TTL of every record but OPT within these bounds, in seconds.
    ///
    /// # Errors
    /// As [`Reply::wire`].
    pub fn clamp_ttls(&mut self, min: u32, max: u32) -> Result<(), Error> {
        self.wire()?;
        if let (Body::Wire(bytes), Some(summary)) = (&mut self.0.body, &self.0.summary) {
            set_ttls(bytes, summary.question_end, |ttl| ttl.max(min).min(max));
        }
        self.0.summary = None;
        Ok(())
    }

    /// Sets AA: the answer is ours.
    #[must_use]
    pub fn authoritative(mut self) -> Self {
        self.set_flag(Flags::AA, true);
        self
    }

    /// Adds a record to the answer section; the TTL is in seconds.
    #[must_use]
    pub fn answer(mut self, owner: Name, ttl: u32, data: RData) -> Self {
        if let Some((message, record)) = self.made(owner, ttl, data) {
            message.answers.push(record);
        }
        self
    }

    /// Adds a record to the authority section; the TTL is in seconds.
    #[must_use]
    pub fn authority(mut self, owner: Name, ttl: u32, data: RData) -> Self {
        if let Some((message, record)) = self.made(owner, ttl, data) {
            message.authorities.push(record);
        }
        self
    }

    /// Adds a record to the additional section; the TTL is in seconds.
    #[must_use]
    pub fn additional(mut self, owner: Name, ttl: u32, data: RData) -> Self {
        if let Some((message, record)) = self.made(owner, ttl, data) {
            message.additionals.push(record);
        }
        self
    }

    /// The record has the class of the question. On bytes that do not decode nothing is added.
    fn made(&mut self, owner: Name, ttl: u32, data: RData) -> Option<(&mut Message, Record)> {
        let message = self.message_mut().ok()?;
        let mut record = Record::from_rdata(owner, ttl, data);
        record.dns_class = message.queries.first().map_or(DNSClass::IN, Question::query_class);
        Some((message, record))
    }
}

pub(super) fn flags_of(message: &Message) -> Flags {
    let metadata = &message.metadata;
    [
        (Flags::QR, metadata.message_type == MessageType::Response),
        (Flags::AA, metadata.authoritative),
        (Flags::TC, metadata.truncation),
        (Flags::RD, metadata.recursion_desired),
        (Flags::RA, metadata.recursion_available),
        (Flags::AD, metadata.authentic_data),
        (Flags::CD, metadata.checking_disabled),
    ]
    .into_iter()
    .fold(Flags(u16::from(u8::from(metadata.op_code)) << 11), |flags, (mask, on)| {
        flags.with(mask, on)
    })
    .with_rcode(metadata.response_code.low())
}

pub(super) fn set_flags(message: &mut Message, mask: u16, on: bool) {
    let flags = flags_of(message).with(mask, on);
    let metadata = &mut message.metadata;
    metadata.authoritative = flags.has(Flags::AA);
    metadata.truncation = flags.has(Flags::TC);
    metadata.recursion_desired = flags.has(Flags::RD);
    metadata.recursion_available = flags.has(Flags::RA);
    metadata.authentic_data = flags.has(Flags::AD);
    metadata.checking_disabled = flags.has(Flags::CD);
}
