//! A question put to a group of upstreams: choice, patience, hedging, failover, one hard deadline.
//! It knows no sockets: an upstream is anything that implements [`Exchange`].
//!
//! Bounds of one question (security.md RF-05): three sends over UDP to one upstream, two sends per
//! upstream and one more in all, at least 50 ms between two sends to an upstream that failed fast.

mod attempt;
mod course;
mod probing;
mod race;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use dunlin_core::metrics::Counter;
use dunlin_core::tasks::Tasks;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ask::Ask;
use crate::error::{ExchangeError, Failure};
use crate::health::Health;
use crate::hedge::HedgeBudget;
use crate::metrics::UpstreamMetrics;
use crate::policy::{Chooser, Policy};
use crate::response::Response;

/// One upstream as a group sees it.
pub trait Exchange: Send + Sync + 'static {
    /// Whether UDP is out of the question.
    fn needs_stream(&self) -> bool;

    /// Sends the query once and returns its response, by the end of its time at the latest. The future
    /// may count on being polled again before that, so that it needs a timer only then.
    fn exchange(
        &self,
        ask: &Ask,
        via: Via,
        time: Time,
    ) -> impl Future<Output = Result<Response, ExchangeError>> + Send;

    /// Asks whether the upstream lives.
    fn probe(&self) -> impl Future<Output = Result<(), ExchangeError>> + Send;
}

/// The time that an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Now, when it begins: looking at the clock is a good part of what an exchange costs.
    pub now: Instant,
    /// When it has to be over.
    pub until: Instant,
}

/// How a query travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// In a datagram.
    Udp,
    /// On a warm connection, if there is one.
    Stream,
    /// On a connection that nobody was answered on yet.
    FreshStream,
}

/// Which transport upstreams without TLS are asked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TransportRule {
    /// The one that the client used.
    #[default]
    AsClient,
    /// TCP.
    ForceTcp,
    /// UDP.
    PreferUdp,
}

/// How a group behaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The order in which upstreams are tried.
    pub policy: Policy,
    /// The transport.
    pub transport: TransportRule,
    /// More failed probes in a row than this make an upstream down; 0: no probes, never down.
    pub max_fails: u32,
    /// Tries per question: `None` for twice the number of upstreams, 0 for no limit of its own.
    pub max_attempts: Option<u32>,
    /// For a question in all, dialling and handshakes included.
    pub budget: Duration,
    /// For one try.
    pub read_timeout: Duration,
    /// Between two probes of a loop, at first.
    pub health_interval: Duration,
    /// Questions at a time; 0: no limit.
    pub max_concurrent: usize,
    /// Rcodes for which the next upstream is asked.
    pub failover: Vec<u16>,
    /// Whether to give up at once when all upstreams are down.
    pub failfast: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::Random,
            transport: TransportRule::AsClient,
            max_fails: 2,
            max_attempts: None,
            budget: Duration::from_secs(5),
            read_timeout: Duration::from_secs(2),
            health_interval: Duration::from_millis(500),
            max_concurrent: 0,
            failover: Vec::new(),
            failfast: false,
        }
    }
}

/// An upstream with its name, state and numbers.
#[derive(Debug)]
pub struct Upstream<E> {
    /// Address and port, as metrics and logs name it.
    pub name: String,
    /// How to ask it.
    pub exchange: E,
    /// What is known of its state.
    pub health: Health,
    /// Its numbers.
    pub metrics: Arc<UpstreamMetrics>,
    /// When an operator was last told that somebody is guessing at responses.
    flood_told: Mutex<Option<Instant>>,
}

/// Between two log lines about guesses (security.md FW-21).
const FLOOD_LOG_INTERVAL: Duration = Duration::from_secs(60);
impl<E: Exchange> Upstream<E> {
    /// An upstream in good health.
    #[must_use]
    pub fn new(name: String, exchange: E, metrics: Arc<UpstreamMetrics>) -> Self {
        let flood_told = Mutex::new(None);
        Self { name, exchange, health: Health::default(), metrics, flood_told }
    }

    /// A question moved to TCP because too many datagrams were not its response.
    fn tell_of_flood(&self) {
        let now = Instant::now();
        let mut told = self.flood_told.lock();
        if told.is_none_or(|told| now.saturating_duration_since(told) >= FLOOD_LOG_INTERVAL) {
            *told = Some(now);
            tracing::warn!(
                target: "plugin/forward",
                "Many wrong replies from {}: asking over TCP instead", self.name
            );
        }
    }
}

/// Some upstreams that serve the same names. When the last handle is gone, its probes end.
#[derive(Debug)]
pub struct Group<E> {
    upstreams: Box<[Arc<Upstream<E>>]>,
    settings: Settings,
    chooser: Chooser,
    hedges: HedgeBudget,
    in_flight: AtomicUsize,
    /// Questions for which all upstreams were down.
    broken: Counter,
    probes: Tasks,
    /// For hashes of names, so that nobody outside can make two names look like one.
    hasher: std::hash::RandomState,
}

/// What became of a question.
#[derive(Debug)]
pub struct Outcome {
    /// The index of the upstream asked last.
    pub upstream: Option<usize>,
    /// The response, or why there is none.
    pub result: Result<Response, Failure>,
}

impl<E: Exchange> Group<E> {
    /// A group; `broken` counts questions for which all upstreams were down.
    #[must_use]
    pub fn new(upstreams: Vec<Upstream<E>>, settings: Settings, broken: Counter) -> Self {
        let probes = Tasks::new(upstreams.len());
        Self {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            chooser: Chooser::new(settings.policy),
            settings,
            hedges: HedgeBudget::new(),
            in_flight: AtomicUsize::new(0),
            broken,
            probes,
            hasher: std::hash::RandomState::new(),
        }
    }

    /// The upstreams in the order of the configuration.
    #[must_use]
    pub fn upstreams(&self) -> &[Arc<Upstream<E>>] {
        &self.upstreams
    }

    /// Puts the question; `over_stream` tells how the client put it. The future may be dropped at
    /// any time.
    pub async fn ask(&self, ask: &Ask, over_stream: bool) -> Outcome {
        let Some(_held) = self.enter() else {
            let result = Err(Failure::TooMany(self.settings.max_concurrent));
            return Outcome { upstream: None, result };
        };
        self.hedges.earn();
        let via = match self.settings.transport {
            TransportRule::ForceTcp => Via::Stream,
            TransportRule::AsClient if over_stream => Via::Stream,
            TransportRule::AsClient | TransportRule::PreferUdp => Via::Udp,
        };
        course::run(self, ask, via).await
    }

    /// What the silence to a question is known by.
    fn hash_of(&self, ask: &Ask) -> u64 {
        self.hasher.hash_one(ask.name())
    }

    fn enter(&self) -> Option<Held<'_>> {
        let before = self.in_flight.fetch_add(1, Relaxed);
        let held = Held(&self.in_flight);
        let limit = self.settings.max_concurrent;
        (limit == 0 || before < limit).then_some(held)
    }
}

impl<E> Drop for Group<E> {
    fn drop(&mut self) {
        self.probes.token().cancel();
    }
}

/// One more of something, as long as it lives.
#[derive(Debug)]
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
