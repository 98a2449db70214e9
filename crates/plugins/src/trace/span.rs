//! What is told of one piece of work: a query, a plugin's part in it, an exchange with an upstream.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_core::replacer::append_type;
use dunlin_core::wire::Presentation;
use dunlin_core::{Query, Reply, Result, mnemonic};

use super::endpoint::Kind;

/// The work on one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId(pub(super) u128);

/// One piece of that work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanId(pub(super) u64);

/// A piece of work that is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    /// None for the query itself.
    pub(super) parent: Option<SpanId>,
    /// A plugin, or one of [`SERVE`] and [`CONNECT`].
    pub(super) name: &'static str,
    pub(super) start: SystemTime,
    pub(super) duration: Duration,
    pub(super) facts: Facts,
}

/// What is known beside the time that it took.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Facts {
    /// A plugin has its name only.
    Plugin,
    /// A query, and what came of it; none of it if the work was given up.
    Query(Option<Box<Served>>),
    /// The upstream that was asked.
    Upstream(SocketAddr),
}

/// A query, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    name: String,
    kind: String,
    rcode: String,
    protocol: &'static str,
    client: IpAddr,
    pub(super) error: Option<String>,
}

/// Whose spans they are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Service {
    pub(super) name: String,
    /// An address of ours, and the port of the server block.
    pub(super) address: Option<(IpAddr, u16)>,
    /// For Datadog.
    pub(super) analytics_rate: f64,
}

/// The name of the span of a query.
pub(super) const SERVE: &str = "servedns";
/// The name of the span of an exchange with an upstream.
pub(super) const CONNECT: &str = "connect";

impl TraceId {
    /// A new one. Those of Zipkin have 64 bits, as in CoreDNS; those of Datadog begin with the time.
    pub(super) fn random(kind: Kind, now: SystemTime) -> Self {
        let low = u128::from(SpanId::random().0);
        Self(match kind {
            Kind::Zipkin => low,
            Kind::Datadog => u128::from(since_1970(now).as_secs() & 0xffff_ffff) << 96 | low,
            Kind::Otlp => u128::from(rand::random::<u64>()) << 64 | low,
        })
    }

    /// The lower half.
    pub(super) fn low(self) -> u64 {
        u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or_default()
    }

    /// The upper half.
    pub(super) fn high(self) -> u64 {
        u64::try_from(self.0 >> 64).unwrap_or_default()
    }

    /// In lower case, with 16 digits if they suffice.
    pub(super) fn hex(self) -> String {
        if self.high() == 0 { format!("{:016x}", self.0) } else { format!("{:032x}", self.0) }
    }
}

impl SpanId {
    /// A new one; 0 stands for none everywhere.
    pub(super) fn random() -> Self {
        Self(rand::random::<u64>().max(1))
    }

    /// 16 digits in lower case.
    pub(super) fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

impl Span {
    pub(super) fn end(&self) -> SystemTime {
        self.start + self.duration
    }

    /// Why a query failed.
    pub(super) fn error(&self) -> Option<&str> {
        match &self.facts {
            Facts::Query(Some(served)) => served.error.as_deref(),
            _ => None,
        }
    }

    pub(super) fn is_query(&self) -> bool {
        matches!(self.facts, Facts::Query(_))
    }

    /// Names and values, by the names that CoreDNS uses; behind `coredns.io` stands `separator`.
    pub(super) fn tags(&self, separator: char) -> Vec<(String, String)> {
        match &self.facts {
            Facts::Plugin | Facts::Query(None) => Vec::new(),
            Facts::Upstream(address) => vec![("peer.address".to_owned(), address.to_string())],
            Facts::Query(Some(served)) => {
                let tag = |name: &str, value: &str| {
                    (format!("coredns.io{separator}{name}"), value.to_owned())
                };
                vec![
                    tag("name", &served.name),
                    tag("proto", served.protocol),
                    tag("rcode", &served.rcode),
                    tag("remote", &served.client.to_string()),
                    tag("type", &served.kind),
                ]
            }
        }
    }
}

impl Served {
    pub(super) fn of(query: &Query, result: &Result<Reply>) -> Self {
        let mut kind = Vec::new();
        append_type(query.qtype_code(), &mut kind);
        let rcode = result.as_ref().map_or_else(|error| error.rcode(), Reply::rcode).into();
        let rcode = mnemonic::rcode(rcode).map_or_else(|| format!("RCODE{rcode}"), str::to_owned);
        Self {
            name: Presentation(query.qname()).to_string(),
            kind: String::from_utf8(kind).unwrap_or_default(),
            rcode,
            protocol: query.transport().label(),
            client: query.client().ip(),
            error: result.as_ref().err().map(ToString::to_string),
        }
    }
}

/// Zero for what was before 1970.
pub(super) fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Nanoseconds since 1970, for a few hundred years.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    u64::try_from(since_1970(time).as_nanos()).unwrap_or(u64::MAX)
}
