//! What the directive says, once it is known to be valid.

use std::time::Duration;

use dunlin_core::zones::Zones;

/// The settings of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// The names to cache.
    pub(super) zones: Zones,
    /// Answers.
    pub(super) success: Bounds,
    /// Denials of existence.
    pub(super) denial: Bounds,
    /// Refreshing of popular entries before they expire.
    pub(super) prefetch: Option<Prefetch>,
    /// Serving of expired entries.
    pub(super) stale: Option<Stale>,
    /// Seconds that a failure is remembered; 0 for not at all.
    pub(super) servfail: u32,
    /// Names whose answers are not stored.
    pub(super) no_success: Zones,
    /// Names whose denials are not stored.
    pub(super) no_denial: Zones,
    /// Whether a hit shows the TTL that the entry began with.
    pub(super) keep_ttl: bool,
}

/// The bounds of one kind of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Entries.
    pub(super) capacity: usize,
    /// Seconds; wins over `min_ttl`.
    pub(super) max_ttl: u32,
    /// Seconds.
    pub(super) min_ttl: u32,
}

/// `prefetch`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefetch {
    /// Hits that make an entry popular, at least 1.
    pub(super) amount: u64,
    /// A longer time between two hits starts the count anew.
    pub(super) gap: Duration,
    /// The refresh happens when this much of the lifetime is left, or less.
    pub(super) percentage: u32,
}

/// `serve_stale` and `serve_stale_policy`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stale {
    /// How long after their end entries are served; not zero.
    pub(super) up_to: Duration,
    /// When a refresh is tried.
    pub(super) refresh: Refresh,
    /// The TTL of a stale reply, in seconds.
    pub(super) ttl: u32,
    /// How long to wait after a refresh that failed.
    pub(super) recheck: Duration,
    /// Whether an answer goes before a denial, and stays behind a reply that is none.
    pub(super) prefer_positive: bool,
}

/// When a stale entry is refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refresh {
    /// After it was served.
    Immediate,
    /// Before it would be served; the client waits until the refresh has ended.
    Verify,
    /// Before it would be served; the client waits no longer than this.
    VerifyWithin(Duration),
}

impl Config {
    /// What a bare `cache` means for these zones.
    pub(super) fn new(zones: Zones) -> Self {
        Self {
            zones,
            success: Bounds { capacity: CAPACITY, max_ttl: 3600, min_ttl: 5 },
            denial: Bounds { capacity: CAPACITY, max_ttl: 1800, min_ttl: 5 },
            prefetch: None,
            stale: None,
            servfail: 5,
            no_success: Zones::default(),
            no_denial: Zones::default(),
            keep_ttl: false,
        }
    }

    /// Whether answers go before denials.
    pub(super) fn prefers_positive(&self) -> bool {
        self.stale.as_ref().is_some_and(|stale| stale.prefer_positive)
    }
}

const CAPACITY: usize = 10_000;
