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
    shelves: Box<[Mutex<Shelf>]>,
    limits: StreamLimits,
    /// What connections count their milliseconds from.
    epoch: Instant,
    /// Connections that are being dialled, on all shelves.
    dialling: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Shelf {
    connections: Vec<Arc<Connection>>,
    /// The place of the connection that got the last query; another one may have come there.
    latest: usize,
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
        Self { shelves, limits, epoch: Instant::now(), dialling: Arc::default() }
    }

    /// The best connection for one more query; `None` if there is none and none may be opened.
    pub(super) fn lease(
        &self,
        endpoint: &Arc<Endpoint>,
        fresh: bool,
        now: Instant,
    ) -> Option<Lease<'_>> {
        let index = worker::current().map_or(0, |index| 1 + index % (SHELVES - 1));
        let mut shelf = self.shelves.get(index)?.lock();
        let millis = now.saturating_duration_since(self.epoch).as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        let is_over = |one: &Connection| {
            one.is_too_old(self.limits.max_age, now)
                || one.orders.is_closed()
                || one.is_silent(millis)
        };
        shelf.connections.retain(|connection| !is_over(connection));
        let lend = |connection: &Arc<Connection>, is_new| {
            connection.state.in_flight.fetch_add(1, Relaxed);
            connection.state.asked(millis);
            Lease { pool: self, shelf: index, connection: Arc::clone(connection), is_new }
        };
        let connections = &mut shelf.connections;
        if !fresh && let Some(idle) = connections.iter().rev().find(|one| one.is_idle()) {
            return Some(lend(idle, false));
        }
        let established = |one: &&Arc<Connection>| fresh && one.is_established();
        let counted = connections.len() - connections.iter().filter(established).count();
        if counted < self.limits.connections && self.dialling.load(Relaxed) < MAX_DIALLING {
            let opened = Arc::new(connection::open(endpoint, &self.dialling, now));
            let lease = lend(&opened, true);
            connections.push(opened);
            return Some(lease);
        }
        shelf.shared(|one| !(fresh && one.is_established())).map(|one| lend(one, false))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.lock().connections.len()).sum()
    }
}

impl Shelf {
    /// A connection that is busy already: the one that got the last query, until it has twice as many
    /// as the least busy one. So queries that come together leave together: a write takes longer
    /// than all else that is done for a query.
    fn shared(&mut self, suits: impl Fn(&Connection) -> bool) -> Option<&Arc<Connection>> {
        let in_flight = |one: &Connection| one.state.in_flight.load(Relaxed);
        let usable = || self.connections.iter().enumerate().filter(|(_, one)| suits(one));
        let (place, least) = usable().min_by_key(|(_, one)| in_flight(one))?;
        let latest = usable().find(|(place, _)| *place == self.latest);
        let stays = latest.is_some_and(|(_, one)| in_flight(one) < 2 * in_flight(least));
        if !stays {
            self.latest = place;
        }
        self.connections.get(self.latest)
    }
}

impl Lease<'_> {
    /// Takes the connection off its shelf; it ends when the queries on it have.
    pub(super) fn retire(&self) {
        if let Some(shelf) = self.pool.shelves.get(self.shelf) {
            shelf.lock().connections.retain(|one| !Arc::ptr_eq(one, &self.connection));
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
        let idle = shelf.lock().connections.iter().filter(|one| one.is_idle()).count();
        if idle > max_idle {
            self.retire();
        }
    }
}

impl Connection {
    fn is_too_old(&self, max_age: Duration, now: Instant) -> bool {
        !max_age.is_zero() && now.saturating_duration_since(self.opened) >= max_age
    }

    /// Whether the connection stands and nobody waits on it.
    fn is_idle(&self) -> bool {
        self.is_established() && self.state.in_flight.load(Relaxed) == 0
    }
}
