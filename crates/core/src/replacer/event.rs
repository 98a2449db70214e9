//! What a log line is about: one query and what became of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::classify::Kind;
use crate::gate::QUERY;
use crate::wire::{Flags, HEADER_LEN, Summary};
use crate::{Query, Reply, Result};

/// A query that was dealt with.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The query.
    pub query: &'a Query,
    /// What the client is sent; `None` if that is nothing.
    pub outcome: Option<Outcome>,
    /// From reading the query off its socket until its reply; `None` while that is not known.
    pub duration: Option<Duration>,
}

/// The reply as it came out of the chain: the engine may still add an OPT or cut it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The rcode.
    pub rcode: u16,
    /// The header flags.
    pub flags: Flags,
    /// Octets without name compression.
    pub size: usize,
}

impl Outcome {
    /// What the client is going to see of a result of the chain: of a failure, that is the bare
    /// reply that the engine makes.
    pub fn of(query: &Query, result: &mut Result<Reply>) -> Option<Self> {
        match result {
            Ok(reply) if reply.is_silence() => None,
            Ok(reply) => Some(Self::of_reply(reply).unwrap_or_else(|| Self::bare(query, SERVFAIL))),
            Err(error) => Some(Self::bare(query, error.rcode().into())),
        }
    }

    fn of_reply(reply: &mut Reply) -> Option<Self> {
        let rcode = reply.rcode().into();
        let flags = reply.flags();
        let (_, summary) = reply.wire().ok()?;
        Some(Self { rcode, flags, size: summary.uncompressed_len })
    }

    fn bare(query: &Query, rcode: u16) -> Self {
        let kept = match query.flags().opcode() {
            QUERY => Flags::OPCODE | Flags::RD | Flags::CD,
            _ => Flags::OPCODE,
        };
        let header = Flags(query.flags().0 & kept | Flags::QR);
        let flags = header.with_rcode(rcode.to_be_bytes()[1]);
        Self { rcode, flags, size: HEADER_LEN + query.question().len() }
    }

    /// The kind of an empty reply with this header.
    fn kind(self, query: &Query) -> Kind {
        let mut header = [0; HEADER_LEN];
        self.flags.store(&mut header);
        let summary = Summary::of(&header);
        summary.map_or(Kind::OtherError, |empty| Kind::of(&header, &empty, query.qtype_code(), 0))
    }
}

/// What kind of response a result of the chain is.
pub fn kind_of(query: &Query, result: &mut Result<Reply>) -> Kind {
    let Some(outcome) = Outcome::of(query, result) else { return Kind::OtherError };
    let Some((bytes, summary)) = result.as_mut().ok().and_then(|reply| reply.wire().ok()) else {
        return outcome.kind(query);
    };
    let now = if summary.signature_validity.is_some() { signature_time() } else { 0 };
    Kind::of(bytes, summary, query.qtype_code(), now)
}

/// Seconds since 1970, modulo 2^32 as signatures count them (RFC 4034 §3.1.5).
fn signature_time() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u32::try_from(since.as_secs() & u64::from(u32::MAX)).unwrap_or(0)
}

const SERVFAIL: u16 = 2;
