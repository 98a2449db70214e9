//! Numbers with one cell a worker: a worker is the only writer of its cell and needs no locked
//! instruction; all other threads share cell 0 and do.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::worker;

/// A number that only grows.
#[derive(Debug, Clone)]
pub struct Counter(Arc<[Padded]>);

/// One cell on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Padded(AtomicU64);

impl Counter {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..=workers).map(|_| Padded::default()).collect())
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        let own = worker::current().and_then(|index| self.0.get(index + 1));
        match (own, self.0.first()) {
            (Some(cell), _) => add_alone(&cell.0, amount),
            (None, Some(cell)) => _ = cell.0.fetch_add(amount, Relaxed),
            (None, None) => {}
        }
    }

    /// The sum of all cells.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.iter().map(|cell| cell.0.load(Relaxed)).fold(0, u64::wrapping_add)
    }
}

/// A number that goes up and down.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Adds to the value.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// Whether anybody beside its family holds this gauge.
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How often values fell into each bucket, and their sum.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    cells: Arc<[Buckets]>,
}

#[derive(Debug)]
#[repr(align(64))]
struct Buckets {
    sum: AtomicU64,
    counts: Box<[AtomicU64]>,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64], workers: usize) -> Self {
        let buckets = || Buckets {
            sum: AtomicU64::new(0f64.to_bits()),
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
        };
        Self { bounds, cells: (0..=workers).map(|_| buckets()).collect() }
    }

    /// Counts one value.
    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.iter().take_while(|bound| value > **bound).count();
        let own = worker::current().and_then(|index| self.cells.get(index + 1));
        match (own, self.cells.first()) {
            (Some(cell), _) => {
                if let Some(count) = cell.counts.get(bucket) {
                    add_alone(count, 1);
                }
                let sum = f64::from_bits(cell.sum.load(Relaxed)) + value;
                cell.sum.store(sum.to_bits(), Relaxed);
            }
            (None, Some(cell)) => {
                if let Some(count) = cell.counts.get(bucket) {
                    count.fetch_add(1, Relaxed);
                }
                let added = |sum: u64| Some((f64::from_bits(sum) + value).to_bits());
                let _always_some = cell.sum.fetch_update(Relaxed, Relaxed, added);
            }
            (None, None) => {}
        }
    }

    /// Counts one duration, in seconds.
    pub fn observe_duration(&self, duration: std::time::Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// The sum of all values and the number of values per bucket, not cumulated; the last bucket
    /// has no upper bound.
    #[must_use]
    pub fn snapshot(&self) -> (f64, Vec<u64>) {
        let mut counts = vec![0u64; self.bounds.len() + 1];
        let mut sum = 0.0;
        for cell in self.cells.iter() {
            sum += f64::from_bits(cell.sum.load(Relaxed));
            for (total, count) in counts.iter_mut().zip(&cell.counts) {
                *total = total.wrapping_add(count.load(Relaxed));
            }
        }
        (sum, counts)
    }

    pub(super) fn bounds(&self) -> &'static [f64] {
        self.bounds
    }
}

/// Only the owner of a cell writes it, so load and store need not be one instruction.
fn add_alone(cell: &AtomicU64, amount: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(amount), Relaxed);
}
