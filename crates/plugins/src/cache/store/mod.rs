//! The store: replies by key, bounded by entries and by octets, the least recently used go first.
//!
//! A shard is a mutex around two lists, one for answers and one for denials, so that a look-up in
//! both costs one lock. The hash is computed once, for shard and table alike, and the key is
//! compared in full on every hit. A hit copies the reply out under the lock: cheaper than a
//! reference count that all workers share.

mod entry;
mod half;

use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::half::Half;
use super::config::{Config, Stale};
use super::key::Key;

pub(super) use self::entry::{Age, Entry, Facts};
pub(super) use self::half::Identity;

/// Which list an entry is in; the label `type` of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Answers and referrals.
    Success,
    /// Denials of existence, and failures.
    Denial,
}

/// All cached replies of a server block.
#[derive(Debug)]
pub(super) struct Store {
    seed: RandomState,
    shards: Box<[Mutex<Shard>]>,
    limits: Limits,
    success: AtomicUsize,
    denial: AtomicUsize,
}

/// What a shard may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Answers.
    pub(super) success: usize,
    /// Denials.
    pub(super) denial: usize,
    /// Octets of both together.
    pub(super) octets: usize,
}

#[derive(Debug, Default)]
struct Shard {
    success: Half,
    denial: Half,
}

/// How an entry comes into the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission<'a> {
    /// Where it belongs.
    pub(super) side: Side,
    /// Whether and how expired entries are served.
    pub(super) stale: Option<&'a Stale>,
    /// Whether it takes over the popularity of what it replaces.
    pub(super) is_refresh: bool,
}

/// How many entries went to make room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Evicted {
    /// Answers.
    pub(super) success: u64,
    /// Denials.
    pub(super) denial: u64,
}

/// Which entry of a key is to be served.
struct Choice<'s> {
    side: Side,
    age: Age,
    /// Whether it is the one that answers the question, which may stand behind another.
    is_answer: bool,
    /// The entry in its place.
    entry: &'s mut Entry,
}

impl<'s> Choice<'s> {
    /// `None` if there is no entry, or one too old to be served.
    fn of(
        side: Side,
        entry: Option<&'s mut Entry>,
        age: impl Fn(&Entry) -> Option<Age>,
    ) -> Option<Self> {
        let entry = entry?;
        Some(Self { side, age: age(entry)?, is_answer: false, entry })
    }
}

/// A hit, still under the lock.
pub(super) struct Hit<'s> {
    pub(super) side: Side,
    pub(super) age: Age,
    /// The entry to serve.
    pub(super) entry: &'s Entry,
    /// Whether a refresh is due, now that this hit is counted.
    pub(super) is_popular: bool,
}

impl Store {
    /// An empty store.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            seed: RandomState::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            limits,
            success: AtomicUsize::new(0),
            denial: AtomicUsize::new(0),
        }
    }

    /// The seed for keys of this store.
    pub(super) fn seed(&self) -> &RandomState {
        &self.seed
    }

    /// Looks a key up and, on a hit, gives the entry to `take` under the lock.
    pub(super) fn find<T>(
        &self,
        key: &Key<'_>,
        config: &Config,
        now: Instant,
        take: impl FnOnce(&Hit<'_>) -> T,
    ) -> Option<T> {
        let mut shard = self.shard(key)?.lock();
        let Choice { side, age, is_answer, entry } = shard.choose(key, config, now)?;
        let is_popular = match (&config.prefetch, age) {
            // A failure is left to end: it is remembered so that nobody asks sooner.
            (Some(prefetch), Age::Fresh(left)) if !entry.facts().failure => {
                entry.count_hit(prefetch, left, now)
            }
            _ => false,
        };
        let wants_promotion = entry.wants_promotion(age, now);
        let entry = if is_answer { entry.answer()? } else { entry };
        let taken = take(&Hit { side, age, entry, is_popular });
        if wants_promotion {
            shard.half(side).promote(key);
        }
        Some(taken)
    }

    /// Whether a look-up would find something.
    pub(super) fn has_usable(&self, key: &Key<'_>, config: &Config, now: Instant) -> bool {
        self.shard(key).is_some_and(|shard| shard.lock().choose(key, config, now).is_some())
    }

    /// Puts an entry in and makes room for it. Nothing happens if it alone is too large, or if it
    /// is a failure and a denial that can still be served has its place.
    pub(super) fn insert(
        &self,
        key: &Key<'_>,
        mut entry: Entry,
        admission: &Admission<'_>,
        now: Instant,
    ) -> Evicted {
        let Some(shard) = self.shard(key) else { return Evicted::default() };
        if entry.cost() > self.limits.octets {
            return Evicted::default();
        }
        let mut shard = shard.lock();
        let before = shard.lens();
        let half = shard.half(admission.side);
        let known = half.get(key);
        let is_better =
            |known: &Entry| !known.facts().failure && known.age(admission.stale, now).is_some();
        if entry.facts().failure && known.is_some_and(is_better) {
            return Evicted::default();
        }
        if admission.is_refresh {
            let popular = shard.success.get(key).or_else(|| shard.denial.get(key));
            popular.into_iter().for_each(|popular| entry.inherit(popular));
        }
        let prefers_positive = admission.stale.is_some_and(|stale| stale.prefer_positive);
        let is_answer = entry.facts().answering;
        let half = shard.half(admission.side);
        let replaced = half.take(key);
        if admission.side == Side::Success {
            if prefers_positive && !is_answer {
                replaced.into_iter().for_each(|replaced| entry.keep(replaced));
            }
            half.put(key, entry);
            // The newest state of the name is that it is there.
            if !prefers_positive || is_answer {
                drop(shard.denial.take(key));
            }
        } else {
            half.put(key, entry);
        }
        let evicted = shard.make_room(admission.side, &self.limits);
        let after = shard.lens();
        drop(shard);
        adjust(&self.success, before.0, after.0);
        adjust(&self.denial, before.1, after.1);
        evicted
    }

    /// Forbids refreshes of this key before `until`.
    pub(super) fn hold_off(&self, key: &Key<'_>, until: Instant) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock();
        for side in [Side::Success, Side::Denial] {
            if let Some(entry) = shard.half(side).get_mut(key) {
                entry.hold_off(until);
            }
        }
    }

    /// How many answers and how many denials there are.
    pub(super) fn lens(&self) -> (usize, usize) {
        (self.success.load(Ordering::Relaxed), self.denial.load(Ordering::Relaxed))
    }

    /// Bits 32 to 39: the table inside takes the bucket from the low bits and a tag from the top
    /// seven, so a shard chosen by either would leave all its entries with the same tag.
    fn shard(&self, key: &Key<'_>) -> Option<&Mutex<Shard>> {
        let index = usize::try_from(key.hash() >> 32).unwrap_or(0) % SHARDS;
        self.shards.get(index)
    }
}

impl Shard {
    /// What serves a key, in CoreDNS's order: denials first, but no failure hides an answer.
    fn choose(&mut self, key: &Key<'_>, config: &Config, now: Instant) -> Option<Choice<'_>> {
        let stale = config.stale.as_ref();
        let age = |entry: &Entry| entry.age(stale, now);
        let denied = Choice::of(Side::Denial, self.denial.get_mut(key), age);
        let is_denied = denied.as_ref().is_some_and(|choice| !choice.entry.facts().failure);
        if is_denied && !config.prefers_positive() {
            return denied;
        }
        let found = self.success.get_mut(key);
        if config.prefers_positive() {
            let answer_age = |entry: &Entry| entry.answer().and_then(age);
            if let Some(age) = found.as_deref().and_then(answer_age) {
                let side = Side::Success;
                return found.map(|entry| Choice { side, age, is_answer: true, entry });
            }
        }
        if is_denied { denied } else { Choice::of(Side::Success, found, age).or(denied) }
    }

    fn make_room(&mut self, side: Side, limits: &Limits) -> Evicted {
        let mut evicted = Evicted::default();
        let (limit, count) = match side {
            Side::Success => (limits.success, &mut evicted.success),
            Side::Denial => (limits.denial, &mut evicted.denial),
        };
        let half = self.half(side);
        while half.len() > limit && half.evict() {
            *count += 1;
        }
        // The larger half gives way, so each can always fill half of the room.
        while self.success.octets() + self.denial.octets() > limits.octets {
            let (larger, count) = if self.success.octets() > self.denial.octets() {
                (&mut self.success, &mut evicted.success)
            } else {
                (&mut self.denial, &mut evicted.denial)
            };
            if larger.len() < 2 || !larger.evict() {
                break;
            }
            *count += 1;
        }
        evicted
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Success => &mut self.success,
            Side::Denial => &mut self.denial,
        }
    }

    fn lens(&self) -> (usize, usize) {
        (self.success.len(), self.denial.len())
    }
}

impl Limits {
    /// CoreDNS's numbers of entries, and octets: 1 KiB for each of them, at least 20 MiB, at most
    /// a quarter of the memory limit.
    pub(super) fn of(config: &Config, memory_limit: usize) -> Self {
        let success = (config.success.capacity / SHARDS).max(MIN_SHARD_LEN);
        let denial = (config.denial.capacity / SHARDS).max(MIN_SHARD_LEN);
        let wanted = (success + denial).saturating_mul(TYPICAL_COST).max(MIN_OCTETS / SHARDS);
        Self { success, denial, octets: wanted.min(memory_limit / 4 / SHARDS) }
    }
}

/// As CoreDNS: its capacity is split evenly among them, which shows in `entries`.
pub(super) const SHARDS: usize = 256;
const MIN_SHARD_LEN: usize = 4;
const TYPICAL_COST: usize = 1024;
const MIN_OCTETS: usize = 20 << 20;

fn adjust(count: &AtomicUsize, before: usize, after: usize) {
    if after >= before {
        count.fetch_add(after - before, Ordering::Relaxed);
    } else {
        count.fetch_sub(before - after, Ordering::Relaxed);
    }
}
