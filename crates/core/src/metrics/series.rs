//! The series of one place: resolved when they are first needed, found again by small numbers.
//! A query costs a few loads and no lock.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Counter, DnsMetrics, Histogram, HistogramFamily, type_label};
use crate::error::Result;
use crate::mnemonic;
use crate::query::Query;
use crate::reply::Reply;
use crate::site::Site;

/// What became of a query, as far as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Octets as received.
    pub query_len: usize,
    /// Octets without name compression, before OPT and truncation; 0 if no plugin replied.
    pub reply_len: usize,
    /// Since the query was read from its socket.
    pub duration: Duration,
    /// RCODE, extension bits included.
    pub rcode: u16,
    /// Who made the reply; empty if no plugin did.
    pub author: &'static str,
}

impl Outcome {
    /// What the result of a chain tells. Of a failure the engine makes a reply of its own.
    #[must_use]
    pub fn of(result: &mut Result<Reply>) -> Self {
        match result {
            Err(error) => Self { rcode: error.rcode().into(), ..Self::default() },
            Ok(reply) if reply.is_silence() => Self::default(),
            Ok(reply) => Self {
                rcode: reply.rcode().into(),
                author: reply.author().unwrap_or_default(),
                reply_len: reply.wire().map_or(0, |(_, summary)| summary.uncompressed_len),
                ..Self::default()
            },
        }
    }
}

/// All series of one server, zone and view.
#[derive(Debug)]
pub struct SiteSeries {
    metrics: DnsMetrics,
    site: Arc<Site>,
    duration: OnceLock<Histogram>,
    dnssec_ok: OnceLock<Counter>,
    /// UDP, then TCP.
    transports: [TransportSeries; 2],
    /// By rcode; the last place is for those without a number of its own.
    responses: [OnceLock<Box<Authors>>; NUMBERED_RCODES + 1],
}

#[derive(Debug, Default)]
struct TransportSeries {
    query_size: OnceLock<Histogram>,
    reply_size: OnceLock<Histogram>,
    /// IPv4, then IPv6; in each the order of [`TYPES`], and last all other types.
    queries: [[OnceLock<Counter>; TYPES.len() + 1]; 2],
}

/// Counters by author. There are few in a chain that reply.
type Authors = [OnceLock<(&'static str, Counter)>; 8];

/// Assigned rcodes lie below this. Others come from upstreams only: they share one label, so that
/// nobody outside can make series.
const NUMBERED_RCODES: usize = 24;

/// The types that have a label of their own, the frequent ones first.
const TYPES: [u16; 19] =
    [1, 28, 65, 12, 33, 6, 16, 15, 2, 5, 48, 43, 50, 47, 46, 64, 251, 252, 255];

impl SiteSeries {
    /// No series yet: each comes into being with the first query that it counts.
    #[must_use]
    pub fn new(metrics: &DnsMetrics, site: &Arc<Site>) -> Self {
        Self {
            metrics: metrics.clone(),
            site: Arc::clone(site),
            duration: OnceLock::new(),
            dnssec_ok: OnceLock::new(),
            transports: Default::default(),
            responses: Default::default(),
        }
    }

    /// Counts one query in all families.
    pub fn count(&self, query: &Query, outcome: &Outcome) {
        if query.dnssec_ok() {
            self.dnssec_ok.get_or_init(|| self.metrics.dnssec_ok.with(&self.place())).inc();
        }
        let duration = self.duration.get_or_init(|| self.metrics.duration.with(&self.place()));
        duration.observe_duration(outcome.duration);
        self.count_transport(query, outcome);
        self.count_response(outcome);
    }

    /// The labels of the site. Made only when a series is: that is once for each.
    fn place(&self) -> [&str; 3] {
        let Site { server, zone, view, .. } = &*self.site;
        [server, zone, view]
    }

    fn count_transport(&self, query: &Query, outcome: &Outcome) {
        let transport = query.transport();
        let [udp, tcp] = &self.transports;
        let series = if transport.is_stream() { tcp } else { udp };
        let sizes = |family: &HistogramFamily| {
            let [server, zone, view] = self.place();
            family.with(&[server, zone, view, transport.label()])
        };
        let query_size = series.query_size.get_or_init(|| sizes(&self.metrics.request_size));
        let reply_size = series.reply_size.get_or_init(|| sizes(&self.metrics.response_size));
        observe(query_size, outcome.query_len);
        observe(reply_size, outcome.reply_len);
        let [v4, v6] = &series.queries;
        let (family, types) = match query.client() {
            SocketAddr::V4(_) => ("1", v4),
            SocketAddr::V6(_) => ("2", v6),
        };
        let qtype = query.qtype_code();
        let known = TYPES.iter().position(|known| *known == qtype);
        let make = || {
            let [server, zone, view] = self.place();
            let labels = [server, zone, view, transport.label(), family, type_label(qtype)];
            self.metrics.requests.with(&labels)
        };
        if let Some(counter) = types.get(known.unwrap_or(TYPES.len())) {
            counter.get_or_init(make).inc();
        }
    }

    fn count_response(&self, outcome: &Outcome) {
        let author = outcome.author;
        let make = || {
            let [server, zone, view] = self.place();
            let rcode = rcode_label(outcome.rcode);
            self.metrics.responses.with(&[server, zone, view, &rcode, author])
        };
        let index = usize::from(outcome.rcode).min(NUMBERED_RCODES);
        let Some(authors) = self.responses.get(index) else { return };
        let slots = authors.get_or_init(Box::default).iter();
        let mut known = slots.map(|slot| slot.get_or_init(|| (author, make())));
        match known.find(|(name, _)| *name == author) {
            Some((_, counter)) => counter.inc(),
            None => make().inc(),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a message has at most 65,535 octets, give or take")]
fn observe(histogram: &Histogram, octets: usize) {
    histogram.observe(octets as f64);
}

/// The value of the label `rcode`.
fn rcode_label(code: u16) -> String {
    match mnemonic::rcode(code) {
        Some(name) => name.into(),
        None if usize::from(code) < NUMBERED_RCODES => format!("RCODE{code}"),
        None => "other".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_label_of_a_type_has_its_place() {
        let labels: HashSet<&str> = TYPES.iter().map(|code| type_label(*code)).collect();
        assert_eq!(labels.len(), TYPES.len());
        for code in 0..=u16::MAX {
            assert_eq!(TYPES.contains(&code), type_label(code) != "other", "TYPE{code}");
        }
    }

    #[test]
    fn rcodes_have_the_names_of_coredns_and_strange_ones_share_a_label() {
        let table = [
            (0, "NOERROR"),
            (5, "REFUSED"),
            (12, "RCODE12"),
            (23, "BADCOOKIE"),
            (24, "other"),
            (4095, "other"),
        ];
        for (code, label) in table {
            assert_eq!(rcode_label(code), label);
        }
    }
}
