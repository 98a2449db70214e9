//! Which connection a query goes to. No IO: connections are handles, and opening one only spawns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use dunlin_core::worker;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connection::{self, Connection};
use super::{Endpoint, StreamLimits};

/// The connections to one upstream, a shelf per worker so that queries stay on their core. Shelf 0
/// is for threads that are no workers.
#[derive(Debug)]
pub(super) struct Pool {
    shelves: Box<[Mutex<Vec<Arc<Connection>>>]>,
    limits: StreamLimits,
    /// Connections that are being dialled, on all shelves.
    dialling: Arc<AtomicUsize>,
}

/// A connection lent to one query.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    shelf: usize,
    pub(super) connection: Arc<Connection>,
    /// Whether it was opened for this query.
    pub(super) is_new: bool,
}

/// More workers than this share shelves.
const SHELVES: usize = 64;
/// security.md RL-13.
const MAX_DIALLING: usize = 64;

impl Pool {
    pub(super) fn new(limits: StreamLimits) -> Self {
        let shelves = (0..SHELVES).map(|_| Mutex::default()).collect();
        Self { shelves, limits, dialling: Arc::default() }
    }

    /// The best connection for one more query; `None` if there is none and none may be opened.
    pub(super) fn lease(&self, endpoint: &Arc<Endpoint>, fresh: bool) -> Option<Lease<'_>> {
        let shelf = worker::current().map_or(0, |index| 1 + index % (SHELVES - 1));
        let mut connections = self.shelves.get(shelf)?.lock();
        connections.retain(|connection| !connection.is_over(self.limits.max_age));
        let lend = |connection: &Arc<Connection>, is_new| {
            connection.state.in_flight.fetch_add(1, Relaxed);
            Lease { pool: self, shelf, connection: Arc::clone(connection), is_new }
        };
        if !fresh && let Some(idle) = connections.iter().rev().find(|one| one.is_idle()) {
            return Some(lend(idle, false));
        }
        let established = |one: &&Arc<Connection>| fresh && one.is_established();
        let counted = connections.len() - connections.iter().filter(established).count();
        if counted < self.limits.connections && self.dialling.load(Relaxed) < MAX_DIALLING {
            let opened = Arc::new(connection::open(endpoint, &self.dialling));
            let lease = lend(&opened, true);
            connections.push(opened);
            return Some(lease);
        }
        let usable = connections.iter().filter(|one| !(fresh && one.is_established()));
        usable
            .min_by_key(|one| one.state.in_flight.load(Relaxed))
            .map(|connection| lend(connection, false))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.lock().len()).sum()
    }
}

impl Lease<'_> {
    /// Takes the connection off its shelf; it ends when the queries on it have.
    pub(super) fn retire(&self) {
        if let Some(shelf) = self.pool.shelves.get(self.shelf) {
            shelf.lock().retain(|one| !Arc::ptr_eq(one, &self.connection));
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let in_flight = self.connection.state.in_flight.fetch_sub(1, Relaxed) - 1;
        let max_idle = self.pool.limits.max_idle;
        if in_flight > 0 || max_idle == 0 {
            return;
        }
        let Some(shelf) = self.pool.shelves.get(self.shelf) else { return };
        let idle = shelf.lock().iter().filter(|one| one.is_idle()).count();
        if idle > max_idle {
            self.retire();
        }
    }
}

impl Connection {
    /// Whether the connection takes no more queries.
    fn is_over(&self, max_age: Duration) -> bool {
        let now = Instant::now();
        let old = !max_age.is_zero() && now.saturating_duration_since(self.opened) >= max_age;
        old || self.orders.is_closed() || self.is_silent(now)
    }

    /// Whether the connection stands and nobody waits on it.
    fn is_idle(&self) -> bool {
        self.is_established() && self.state.in_flight.load(Relaxed) == 0
    }
}
