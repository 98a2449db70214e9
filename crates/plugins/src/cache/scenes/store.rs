//! The store against a model, and what a hash collision does.

use std::collections::HashMap;
use std::time::Duration;

use dunlin_core::wire::Summary;
use dunlin_core::zones::Zones;
use proptest::prelude::*;
use tokio::time::Instant;

use super::script::question;
use crate::cache::config::{Config, Refresh, Stale};
use crate::cache::key::Key;
use crate::cache::store::{Admission, Age, Entry, Facts, Limits, Side, Store};

const ROOM: Limits = Limits { success: 1000, denial: 1000, octets: 1 << 20 };

fn entry(key: &Key<'_>, tag: u8, lifetime: u32, now: Instant) -> Entry {
    let message = [0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, tag, 0, 0, 1, 0, 1];
    let facts = Facts { lifetime, answering: true, failure: false };
    Entry::new(key, &message, &Summary::of(&message).unwrap(), facts, now).unwrap()
}

fn admission(side: Side, stale: Option<&Stale>) -> Admission<'_> {
    Admission { side, stale, is_refresh: false }
}

/// The tag of the entry that is found, its side and its age.
fn find(store: &Store, key: &Key<'_>, config: &Config, now: Instant) -> Option<(u8, Side, Age)> {
    store.find(key, config, now, |hit| {
        let mut message = Vec::new();
        hit.entry.append_message(0, &mut message);
        (message[13], hit.side, hit.age)
    })
}

#[test]
fn two_keys_with_one_hash_never_get_each_others_data() {
    let (store, config, now) = (Store::new(ROOM), Config::new(Zones::default()), Instant::now());
    let queries =
        ["a.test A", "b.test A", "a.test AAAA", "a.test A cd", "a.test A do", "a.test A ch"]
            .map(|words| question(words).build());
    let keys: Vec<_> =
        queries.iter().map(|query| Key::of(query, store.seed()).with_hash(7 << 32 | 7)).collect();
    for (at, key) in keys.iter().enumerate() {
        let tag = u8::try_from(at).unwrap();
        store.insert(key, entry(key, tag, 60, now), &admission(Side::Success, None), now);
        for (other, key) in keys.iter().enumerate() {
            let expected = (at == other).then_some((tag, Side::Success, Age::Fresh(60)));
            assert_eq!(find(&store, key, &config, now), expected, "{at} {other}");
        }
    }
    assert_eq!(store.lens(), (1, 0));
}

#[test]
fn keys_differ_in_everything_that_changes_the_answer_and_nothing_else() {
    let store = Store::new(ROOM);
    let same =
        ["a.test A", "A.tEsT A", "a.test A -rd", "a.test A ad", "a.test A tcp", "a.test A ecs=1"];
    let other =
        ["b.test A", "a.test.test A", "a.test NS", "a.test A do", "a.test A cd", "a.test A ch"];
    let first = question("a.test A").build();
    let first = Key::of(&first, store.seed());
    for (words, expected) in
        same.map(|words| (words, true)).into_iter().chain(other.map(|words| (words, false)))
    {
        let query = question(words).build();
        let key = Key::of(&query, store.seed());
        assert_eq!(key == first, expected, "{words}");
        assert_eq!(key.to_shared().as_key(), key);
        let mut bytes = Vec::new();
        key.append_to(&mut bytes);
        assert!(key.is(&bytes) && first.is(&bytes) == expected, "{words}");
        assert_ne!(Key::of(&query, Store::new(ROOM).seed()).hash(), key.hash(), "seeded at random");
    }
}

#[test]
fn octets_are_a_bound_and_the_used_stays() {
    let config = Config::new(Zones::default());
    let mut now = Instant::now();
    let query = question("hot.test A").build();
    let limits = Limits { octets: 2000, ..ROOM };
    let store = Store::new(limits);
    let hot = Key::of(&query, store.seed());
    store.insert(&hot, entry(&hot, 1, 3600, now), &admission(Side::Success, None), now);
    for n in 0..2000 {
        now += Duration::from_millis(1500);
        assert!(find(&store, &hot, &config, now).is_some(), "{n}");
        let query = question(&format!("n{n}.test A")).build();
        // All in one shard, and none with the hash of the first, which is seeded at random.
        let key = Key::of(&query, store.seed());
        let key = key.with_hash((hot.hash() ^ 0x8000) & !0x7fff | n);
        store.insert(&key, entry(&key, 2, 3600, now), &admission(Side::Success, None), now);
    }
    assert!((2..10).contains(&store.lens().0), "{:?}", store.lens());
}

#[test]
fn neither_side_starves_the_other() {
    let (config, now) = (Config::new(Zones::default()), Instant::now());
    let store = Store::new(Limits { octets: 4000, ..ROOM });
    let query = question("keep.test A").build();
    let keep = Key::of(&query, store.seed());
    store.insert(&keep, entry(&keep, 1, 3600, now), &admission(Side::Success, None), now);
    for n in 0..1000 {
        let query = question(&format!("n{n}.test A")).build();
        let key = Key::of(&query, store.seed()).with_hash(keep.hash() & !0xffff | n);
        store.insert(&key, entry(&key, 2, 3600, now), &admission(Side::Denial, None), now);
    }
    assert!(find(&store, &keep, &config, now).is_some());
}

#[derive(Debug, Clone)]
enum Step {
    Insert { name: usize, side: bool, tag: u8, lifetime: u32 },
    Find { name: usize },
    Pass { milliseconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..6usize, any::<bool>(), any::<u8>(), 1..8u32)
            .prop_map(|(name, side, tag, lifetime)| Step::Insert { name, side, tag, lifetime }),
        (0..6usize).prop_map(|name| Step::Find { name }),
        (0..4000u64).prop_map(|milliseconds| Step::Pass { milliseconds }),
    ]
}

/// What the store should hold: tag, lifetime and time by name, answers and denials.
#[derive(Default)]
struct Model {
    success: HashMap<usize, (u8, u32, Instant)>,
    denial: HashMap<usize, (u8, u32, Instant)>,
}

impl Model {
    fn find(&self, name: usize, stale: u64, now: Instant) -> Option<(u8, Side, Age)> {
        let usable = |side: Side, (tag, lifetime, stored): (u8, u32, Instant)| {
            let left = i64::from(lifetime) - i64::try_from((now - stored).as_secs()).unwrap();
            match u32::try_from(left) {
                Ok(left) if left > 0 => Some((tag, side, Age::Fresh(left))),
                _ => (-left < i64::try_from(stale).unwrap()).then_some((tag, side, Age::Stale)),
            }
        };
        let denial = self.denial.get(&name).and_then(|entry| usable(Side::Denial, *entry));
        denial.or_else(|| self.success.get(&name).and_then(|entry| usable(Side::Success, *entry)))
    }
}

proptest! {
    #[test]
    fn the_store_does_what_the_model_does(
        steps in proptest::collection::vec(step(), 1..200),
        up_to in 0..10u64,
    ) {
        let store = Store::new(ROOM);
        let mut config = Config::new(Zones::default());
        config.stale = (up_to > 0).then(|| Stale {
            up_to: Duration::from_secs(up_to),
            refresh: Refresh::Immediate,
            ttl: 0,
            recheck: Duration::ZERO,
            prefer_positive: false,
        });
        let queries: Vec<_> = (0..6).map(|n| question(&format!("n{n}.test A")).build()).collect();
        let keys: Vec<_> = queries.iter().map(|query| Key::of(query, store.seed())).collect();
        let mut model = Model::default();
        let mut now = Instant::now();
        for step in steps {
            match step {
                Step::Insert { name, side, tag, lifetime } => {
                    let side = if side { Side::Success } else { Side::Denial };
                    let admission = admission(side, config.stale.as_ref());
                    let evicted =
                        store.insert(&keys[name], entry(&keys[name], tag, lifetime, now), &admission, now);
                    prop_assert_eq!(evicted, Default::default());
                    if side == Side::Success {
                        model.success.insert(name, (tag, lifetime, now));
                        model.denial.remove(&name);
                    } else {
                        model.denial.insert(name, (tag, lifetime, now));
                    }
                }
                Step::Find { name } => {
                    let expected = model.find(name, up_to, now);
                    prop_assert_eq!(find(&store, &keys[name], &config, now), expected);
                }
                Step::Pass { milliseconds } => now += Duration::from_millis(milliseconds),
            }
            prop_assert_eq!(store.lens(), (model.success.len(), model.denial.len()));
        }
    }
}
