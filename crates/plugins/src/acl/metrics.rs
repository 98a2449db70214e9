//! CoreDNS' counters. Their series exist from the first event on, as there.

use std::sync::OnceLock;

use dunlin_core::metrics::{Counter, CounterFamily, Metrics};
use dunlin_core::site::Site;
use dunlin_core::zones::{Zone, Zones};

/// The three ways not to let a query pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// REFUSED.
    Block,
    /// An empty answer.
    Filter,
    /// No reply at all.
    Drop,
}

/// The counters of one `acl` for all places where it answers.
#[derive(Debug)]
pub(super) struct Numbers {
    families: Families,
    /// The zones of each rule.
    zones: Vec<Zones>,
    /// For each place, once it is known how many there are.
    places: OnceLock<Box<[Place]>>,
}

#[derive(Debug)]
struct Families {
    blocked: CounterFamily,
    filtered: CounterFamily,
    dropped: CounterFamily,
    allowed: CounterFamily,
}

#[derive(Debug, Default)]
struct Place {
    allowed: OnceLock<Counter>,
    /// For each rule and each zone of it.
    denied: Vec<Vec<Denied>>,
}

/// By [`Denial`].
type Denied = [OnceLock<Counter>; 3];

impl Numbers {
    pub(super) fn new(metrics: &Metrics, zones: Vec<Zones>) -> Self {
        let of_zones = |name, help| metrics.counter(name, help, &["server", "zone", "view"]);
        let families = Families {
            blocked: of_zones(
                "coredns_acl_blocked_requests_total",
                "Counter of DNS requests being blocked.",
            ),
            filtered: of_zones(
                "coredns_acl_filtered_requests_total",
                "Counter of DNS requests being filtered.",
            ),
            dropped: of_zones(
                "coredns_acl_dropped_requests_total",
                "Counter of DNS requests being dropped.",
            ),
            allowed: metrics.counter(
                "coredns_acl_allowed_requests_total",
                "Counter of DNS requests being allowed.",
                &["server", "view"],
            ),
        };
        Self { families, zones, places: OnceLock::new() }
    }

    /// Makes room for this many places; a second call changes nothing.
    pub(super) fn make_room(&self, places: usize) {
        let of_rule = |zones: &Zones| zones.iter().map(|_| Denied::default()).collect();
        let place =
            || Place { denied: self.zones.iter().map(of_rule).collect(), ..Place::default() };
        self.places.get_or_init(|| (0..places).map(|_| place()).collect());
    }

    pub(super) fn count_allowed(&self, site: &Site) {
        let count = || self.families.allowed.with(&[&site.server, &site.view]);
        match self.place(site) {
            Some(place) => place.allowed.get_or_init(count).inc(),
            None => count().inc(),
        }
    }

    /// Counts a query that the rule with this number has denied for one of its zones.
    pub(super) fn count_denied(&self, site: &Site, denial: Denial, (rule, zone): (usize, &Zone)) {
        let family = match denial {
            Denial::Block => &self.families.blocked,
            Denial::Filter => &self.families.filtered,
            Denial::Drop => &self.families.dropped,
        };
        let count = || family.with(&[&site.server, zone.as_str(), &site.view]);
        let known =
            self.zones.get(rule).and_then(|zones| zones.iter().position(|known| known == zone));
        let cell = self
            .place(site)
            .and_then(|place| place.denied.get(rule)?.get(known?)?.get(denial as usize));
        match cell {
            Some(cell) => cell.get_or_init(count).inc(),
            None => count().inc(),
        }
    }

    fn place(&self, site: &Site) -> Option<&Place> {
        self.places.get().and_then(|places| places.get(site.index))
    }
}
