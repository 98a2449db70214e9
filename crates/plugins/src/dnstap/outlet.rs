//! Where the records of one tap go: bounded queues, and the task that empties them. An outlet
//! outlives a reload that does not change its line, with its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use dunlin_core::metrics::{Counter, Gauge, Metrics};
use dunlin_core::upkeep::Upkeep;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::connect::{self, Collector};
use super::file::{self, Recorder};
use super::listen::{self, Listener};

/// An encoded record, shared by all queues that it waits in.
pub(super) type Record = Arc<[u8]>;

/// Which side opens connections, if there are any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// We do.
    Connect(Collector),
    /// Collectors do.
    Listen(Listener),
    /// Nobody: records go to a file.
    File(Recorder),
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// A record waits no longer in a buffer.
    pub(super) flush: Duration,
    /// Between two attempts to connect, or to listen.
    pub(super) retry: Duration,
    /// Between two lines about dropped records.
    pub(super) report: Duration,
    /// For connecting, for the handshake, for the end of a stream, and for a record to be written.
    pub(super) patience: Duration,
    /// For the records that wait when the end comes.
    pub(super) drain: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            flush: Duration::from_secs(1),
            retry: Duration::from_secs(1),
            report: Duration::from_secs(10),
            patience: Duration::from_secs(4),
            drain: Duration::from_secs(5),
        }
    }
}

/// One tap's way out.
#[derive(Debug)]
pub(super) struct Outlet {
    side: Side,
    pub(super) pace: Pace,
    pub(super) numbers: Numbers,
    queues: ArcSwap<Vec<Queue>>,
    /// Whether records are thrown away, because there is nobody to send them to.
    discards: AtomicBool,
    next_queue: AtomicU64,
    upkeep: Upkeep,
}

#[derive(Debug, Clone)]
struct Queue {
    number: u64,
    records: mpsc::Sender<Record>,
}

impl Outlet {
    pub(super) fn new(side: Side, pace: Pace, numbers: Numbers) -> Self {
        let (queues, discards) = (ArcSwap::default(), AtomicBool::new(false));
        let (next_queue, upkeep) = (AtomicU64::new(0), Upkeep::default());
        Self { side, pace, numbers, queues, discards, next_queue, upkeep }
    }

    /// Whether a record would go anywhere.
    pub(super) fn is_open(&self) -> bool {
        !self.queues.load().is_empty()
    }

    /// Whether a record that goes somewhere would be thrown away there: then it need not be made.
    pub(super) fn discards(&self) -> bool {
        self.discards.load(Relaxed)
    }

    /// Puts a record into each queue. What finds one full is dropped there, and counted.
    pub(super) fn send(&self, record: Vec<u8>) {
        let record: Record = record.into();
        for queue in self.queues.load().iter() {
            if queue.records.try_send(Arc::clone(&record)).is_err() {
                self.numbers.drop_one(Reason::QueueFull);
            }
        }
    }

    /// A generation begins to use it: the first one sets it going.
    pub(super) fn enter(self: &Arc<Self>) {
        self.upkeep.enter(|stopped| match &self.side {
            Side::Connect(collector) => {
                let (_, records) = self.open_queue(collector.queue);
                tokio::spawn(connect::run(Arc::clone(self), collector.clone(), records))
            }
            Side::File(recorder) => {
                let (_, records) = self.open_queue(file::QUEUE);
                tokio::spawn(file::run(Arc::clone(self), recorder.clone(), records))
            }
            Side::Listen(listener) => {
                tokio::spawn(listen::run(Arc::clone(self), listener.clone(), stopped))
            }
        });
    }

    /// A generation has ended: with the last one what waits is written, and streams are ended.
    pub(super) async fn leave(&self) {
        // Who empties a queue goes on until it is empty.
        let close = || self.queues.store(Arc::default());
        if self.upkeep.leave(close, self.pace.drain + self.pace.patience).await {
            self.numbers.report();
        }
    }

    /// A new queue, and its number.
    pub(super) fn open_queue(&self, capacity: usize) -> (u64, mpsc::Receiver<Record>) {
        let (records, receiver) = mpsc::channel(capacity);
        let number = self.next_queue.fetch_add(1, Relaxed);
        self.queues.rcu(|queues| {
            let mut queues = Vec::clone(queues);
            queues.push(Queue { number, records: records.clone() });
            queues
        });
        (number, receiver)
    }

    /// Nobody empties this queue any more.
    pub(super) fn close_queue(&self, number: u64) {
        self.queues.rcu(|queues| {
            queues.iter().filter(|queue| queue.number != number).cloned().collect::<Vec<_>>()
        });
    }

    /// Throws records away until it is time to try again: they have nowhere to go. Says whether the
    /// queue was closed meanwhile.
    pub(super) async fn discard(&self, records: &mut mpsc::Receiver<Record>) -> bool {
        self.discards.store(true, Relaxed);
        let discarding = async {
            while records.recv().await.is_some() {
                self.numbers.drop_one(Reason::Unconnected);
            }
        };
        let is_closed = timeout(self.pace.retry, discarding).await.is_ok();
        self.discards.store(false, Relaxed);
        is_closed
    }

    /// Tells of dropped records from time to time, and never ends.
    pub(super) async fn report(&self) {
        // Not at once: the losses of a start without a collector are told in one line.
        let mut ticks = interval_at(Instant::now() + self.pace.report, self.pace.report);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.numbers.report();
        }
    }
}

/// Why a record did not get to a collector or into a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reason {
    QueueFull,
    Unconnected,
    WriteFailed,
}

/// What is counted of an outlet.
#[derive(Debug)]
pub(super) struct Numbers {
    connected: Gauge,
    queue_full: Counter,
    unconnected: Counter,
    write_failed: Counter,
    /// Dropped since somebody was told.
    untold: AtomicU64,
}

impl Numbers {
    pub(super) fn of(metrics: &Metrics, endpoint: &str) -> Self {
        let connected = metrics.gauge(
            "dunlin_dnstap_connected",
            "Collectors, and files, that records go to.",
            &["endpoint"],
        );
        let dropped = metrics.counter(
            "dunlin_dnstap_dropped_total",
            "Records that did not get to a collector or into a file, by why.",
            &["endpoint", "reason"],
        );
        Self {
            connected: connected.with(&[endpoint]),
            queue_full: dropped.with(&[endpoint, "queue_full"]),
            unconnected: dropped.with(&[endpoint, "unconnected"]),
            write_failed: dropped.with(&[endpoint, "write_failed"]),
            untold: AtomicU64::new(0),
        }
    }

    pub(super) fn drop_one(&self, reason: Reason) {
        self.drop_some(1, reason);
    }

    pub(super) fn drop_some(&self, count: u64, reason: Reason) {
        let counter = match reason {
            Reason::QueueFull => &self.queue_full,
            Reason::Unconnected => &self.unconnected,
            Reason::WriteFailed => &self.write_failed,
        };
        counter.add(count);
        self.untold.fetch_add(count, Relaxed);
    }

    /// Counts a connection as long as it lives.
    pub(super) fn connected(&self) -> Connected<'_> {
        self.connected.add(1);
        Connected(&self.connected)
    }

    fn report(&self) {
        let dropped = self.untold.swap(0, Relaxed);
        if dropped > 0 {
            tracing::warn!(target: "plugin/dnstap", "Dropped dnstap messages: {dropped}");
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connected<'a>(&'a Gauge);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}
