//! One of the two lists of a shard: least recently used last, and its cost in octets.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use lru::LruCache;

use super::Entry;
use crate::cache::key::Key;

/// Entries by hash. Two keys with one hash share a place: the later one wins it, and a look-up
/// with the other finds nothing.
#[derive(Default)]
pub(super) struct Half {
    /// Made for the first entry: an empty one takes 300 octets of heap, 512 times a server block.
    entries: Option<Entries>,
    octets: usize,
}

type Entries = LruCache<u64, Entry, BuildHasherDefault<Identity>>;

impl Half {
    pub(super) fn get(&self, key: &Key<'_>) -> Option<&Entry> {
        self.entries.as_ref()?.peek(&key.hash()).filter(|entry| entry.is_of(key))
    }

    pub(super) fn get_mut(&mut self, key: &Key<'_>) -> Option<&mut Entry> {
        self.entries.as_mut()?.peek_mut(&key.hash()).filter(|entry| entry.is_of(key))
    }

    pub(super) fn promote(&mut self, key: &Key<'_>) {
        if let Some(entries) = &mut self.entries {
            entries.promote(&key.hash());
        }
    }

    pub(super) fn put(&mut self, key: &Key<'_>, entry: Entry) {
        self.octets += entry.cost();
        // Unbounded, because the bound is in octets too, and so that room is taken as it is used.
        let entries = self
            .entries
            .get_or_insert_with(|| Entries::unbounded_with_hasher(BuildHasherDefault::default()));
        if let Some(replaced) = entries.put(key.hash(), entry) {
            self.forget(&replaced);
        }
    }

    pub(super) fn take(&mut self, key: &Key<'_>) -> Option<Entry> {
        self.get(key)?;
        let taken = self.entries.as_mut()?.pop(&key.hash())?;
        self.forget(&taken);
        Some(taken)
    }

    /// Removes the entry that was used least recently; false if there is none.
    pub(super) fn evict(&mut self) -> bool {
        let evicted = self.entries.as_mut().and_then(Entries::pop_lru);
        evicted.inspect(|(_, entry)| self.forget(entry)).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, Entries::len)
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    fn forget(&mut self, entry: &Entry) {
        self.octets = self.octets.saturating_sub(entry.cost());
    }
}

impl fmt::Debug for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Half({} entries, {} octets)", self.len(), self.octets)
    }
}

/// Keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cache) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &octet in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(octet);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
