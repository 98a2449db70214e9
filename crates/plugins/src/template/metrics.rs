//! How often templates matched, and how often they failed.

use dunlin_core::metrics::{CounterFamily, Metrics as Registry};

/// The metrics of the plugin. Series for failures appear with the first one.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) matches: CounterFamily,
    pub(super) template_failures: CounterFamily,
    pub(super) record_failures: CounterFamily,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let failing = &["server", "zone", "view", "class", "type", "section", "template"];
        Self {
            matches: registry.counter(
                "coredns_template_matches_total",
                "Counter of template regex matches.",
                &["server", "zone", "view", "class", "type"],
            ),
            template_failures: registry.counter(
                "coredns_template_template_failures_total",
                "Counter of go template failures.",
                failing,
            ),
            record_failures: registry.counter(
                "coredns_template_rr_failures_total",
                "Counter of mis-templated RRs.",
                failing,
            ),
        }
    }
}
