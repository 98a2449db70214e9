//! The DNS metrics of the server itself. The engine counts what no chain ever saw, under zone
//! `dropped`; `prometheus` counts the rest.

use super::{CounterFamily, HistogramFamily, Metrics, SIZE_BUCKETS, TIME_BUCKETS};

/// The families that the engine and `prometheus` share.
#[derive(Debug, Clone)]
pub struct DnsMetrics {
    /// `coredns_dns_requests_total`
    pub requests: CounterFamily,
    /// `coredns_dns_responses_total`
    pub responses: CounterFamily,
    /// `coredns_dns_request_duration_seconds`
    pub duration: HistogramFamily,
    /// `coredns_dns_request_size_bytes`
    pub request_size: HistogramFamily,
    /// `coredns_dns_response_size_bytes`
    pub response_size: HistogramFamily,
    /// `coredns_dns_do_requests_total`
    pub dnssec_ok: CounterFamily,
    /// `coredns_panics_total`
    pub panics: CounterFamily,
}

impl DnsMetrics {
    /// The families of this process.
    #[must_use]
    pub fn of(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.counter(
                "coredns_dns_requests_total",
                "Counter of DNS requests made per zone, protocol and family.",
                &["server", "zone", "view", "proto", "family", "type"],
            ),
            responses: metrics.counter(
                "coredns_dns_responses_total",
                "Counter of response status codes.",
                &["server", "zone", "view", "rcode", "plugin"],
            ),
            duration: metrics.histogram(
                "coredns_dns_request_duration_seconds",
                "Histogram of the time (in seconds) each request took per zone.",
                &["server", "zone", "view"],
                &TIME_BUCKETS,
            ),
            request_size: metrics.histogram(
                "coredns_dns_request_size_bytes",
                "Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.",
                &["server", "zone", "view", "proto"],
                &SIZE_BUCKETS,
            ),
            response_size: metrics.histogram(
                "coredns_dns_response_size_bytes",
                "Size of the returned response in bytes.",
                &["server", "zone", "view", "proto"],
                &SIZE_BUCKETS,
            ),
            dnssec_ok: metrics.counter(
                "coredns_dns_do_requests_total",
                "Counter of DNS requests with DO bit set per zone.",
                &["server", "zone", "view"],
            ),
            panics: metrics.counter(
                "coredns_panics_total",
                "A metrics that counts the number of panics.",
                &[],
            ),
        }
    }
}

/// The value of the label `type`: a closed set, so that no client can invent series.
#[must_use]
pub fn type_label(qtype: u16) -> &'static str {
    match qtype {
        1 => "A",
        28 => "AAAA",
        5 => "CNAME",
        48 => "DNSKEY",
        43 => "DS",
        15 => "MX",
        50 => "NSEC3",
        47 => "NSEC",
        2 => "NS",
        12 => "PTR",
        46 => "RRSIG",
        6 => "SOA",
        33 => "SRV",
        16 => "TXT",
        65 => "HTTPS",
        64 => "SVCB",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        _ => "other",
    }
}
