//! Replies put by and given out again: one allocation each, TTLs patched on the way out.

use super::Reply;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::wire::{Records, Summary, types, write_u32};

/// The bytes of a reply without OPT, together with what a later copy needs: where its TTLs are
/// and what its summary was. It is compact and never changes.
#[derive(Debug, Clone)]
pub struct StoredReply {
    bytes: Box<[u8]>,
    ttls: Box<[u16]>,
    summary: Summary,
}

impl StoredReply {
    /// Takes a copy of a reply as it is now, its OPT left out.
    ///
    /// # Errors
    /// As [`Reply::wire`].
    pub fn of(reply: &mut Reply) -> Result<Self, Error> {
        reply.remove_opt()?;
        let (bytes, summary) = reply.wire()?;
        let ttls = Records::new(bytes)
            .into_iter()
            .flatten()
            .filter(|record| record.kind != types::OPT)
            .filter_map(|record| u16::try_from(record.ttl_at).ok())
            .collect();
        Ok(Self { bytes: bytes.into(), ttls, summary: summary.clone() })
    }

    /// A reply with every TTL set to `ttl` seconds.
    #[must_use]
    pub fn reply_with_ttl(&self, ttl: u32) -> Reply {
        let mut bytes = Buffer::copy_of(&self.bytes);
        for &at in &self.ttls {
            write_u32(&mut bytes, usize::from(at), ttl);
        }
        let mut summary = self.summary.clone();
        summary.set_ttl(ttl);
        Reply::from_parts(bytes, summary)
    }

    /// What the walk over the bytes found when they were stored.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The bytes as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Octets of heap that this reply holds.
    #[must_use]
    pub fn heap_size(&self) -> usize {
        self.bytes.len() + self.ttls.len() * size_of::<u16>()
    }
}
