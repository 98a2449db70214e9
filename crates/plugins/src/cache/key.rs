//! What an entry is found by: lower-case QNAME, QTYPE, QCLASS, DO and CD. The server block or view
//! is not part of it, because each has a store of its own.
//!
//! Not in the key, as in CoreDNS: RD, AD, letter case, EDNS options and size, client, transport.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use dunlin_core::Query;
use dunlin_core::wire::{Flags, Presentation};
use foldhash::quality::RandomState;

/// A key that borrows the name: enough to look up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key<'a> {
    qname: &'a [u8],
    tail: [u8; TAIL_LEN],
    hash: u64,
}

impl<'a> Key<'a> {
    /// The key of a query. The hash is seeded at random, so that no client can make names collide
    /// on purpose.
    pub(super) fn of(query: &'a Query, seed: &RandomState) -> Self {
        Self::new(query.qname(), tail_of(query), seed)
    }

    fn new(qname: &'a [u8], tail: [u8; TAIL_LEN], seed: &RandomState) -> Self {
        let mut hasher = seed.build_hasher();
        hasher.write(qname);
        hasher.write(&tail);
        Self { qname, tail, hash: hasher.finish() }
    }

    /// The hash: where to look, never proof of identity.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether these octets, written by [`Key::append_to`], are this very key.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        bytes.split_last_chunk::<TAIL_LEN>() == Some((self.qname, &self.tail))
    }

    /// Octets that [`Key::append_to`] writes.
    pub(super) fn len(&self) -> usize {
        self.qname.len() + TAIL_LEN
    }

    /// Writes the whole key.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.qname);
        out.extend_from_slice(&self.tail);
    }

    /// A key that owns its octets, for work that takes a while.
    pub(super) fn to_shared(self) -> SharedKey {
        let mut bytes = Vec::with_capacity(self.len());
        self.append_to(&mut bytes);
        SharedKey { bytes: bytes.into(), hash: self.hash }
    }

    /// The same key under another hash, to test what a collision does.
    #[cfg(test)]
    pub(super) fn with_hash(self, hash: u64) -> Self {
        Self { hash, ..self }
    }
}

/// A key that owns its octets. Clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedKey {
    bytes: Arc<[u8]>,
    hash: u64,
}

impl SharedKey {
    /// The hash, as [`Key::hash`].
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The key to look up with.
    pub(super) fn as_key(&self) -> Key<'_> {
        let (qname, tail) = self.bytes.split_last_chunk().unwrap_or((&[], &[0; TAIL_LEN]));
        Key { qname, tail: *tail, hash: self.hash }
    }
}

/// QTYPE, QCLASS, and one octet for DO and CD.
const TAIL_LEN: usize = 5;

fn tail_of(query: &Query) -> [u8; TAIL_LEN] {
    let [type_high, type_low] = query.qtype_code().to_be_bytes();
    let [class_high, class_low] = query.qclass_code().to_be_bytes();
    let flags = u8::from(query.dnssec_ok()) | u8::from(query.flags().has(Flags::CD)) << 1;
    [type_high, type_low, class_high, class_low, flags]
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", Presentation(self.qname), self.tail)
    }
}
