//! The numbers of one upstream. Names, labels and buckets are CoreDNS's `pkg/proxy`; a series appears
//! when it is first counted, as there.

use std::sync::OnceLock;
use std::time::Duration;

use crate::rcode::RCODES;
use dunlin_core::metrics::{
    Counter, CounterFamily, Family, Gauge, GaugeFamily, Histogram, HistogramFamily, Metrics,
    Series, TIME_BUCKETS,
};

/// The families that all upstreams share.
#[derive(Debug, Clone)]
pub struct ProxyMetrics {
    duration: HistogramFamily,
    probe_failures: CounterFamily,
    cache_hits: CounterFamily,
    cache_misses: CounterFamily,
    ignored: CounterFamily,
    hedges: CounterFamily,
    in_flight: GaugeFamily,
    busy: CounterFamily,
}

impl ProxyMetrics {
    /// The families of this process.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        Self {
            duration: metrics.histogram(
                "coredns_proxy_request_duration_seconds",
                "Histogram of the time each request took.",
                &["proxy_name", "to", "rcode"],
                &TIME_BUCKETS,
            ),
            probe_failures: metrics.counter(
                "coredns_proxy_healthcheck_failures_total",
                "Counter of the number of failed healthchecks.",
                &["proxy_name", "to"],
            ),
            cache_hits: metrics.counter(
                "coredns_proxy_conn_cache_hits_total",
                "Counter of connection cache hits per upstream and protocol.",
                &["proxy_name", "to", "proto"],
            ),
            cache_misses: metrics.counter(
                "coredns_proxy_conn_cache_misses_total",
                "Counter of connection cache misses per upstream and protocol.",
                &["proxy_name", "to", "proto"],
            ),
            ignored: metrics.counter(
                "dunlin_proxy_ignored_replies_total",
                "Counter of datagrams that were not the response to the query.",
                &["proxy_name", "to"],
            ),
            hedges: metrics.counter(
                "dunlin_proxy_hedges_total",
                "Counter of additional sends because an upstream was silent.",
                &["proxy_name", "to"],
            ),
            in_flight: metrics.gauge(
                "dunlin_proxy_in_flight",
                "Gauge of the queries at an upstream, 4096 at most.",
                &["proxy_name", "to"],
            ),
            busy: metrics.counter(
                "dunlin_proxy_busy_total",
                "Counter of the queries that found too many in flight at an upstream.",
                &["proxy_name", "to"],
            ),
        }
    }

    /// The numbers of the upstream `to` (address and port) of the plugin `proxy_name`.
    #[must_use]
    pub fn upstream(&self, proxy_name: &'static str, to: &str) -> UpstreamMetrics {
        UpstreamMetrics {
            families: self.clone(),
            proxy_name,
            to: to.to_owned(),
            durations: std::array::from_fn(|_| OnceLock::new()),
            hits: std::array::from_fn(|_| OnceLock::new()),
            misses: std::array::from_fn(|_| OnceLock::new()),
            probe_failures: OnceLock::new(),
            ignored: OnceLock::new(),
            hedges: OnceLock::new(),
            in_flight: OnceLock::new(),
            busy: OnceLock::new(),
        }
    }
}

/// How we talk to an upstream; the label `proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proto {
    Udp,
    Tcp,
    Tls,
}

impl Proto {
    fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tcp-tls",
        }
    }
}

/// The numbers of one upstream, each handle resolved once.
#[derive(Debug)]
pub struct UpstreamMetrics {
    families: ProxyMetrics,
    proxy_name: &'static str,
    to: String,
    durations: [OnceLock<Histogram>; RCODES.len()],
    hits: [OnceLock<Counter>; 3],
    misses: [OnceLock<Counter>; 3],
    probe_failures: OnceLock<Counter>,
    ignored: OnceLock<Counter>,
    hedges: OnceLock<Counter>,
    in_flight: OnceLock<Gauge>,
    busy: OnceLock<Counter>,
}

impl UpstreamMetrics {
    /// An exchange brought a response with this rcode.
    pub(crate) fn exchanged(&self, rcode: u16, duration: Duration) {
        let index = usize::from(rcode);
        match (self.durations.get(index), RCODES.get(index)) {
            (Some(cell), Some(label)) if !label.is_empty() => cell
                .get_or_init(|| self.families.duration.with(&[self.proxy_name, &self.to, label]))
                .observe_duration(duration),
            _ => self
                .families
                .duration
                .with(&[self.proxy_name, &self.to, &rcode.to_string()])
                .observe_duration(duration),
        }
    }

    pub(crate) fn reused_connection(&self, proto: Proto) {
        self.count_connection(&self.hits, &self.families.cache_hits, proto);
    }

    pub(crate) fn opened_connection(&self, proto: Proto) {
        self.count_connection(&self.misses, &self.families.cache_misses, proto);
    }

    pub(crate) fn probe_failed(&self) {
        self.series(&self.probe_failures, &self.families.probe_failures).inc();
    }

    pub(crate) fn ignored_reply(&self) {
        self.series(&self.ignored, &self.families.ignored).inc();
    }

    pub(crate) fn hedged(&self) {
        self.series(&self.hedges, &self.families.hedges).inc();
    }

    pub(crate) fn in_flight(&self) -> &Gauge {
        self.series(&self.in_flight, &self.families.in_flight)
    }

    pub(crate) fn busy(&self) {
        self.series(&self.busy, &self.families.busy).inc();
    }

    fn series<'a, T: Series>(&'a self, cell: &'a OnceLock<T>, family: &Family<T>) -> &'a T {
        cell.get_or_init(|| family.with(&[self.proxy_name, &self.to]))
    }

    fn count_connection(
        &self,
        cells: &[OnceLock<Counter>; 3],
        family: &CounterFamily,
        proto: Proto,
    ) {
        let [udp, tcp, tls] = cells;
        let cell = match proto {
            Proto::Udp => udp,
            Proto::Tcp => tcp,
            Proto::Tls => tls,
        };
        cell.get_or_init(|| family.with(&[self.proxy_name, &self.to, proto.label()])).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_those_of_coredns() {
        let metrics = Metrics::new(1);
        let upstream = ProxyMetrics::of(&metrics).upstream("forward", "192.0.2.1:53");
        upstream.exchanged(0, Duration::from_millis(1));
        upstream.exchanged(13, Duration::from_millis(1));
        upstream.exchanged(3841, Duration::from_millis(1));
        upstream.opened_connection(Proto::Tls);
        upstream.reused_connection(Proto::Udp);
        upstream.probe_failed();
        let page = metrics.page();
        for line in [
            r#"coredns_proxy_request_duration_seconds_count{proxy_name="forward",rcode="NOERROR",to="192.0.2.1:53"} 1"#,
            r#"coredns_proxy_request_duration_seconds_bucket{proxy_name="forward",rcode="13",to="192.0.2.1:53",le="8.192"} 1"#,
            r#"coredns_proxy_request_duration_seconds_count{proxy_name="forward",rcode="3841",to="192.0.2.1:53"} 1"#,
            r#"coredns_proxy_conn_cache_misses_total{proto="tcp-tls",proxy_name="forward",to="192.0.2.1:53"} 1"#,
            r#"coredns_proxy_conn_cache_hits_total{proto="udp",proxy_name="forward",to="192.0.2.1:53"} 1"#,
            r#"coredns_proxy_healthcheck_failures_total{proxy_name="forward",to="192.0.2.1:53"} 1"#,
        ] {
            let sorted = |text: &str| {
                let mut labels: Vec<String> =
                    text.split(['{', '}', ',']).map(str::to_owned).collect();
                labels.sort();
                labels
            };
            assert!(page.lines().any(|found| sorted(found) == sorted(line)), "{line}\n{page}");
        }
    }
}
