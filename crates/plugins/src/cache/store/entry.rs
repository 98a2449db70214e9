//! One cached reply: key, message and TTL offsets in a single allocation.

use std::sync::Arc;
use std::time::Duration;

use dunlin_core::wire::{Records, Summary, types, write_u16, write_u32};
use tokio::time::Instant;

use crate::cache::config::{Prefetch, Stale};
use crate::cache::key::Key;

/// A reply in the store. Everything but its counters stays as it was stored.
#[derive(Debug)]
pub(in crate::cache) struct Entry {
    /// Key, then message without OPT, then the offsets of its TTLs, two octets each.
    blob: Box<[u8]>,
    key_len: u16,
    message_len: u16,
    facts: Facts,
    stored: Instant,
    digest: Digest,
    hits: u32,
    /// The last hit, in milliseconds after `stored`.
    last_hit: u32,
    /// When the entry was last moved to the front, in seconds after `stored`.
    promoted: u32,
    rare: Option<Box<Rare>>,
}

/// What is known about a reply when it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) struct Facts {
    /// Seconds that it may be served.
    pub(in crate::cache) lifetime: u32,
    /// Whether it answers the question: the CNAME chain ends in the type that was asked for.
    pub(in crate::cache) answering: bool,
    /// SERVFAIL or NOTIMP: never served stale, and never preferred to an answer.
    pub(in crate::cache) failure: bool,
}

/// What most entries do without.
#[derive(Debug, Default)]
struct Rare {
    /// No refresh before this time: the last one failed.
    retry_after: Option<Instant>,
    /// The value of metadata `zone/wildcard`.
    wildcard: Option<Arc<str>>,
    /// The last reply that answered the question, behind one that does not.
    last_good: Option<Box<Entry>>,
}

/// The summary of a message without OPT, packed: there is one for each entry.
#[derive(Debug)]
struct Digest {
    uncompressed_len: u32,
    question_end: u16,
    records: [u16; 3],
    has_ttl: bool,
    has_authority_ns: bool,
    soa_minimum: Option<u32>,
    signature_validity: Option<(u32, u32)>,
}

impl Digest {
    fn of(summary: &Summary) -> Option<Self> {
        debug_assert!(summary.opt.is_none(), "the OPT belongs to one hop");
        Some(Self {
            uncompressed_len: u32::try_from(summary.uncompressed_len).ok()?,
            question_end: u16::try_from(summary.question_end).ok()?,
            records: summary.records,
            has_ttl: summary.min_ttl.is_some(),
            has_authority_ns: summary.has_authority_ns,
            soa_minimum: summary.soa.map(|(_, minimum)| minimum),
            signature_validity: summary.signature_validity,
        })
    }

    fn to_summary(&self, message_len: usize, ttl: u32) -> Summary {
        let mut summary = Summary {
            question_end: usize::from(self.question_end),
            end: message_len,
            records: self.records,
            opt: None,
            opt_ttl: 0,
            uncompressed_len: usize::try_from(self.uncompressed_len).unwrap_or(usize::MAX),
            min_ttl: self.has_ttl.then_some(ttl),
            soa: self.soa_minimum.map(|minimum| (ttl, minimum)),
            has_authority_ns: self.has_authority_ns,
            signature_validity: self.signature_validity,
        };
        summary.set_ttl(ttl);
        summary
    }
}

/// How old an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum Age {
    /// Seconds that are left, at least 1.
    Fresh(u32),
    /// Expired, but not for too long.
    Stale,
}

impl Entry {
    /// An entry from a reply without OPT. `None` if it has more octets than a message can.
    pub(in crate::cache) fn new(
        key: &Key<'_>,
        message: &[u8],
        summary: &Summary,
        facts: Facts,
        now: Instant,
    ) -> Option<Self> {
        let records = summary.records.iter().map(|count| usize::from(*count)).sum::<usize>();
        let mut blob = Vec::with_capacity(key.len() + message.len() + records * 2);
        key.append_to(&mut blob);
        blob.extend_from_slice(message);
        let ttls = Records::behind(message, summary.question_end)?
            .filter(|record| record.kind != types::OPT);
        for record in ttls {
            blob.extend_from_slice(&u16::try_from(record.ttl_at).ok()?.to_ne_bytes());
        }
        Some(Self {
            blob: blob.into(),
            key_len: u16::try_from(key.len()).ok()?,
            message_len: u16::try_from(message.len()).ok()?,
            facts,
            stored: now,
            digest: Digest::of(summary)?,
            hits: 0,
            last_hit: 0,
            promoted: 0,
            rare: None,
        })
    }

    /// Remembers the value of metadata `zone/wildcard`.
    pub(in crate::cache) fn set_wildcard(&mut self, name: Arc<str>) {
        self.rare().wildcard = Some(name);
    }

    /// Keeps the last reply that answered the question behind this one, which does not.
    pub(super) fn keep(&mut self, before: Self) {
        self.rare().last_good = before.into_answer().map(Box::new);
    }

    /// Forbids a refresh before this time.
    pub(super) fn hold_off(&mut self, until: Instant) {
        self.rare().retry_after = Some(until);
    }

    /// Takes over the popularity of the entry that this one replaces.
    pub(super) fn inherit(&mut self, before: &Self) {
        self.hits = before.hits;
    }

    /// Counts a hit and says whether the entry is popular and nearly expired. A gap between two
    /// hits starts the count anew.
    pub(super) fn count_hit(&mut self, prefetch: &Prefetch, left: u32, now: Instant) -> bool {
        let elapsed = milliseconds(now.saturating_duration_since(self.stored));
        let gap = u128::from(elapsed.saturating_sub(self.last_hit));
        self.hits = if self.hits > 0 && gap <= prefetch.gap.as_millis() {
            self.hits.saturating_add(1)
        } else {
            1
        };
        self.last_hit = elapsed;
        let threshold =
            (u64::from(self.facts.lifetime) * u64::from(prefetch.percentage)).div_ceil(100);
        u64::from(self.hits) >= prefetch.amount && u64::from(left) <= threshold
    }

    /// Whether the entry should move to the front now: at most once a second, because moving is
    /// dearer than finding.
    pub(super) fn wants_promotion(&mut self, age: Age, now: Instant) -> bool {
        let elapsed = match age {
            // The same number without another look at the clock's two parts.
            Age::Fresh(left) => self.facts.lifetime.saturating_sub(left),
            Age::Stale => milliseconds(now.saturating_duration_since(self.stored)) / 1000,
        };
        std::mem::replace(&mut self.promoted, elapsed) != elapsed
    }

    /// Whether this is the entry of that key; the same hash does not prove it.
    pub(super) fn is_of(&self, key: &Key<'_>) -> bool {
        self.blob.get(..usize::from(self.key_len)).is_some_and(|bytes| key.is(bytes))
    }

    /// How old the entry is; `None` if it can no longer be served.
    pub(super) fn age(&self, stale: Option<&Stale>, now: Instant) -> Option<Age> {
        let elapsed = now.saturating_duration_since(self.stored).as_secs();
        let lifetime = u64::from(self.facts.lifetime);
        if let Some(left) = lifetime.checked_sub(elapsed).filter(|left| *left > 0) {
            return u32::try_from(left).ok().map(Age::Fresh);
        }
        // An old failure is worth nothing, unlike an old answer (RFC 8767 §4).
        let up_to = stale.filter(|_| !self.facts.failure)?.up_to.as_secs();
        (elapsed - lifetime < up_to).then_some(Age::Stale)
    }

    /// The entry that answers the question: this one, or the one kept behind it.
    pub(super) fn answer(&self) -> Option<&Self> {
        if self.facts.answering { Some(self) } else { self.rare.as_ref()?.last_good.as_deref() }
    }

    fn into_answer(self) -> Option<Self> {
        if self.facts.answering { Some(self) } else { self.rare?.last_good.map(|entry| *entry) }
    }

    /// Appends the message with this TTL on every record.
    pub(in crate::cache) fn append_message(&self, ttl: u32, out: &mut Vec<u8>) {
        let end = usize::from(self.key_len) + usize::from(self.message_len);
        let start = out.len();
        out.extend_from_slice(self.blob.get(usize::from(self.key_len)..end).unwrap_or_default());
        let message = out.get_mut(start..).unwrap_or_default();
        for at in self.blob.get(end..).unwrap_or_default().chunks_exact(2) {
            let at = <[u8; 2]>::try_from(at).map_or(0, u16::from_ne_bytes);
            write_u32(message, usize::from(at), ttl);
        }
        write_u16(message, 0, 0);
    }

    /// The summary with this TTL.
    pub(in crate::cache) fn summary(&self, ttl: u32) -> Summary {
        self.digest.to_summary(usize::from(self.message_len), ttl)
    }

    /// What was known when it was stored.
    pub(in crate::cache) fn facts(&self) -> Facts {
        self.facts
    }

    /// The value of metadata `zone/wildcard`.
    pub(in crate::cache) fn wildcard(&self) -> Option<Arc<str>> {
        self.rare.as_ref()?.wildcard.clone()
    }

    /// Whether a refresh may start.
    pub(in crate::cache) fn may_refresh(&self, now: Instant) -> bool {
        let retry_after = self.rare.as_ref().and_then(|rare| rare.retry_after);
        retry_after.is_none_or(|retry_after| now >= retry_after)
    }

    /// Octets of heap that this entry costs, its place in the list and the table included. It
    /// stays the same as long as the entry is in the store.
    pub(super) fn cost(&self) -> usize {
        let kept = self.rare.as_ref().and_then(|rare| rare.last_good.as_ref());
        let own = self.blob.len() + size_of::<Self>() + NODE_COST;
        own + kept.map_or(0, |entry| entry.blob.len() + size_of::<Self>())
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// Key and links in the list, a slot in a table that is three quarters full, and what the
/// allocator adds to two blocks.
const NODE_COST: usize = 24 + 24 + 32;

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use dunlin_core::rr::RecordType;
    use dunlin_core::testing::query;
    use foldhash::quality::RandomState;

    use super::*;

    #[test]
    fn an_entry_moves_to_the_front_once_a_second_fresh_or_stale() {
        let query = query("a.test", RecordType::A).build();
        let mut reply = query.reply();
        let (bytes, summary) = reply.wire().unwrap();
        let key = Key::of(&query, &RandomState::default());
        let facts = Facts { lifetime: 10, answering: true, failure: false };
        let start = Instant::now();
        let mut entry = Entry::new(&key, bytes, summary, facts, start).unwrap();
        let table = [
            (Age::Fresh(10), 0, false),
            (Age::Fresh(9), 1_000, true),
            (Age::Fresh(9), 1_900, false),
            (Age::Stale, 11_000, true),
            (Age::Stale, 11_999, false),
            (Age::Stale, 12_000, true),
        ];
        for (age, milliseconds, expected) in table {
            let now = start + Duration::from_millis(milliseconds);
            assert_eq!(entry.wants_promotion(age, now), expected, "{age:?} at {milliseconds} ms");
        }
    }
}
