//! What an exchange ended with, for the queries that shared it.

use std::sync::Arc;

use dunlin_core::buffer::Buffer;
use dunlin_core::edns::{ExtendedError, options};
use dunlin_core::wire::{Flags, HEADER_LEN, Summary, write_u16};
use dunlin_core::{Error, Query, Reply, Result};

use super::verdict::Verdict;

/// The end of an exchange. Clones share the bytes.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// A reply, as its leader got it.
    Reply(Arc<Shared>),
    /// A failure.
    Failure(Error),
    /// A plugin decided to say nothing.
    Silence,
}

/// A reply that several queries get.
#[derive(Debug)]
pub(super) struct Shared {
    bytes: Box<[u8]>,
    summary: Summary,
    extended_error: Option<ExtendedError>,
    is_stray: bool,
    refreshes: bool,
    /// Set if the reply is cut: it is no use to clients that came over a stream.
    is_cut_datagram: bool,
    /// Set if the reply holds for one client subnet: the option that the leader sent.
    subnet: Option<Box<[u8]>>,
}

impl Outcome {
    /// The outcome for others of a reply to `query` that was flattened and has no OPT any more.
    pub(super) fn of(reply: &mut Reply, query: &Query, verdict: &Verdict) -> Self {
        let extended_error = reply.extended_error().cloned();
        let (bytes, summary) = match reply.wire() {
            Ok(wire) => wire,
            Err(error) => return Self::Failure(error),
        };
        let is_cut = Flags::of(bytes).has(Flags::TC);
        Self::Reply(Arc::new(Shared {
            bytes: bytes.into(),
            summary: summary.clone(),
            extended_error,
            is_stray: verdict.is_stray,
            refreshes: verdict.refreshes,
            is_cut_datagram: is_cut && !query.transport().is_stream(),
            subnet: verdict.is_scoped.then(|| subnet_of(query).unwrap_or_default().into()),
        }))
    }

    /// What a follower answers; `None` if the reply does not hold for this client, who has to
    /// ask on its own.
    pub(super) fn answer(&self, query: &Query) -> Option<Result<Reply>> {
        match self {
            Self::Reply(shared) => shared.reply(query).map(Ok),
            // The leader's error is logged once; the others only answer it.
            Self::Failure(error) => {
                let reply = query.error(error.rcode());
                let told = error.extended_error().cloned();
                Some(Ok(match told {
                    Some(extended) => reply.with_extended_error(extended),
                    None => reply,
                }))
            }
            Self::Silence => Some(Ok(Reply::silence())),
        }
    }

    /// The reply for a follower that has a stale entry to fall back on.
    pub(super) fn refreshed(&self, query: &Query) -> Option<Reply> {
        match self {
            Self::Reply(shared) if shared.refreshes => shared.reply(query),
            _ => None,
        }
    }
}

impl Shared {
    fn reply(&self, query: &Query) -> Option<Reply> {
        let is_elsewhere = |subnet: &[u8]| subnet_of(query).unwrap_or_default() != subnet;
        if self.subnet.as_deref().is_some_and(is_elsewhere)
            || (self.is_cut_datagram && query.transport().is_stream())
        {
            return None;
        }
        let mut bytes = Buffer::copy_of(&self.bytes);
        if !self.is_stray {
            address(&mut bytes, query);
        }
        let reply = Reply::from_parts(bytes, self.summary.clone());
        Some(match &self.extended_error {
            Some(error) => reply.with_extended_error(error.clone()),
            None => reply,
        })
    }
}

/// Makes the bytes of a reply to the same question a reply to this query: ID, opcode, RD, CD and
/// the question's spelling are the client's; AD is for those who asked for it.
pub(super) fn address(bytes: &mut [u8], query: &Query) {
    write_u16(bytes, 0, query.id());
    let copied = Flags::OPCODE | Flags::RD | Flags::CD;
    let flags = Flags((Flags::of(bytes).0 & !copied) | (query.flags().0 & copied));
    flags.with(Flags::AD, flags.has(Flags::AD) && wants_ad(query)).store(bytes);
    let question = query.question();
    if let Some(place) = bytes.get_mut(HEADER_LEN..HEADER_LEN + question.len()) {
        place.copy_from_slice(question);
    }
}

/// RFC 6840 §5.7 and §5.8: the client set DO, or AD.
pub(super) fn wants_ad(query: &Query) -> bool {
    query.dnssec_ok() || query.flags().has(Flags::AD)
}

/// The client subnet option of a query.
pub(super) fn subnet_of(query: &Query) -> Option<&[u8]> {
    query.edns_options().find(|(code, _)| *code == options::CLIENT_SUBNET).map(|(_, data)| data)
}
