//! Metric handles: names and label sets are resolved when a chain is built, counting is a few
//! nanoseconds on the worker's own cells, and the scrape adds the cells up.
//!
//! Names and labels are the operator's interface: they come from CoreDNS, or start with
//! `dunlin_`. No label value may come from a client.

mod cells;
mod dns;
mod family;
mod series;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::Encoder;

pub use self::cells::{Counter, Gauge, Histogram};
pub use self::dns::{DnsMetrics, type_label};
pub use self::family::{CounterFamily, Family, GaugeFamily, HistogramFamily, Series};
pub use self::series::{Outcome, SiteSeries};

/// All metrics of the process. They survive reloads: asking for a family again gives the same one.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: prometheus::Registry,
    workers: usize,
    families: Mutex<HashMap<&'static str, AnyFamily>>,
}

#[derive(Clone)]
enum AnyFamily {
    Counter(CounterFamily),
    Gauge(GaugeFamily),
    Histogram(HistogramFamily),
}

/// Seconds: 0.25 ms, doubled fifteen times. CoreDNS's buckets for durations.
pub const TIME_BUCKETS: [f64; 16] = [
    0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024,
    2.048, 4.096, 8.192,
];

/// Seconds: 0.25 ms, times ten, five of them. CoreDNS's buckets for slow things.
pub const SLIM_TIME_BUCKETS: [f64; 5] = [0.00025, 0.0025, 0.025, 0.25, 2.5];

/// Octets of a message.
pub const SIZE_BUCKETS: [f64; 14] = [
    0.0, 100.0, 200.0, 300.0, 400.0, 511.0, 1023.0, 2047.0, 4095.0, 8291.0, 16e3, 32e3, 48e3, 64e3,
];

impl Metrics {
    /// An empty set for a process with this many workers, the `process_*` metrics included.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let registry = prometheus::Registry::new();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        // Only a second collector of the same name could fail.
        let _only_once = registry.register(Box::new(process));
        Self(Arc::new(Inner { registry, workers, families: Mutex::default() }))
    }

    /// A family of counters; the same one if the name is known.
    #[must_use]
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> CounterFamily {
        let make = || CounterFamily::new(name, help, labels, self.0.workers);
        let known = self.family(name, || AnyFamily::Counter(make()));
        if let AnyFamily::Counter(family) = known { family } else { make() }
    }

    /// A family of gauges; the same one if the name is known.
    #[must_use]
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> GaugeFamily {
        let make = || GaugeFamily::new(name, help, labels);
        let known = self.family(name, || AnyFamily::Gauge(make()));
        if let AnyFamily::Gauge(family) = known { family } else { make() }
    }

    /// A family of histograms; the same one if the name is known.
    #[must_use]
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        buckets: &'static [f64],
    ) -> HistogramFamily {
        let make = || HistogramFamily::new(name, help, labels, buckets, self.0.workers);
        let known = self.family(name, || AnyFamily::Histogram(make()));
        if let AnyFamily::Histogram(family) = known { family } else { make() }
    }

    /// The page that Prometheus scrapes (text format 0.0.4).
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = Vec::new();
        let families = self.0.registry.gather();
        if let Err(error) = prometheus::TextEncoder::new().encode(&families, &mut page) {
            tracing::error!(%error, "metrics could not be written");
        }
        String::from_utf8_lossy(&page).into_owned()
    }

    fn family(&self, name: &'static str, make: impl FnOnce() -> AnyFamily) -> AnyFamily {
        let mut families = self.0.families.lock();
        let registry = &self.0.registry;
        families
            .entry(name)
            .or_insert_with(|| {
                let family = make();
                let registered = match family.clone() {
                    AnyFamily::Counter(family) => registry.register(Box::new(family)),
                    AnyFamily::Gauge(family) => registry.register(Box::new(family)),
                    AnyFamily::Histogram(family) => registry.register(Box::new(family)),
                };
                if let Err(error) = registered {
                    tracing::error!(%error, name, "metric could not be registered");
                }
                family
            })
            .clone()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metrics({} families)", self.0.families.lock().len())
    }
}
