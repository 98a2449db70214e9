//! The way of spans to their collector: a bounded backlog, and the task that empties it. An exporter
//! outlives a reload that does not change its settings, with what waits in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dunlin_core::metrics::{Counter, Metrics};
use dunlin_core::upkeep::Upkeep;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::endpoint::{Endpoint, Kind};
use super::http::{Client, Message};
use super::span::{Service, Span};
use super::{datadog, otlp, zipkin};

/// What is kept, and how it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    /// Spans that may wait; the oldest make room for new ones.
    pub(super) backlog: usize,
    /// Spans in a message; so many are sent at once.
    pub(super) batch: usize,
    /// No span waits longer to be sent.
    pub(super) interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { backlog: 1000, batch: 100, interval: Duration::from_secs(1) }
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// For a message to be answered.
    pub(super) patience: Duration,
    /// Between two attempts while the collector is away.
    pub(super) retry: Duration,
    /// Between two lines about the same trouble.
    pub(super) hush: Duration,
    /// For what waits when the end comes.
    pub(super) drain: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            retry: Duration::from_secs(1),
            hush: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// The way of spans to one collector.
#[derive(Debug)]
pub(super) struct Exporter {
    endpoint: Endpoint,
    service: Service,
    limits: Limits,
    pace: Pace,
    numbers: Numbers,
    backlog: Mutex<VecDeque<Span>>,
    /// There are enough spans for a message.
    is_due: Notify,
    upkeep: Upkeep,
}

impl Exporter {
    pub(super) fn new(
        endpoint: Endpoint,
        service: Service,
        limits: Limits,
        pace: Pace,
        numbers: Numbers,
    ) -> Self {
        let (backlog, is_due, upkeep) = (Mutex::default(), Notify::new(), Upkeep::default());
        Self { endpoint, service, limits, pace, numbers, backlog, is_due, upkeep }
    }

    pub(super) fn kind(&self) -> Kind {
        self.endpoint.kind
    }

    /// Takes a span, and never waits. If too many wait already, the oldest is dropped, and counted.
    pub(super) fn push(&self, span: Span) {
        let mut backlog = self.backlog.lock();
        let is_full = backlog.len() >= self.limits.backlog;
        if is_full {
            backlog.pop_front();
        }
        backlog.push_back(span);
        let makes_a_batch = backlog.len() == self.limits.batch && !is_full;
        drop(backlog);
        if is_full {
            self.numbers.dispose(1);
        }
        if makes_a_batch {
            self.is_due.notify_one();
        }
    }

    /// A generation begins to use it: the first one sets it going.
    pub(super) fn enter(self: &Arc<Self>) {
        self.upkeep.enter(|stopped| tokio::spawn(Arc::clone(self).run(stopped)));
    }

    /// A generation has ended: with the last one what waits is sent, as long as the collector takes it.
    pub(super) async fn leave(&self) {
        if self.upkeep.leave(|| (), self.pace.drain).await {
            let left = std::mem::take(&mut *self.backlog.lock()).len();
            self.numbers.unsent.add(left as u64);
            if left > 0 {
                tracing::warn!(target: "plugin/trace", "{left} spans were not sent before the end");
            }
        }
    }

    async fn run(self: Arc<Self>, mut stopped: oneshot::Receiver<()>) {
        let mut client = Client::new(self.endpoint.clone());
        let mut troubles = Troubles::new(self.pace.hush);
        let mut is_away = false;
        loop {
            let pause = if is_away {
                self.limits.interval.max(self.pace.retry)
            } else {
                self.limits.interval
            };
            // Nothing is lost with those that are given up: a permit of `is_due` stays until it is taken.
            let ends = tokio::select! {
                _ = &mut stopped => true,
                () = self.is_due.notified(), if !is_away => false,
                () = sleep(pause) => false,
            };
            is_away = !self.flush(&mut client, &mut troubles).await;
            troubles.disposed(&self.numbers);
            if ends {
                return;
            }
        }
    }

    /// Sends what waits. Says whether the collector was there for it.
    async fn flush(&self, client: &mut Client, troubles: &mut Troubles) -> bool {
        loop {
            let batch = Batch { exporter: self, spans: self.take() };
            if batch.spans.is_empty() {
                return true;
            }
            let sent = client.post(self.message(&batch.spans), self.pace.patience).await;
            let Err(failure) = sent else {
                self.numbers.sent.add(batch.done());
                continue;
            };
            troubles.failed(&failure.to_string());
            if failure.may_pass() {
                return false;
            }
            self.numbers.refused.add(batch.done());
        }
    }

    /// The spans of the next message, the oldest first.
    fn take(&self) -> Vec<Span> {
        let mut backlog = self.backlog.lock();
        let count = backlog.len().min(self.limits.batch);
        backlog.drain(..count).collect()
    }

    /// Spans that were not taken stand in front again, as far as there is room by now.
    fn put_back(&self, spans: Vec<Span>) {
        let mut backlog = self.backlog.lock();
        let room = self.limits.backlog.saturating_sub(backlog.len());
        let surplus = spans.len().saturating_sub(room);
        for span in spans.into_iter().skip(surplus).rev() {
            backlog.push_front(span);
        }
        drop(backlog);
        self.numbers.dispose(surplus as u64);
    }

    fn message(&self, spans: &[Span]) -> Message {
        match self.endpoint.kind {
            Kind::Zipkin => zipkin::message(spans, &self.service),
            Kind::Datadog => datadog::message(spans, &self.service),
            Kind::Otlp => otlp::message(spans, &self.service),
        }
    }
}

/// Spans on their way. Unless they are done, they go back: also if nobody waits for them any more.
struct Batch<'a> {
    exporter: &'a Exporter,
    spans: Vec<Span>,
}

impl Batch<'_> {
    /// They will not be sent again. Says how many they were.
    fn done(mut self) -> u64 {
        std::mem::take(&mut self.spans).len() as u64
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.exporter.put_back(std::mem::take(&mut self.spans));
    }
}

/// What is counted of an exporter.
#[derive(Debug)]
pub(super) struct Numbers {
    sent: Counter,
    backlog_full: Counter,
    refused: Counter,
    unsent: Counter,
    /// Disposed of since somebody was told.
    untold: AtomicU64,
}

impl Numbers {
    pub(super) fn of(metrics: &Metrics, endpoint: &str) -> Self {
        let sent = metrics.counter(
            "dunlin_trace_sent_total",
            "Spans that the collector took.",
            &["endpoint"],
        );
        let dropped = metrics.counter(
            "dunlin_trace_dropped_total",
            "Spans that did not get to the collector, by why.",
            &["endpoint", "reason"],
        );
        Self {
            sent: sent.with(&[endpoint]),
            backlog_full: dropped.with(&[endpoint, "backlog_full"]),
            refused: dropped.with(&[endpoint, "refused"]),
            unsent: dropped.with(&[endpoint, "unsent"]),
            untold: AtomicU64::new(0),
        }
    }

    fn dispose(&self, count: u64) {
        self.backlog_full.add(count);
        self.untold.fetch_add(count, Relaxed);
    }
}

/// What the operator is told, each kind of it once in a while.
#[derive(Debug)]
struct Troubles {
    hush: Duration,
    failed_at: Option<Instant>,
    disposed_at: Option<Instant>,
}

impl Troubles {
    fn new(hush: Duration) -> Self {
        Self { hush, failed_at: None, disposed_at: None }
    }

    fn failed(&mut self, text: &str) {
        if is_over(&mut self.failed_at, self.hush) {
            tracing::warn!(target: "plugin/trace", "{text}");
        }
    }

    fn disposed(&mut self, numbers: &Numbers) {
        if numbers.untold.load(Relaxed) > 0 && is_over(&mut self.disposed_at, self.hush) {
            let count = numbers.untold.swap(0, Relaxed);
            tracing::warn!(target: "plugin/trace", "backlog too long, disposing {count} spans");
        }
    }
}

/// Whether the time since the last line is over; then a new time begins.
fn is_over(last: &mut Option<Instant>, hush: Duration) -> bool {
    let is_over = last.is_none_or(|last| last.elapsed() >= hush);
    if is_over {
        *last = Some(Instant::now());
    }
    is_over
}
