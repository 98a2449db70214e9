//! The numbers of CoreDNS, resolved once for every place where the server block answers.

use std::sync::OnceLock;

use dunlin_core::metrics::{Counter, CounterFamily, Gauge, GaugeFamily, Metrics};
use dunlin_core::site::Site;

/// The families, before it is known where the block answers.
#[derive(Debug, Clone)]
pub(super) struct Families {
    zones: String,
    entries: GaugeFamily,
    requests: CounterFamily,
    hits: CounterFamily,
    misses: CounterFamily,
    prefetches: CounterFamily,
    drops: CounterFamily,
    served_stale: CounterFamily,
    evictions: CounterFamily,
}

/// The numbers of one place.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) entries: BySide<Gauge>,
    pub(super) requests: Counter,
    pub(super) hits: BySide<Counter>,
    pub(super) misses: Counter,
    pub(super) prefetches: Counter,
    pub(super) drops: Counter,
    pub(super) served_stale: Counter,
    pub(super) evictions: BySide<Counter>,
}

/// One number for each value of the label `type`.
#[derive(Debug)]
pub(super) struct BySide<T> {
    pub(super) success: T,
    pub(super) denial: T,
}

/// The numbers of all places, made when the block starts.
#[derive(Debug)]
pub(super) struct Table {
    families: Families,
    rows: OnceLock<Box<[Numbers]>>,
    elsewhere: OnceLock<Numbers>,
}

impl Families {
    /// The families of this process. `zones` is the value of that label.
    pub(super) fn of(metrics: &Metrics, zones: String) -> Self {
        let counter = |name, help| metrics.counter(name, help, &LABELS);
        Self {
            zones,
            entries: metrics.gauge(
                "coredns_cache_entries",
                "The number of elements in the cache.",
                &LABELS_WITH_TYPE,
            ),
            requests: counter("coredns_cache_requests_total", "The count of cache requests."),
            hits: metrics.counter(
                "coredns_cache_hits_total",
                "The count of cache hits.",
                &LABELS_WITH_TYPE,
            ),
            misses: counter(
                "coredns_cache_misses_total",
                "The count of cache misses. Deprecated, derive misses from cache hits/requests counters.",
            ),
            prefetches: counter(
                "coredns_cache_prefetch_total",
                "The number of times the cache has prefetched a cached item.",
            ),
            drops: counter(
                "coredns_cache_drops_total",
                "The number responses that are not cached, because the reply is malformed.",
            ),
            served_stale: counter(
                "coredns_cache_served_stale_total",
                "The number of requests served from stale cache entries.",
            ),
            evictions: metrics.counter(
                "coredns_cache_evictions_total",
                "The count of cache evictions.",
                &LABELS_WITH_TYPE,
            ),
        }
    }

    fn numbers(&self, site: &Site) -> Numbers {
        let labels = [site.server.as_str(), &self.zones, &site.view];
        let of_type = |kind| [site.server.as_str(), kind, &self.zones, &site.view];
        let both = |family: &CounterFamily| BySide {
            success: family.with(&of_type("success")),
            denial: family.with(&of_type("denial")),
        };
        Numbers {
            entries: BySide {
                success: self.entries.with(&of_type("success")),
                denial: self.entries.with(&of_type("denial")),
            },
            requests: self.requests.with(&labels),
            hits: both(&self.hits),
            misses: self.misses.with(&labels),
            prefetches: self.prefetches.with(&labels),
            drops: self.drops.with(&labels),
            served_stale: self.served_stale.with(&labels),
            evictions: both(&self.evictions),
        }
    }
}

const LABELS: [&str; 3] = ["server", "zones", "view"];
const LABELS_WITH_TYPE: [&str; 4] = ["server", "type", "zones", "view"];

impl Table {
    /// A table without rows.
    pub(super) fn new(families: Families) -> Self {
        Self { families, rows: OnceLock::new(), elsewhere: OnceLock::new() }
    }

    /// Makes a row for each site; a second call changes nothing.
    pub(super) fn fill<'a>(&self, sites: impl Iterator<Item = &'a Site>) {
        self.rows.get_or_init(|| sites.map(|site| self.families.numbers(site)).collect());
    }

    /// The numbers of a site.
    pub(super) fn at(&self, site: &Site) -> &Numbers {
        let row = self.rows.get().and_then(|rows| rows.get(site.index));
        // Only a chain that nobody has started has no rows.
        row.unwrap_or_else(|| self.elsewhere.get_or_init(|| self.families.numbers(site)))
    }
}
