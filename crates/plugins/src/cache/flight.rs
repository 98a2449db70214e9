//! Identical questions in flight: one of them, the leader, asks; the others follow it. That saves
//! the upstream work and leaves an attacker a single exchange to forge (CVE-2023-30464).
//!
//! Everything ends by `Drop`: a leader that is cancelled leaves its seat to exactly one of its
//! followers, a follower that is cancelled is no longer counted. No lock is held while waiting.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::key::SharedKey;
use super::store::Identity;

/// All exchanges in flight, and who waits for them; `T` is what they end with.
pub(super) struct Flights<T> {
    shards: Box<[Mutex<Shard<T>>]>,
}

type Shard<T> = HashMap<u64, Seat<T>, BuildHasherDefault<Identity>>;

/// What an exchange is known by: the cache key, and what else must not be mixed up on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FlightKey {
    pub(super) key: SharedKey,
    /// A small number, so that a question has few exchanges in flight.
    pub(super) variant: u8,
}

/// An exchange as its shard sees it.
struct Seat<T> {
    flight: Arc<Flight<T>>,
    is_led: bool,
    waiting: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// An exchange as its leader and its followers see it.
struct Flight<T> {
    key: FlightKey,
    landed: OnceLock<T>,
    wake: Notify,
}

/// What came of joining.
#[derive(Debug)]
pub(super) enum Joined<T: Clone> {
    /// Nobody asks yet: do it.
    Lead(Leader<T>),
    /// Somebody asks: wait.
    Follow(Follower<T>),
    /// Too many queries of this client wait already.
    Full,
}

/// What a follower's wait ended with.
#[derive(Debug)]
pub(super) enum Landing<T: Clone> {
    /// The leader's outcome.
    Outcome(T),
    /// The leader is gone: do it yourself.
    Lead(Leader<T>),
}

/// Queries of one client that wait for one exchange: their answers leave in one burst, which must
/// not be large (CVE-2024-33655, DNSBomb).
const MAX_WAITING_PER_CLIENT: usize = 100;

const SHARDS: usize = 64;

impl<T: Clone> Flights<T> {
    /// Nothing in flight.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() })
    }

    /// Leads or follows the exchange of this key.
    pub(super) fn join(self: &Arc<Self>, key: FlightKey, client: IpAddr) -> Joined<T> {
        let place = key.place();
        let lead = |flight| Joined::Lead(Leader { flights: Arc::clone(self), flight });
        let Some(mut shard) = self.lock(place) else { return lead(None) };
        let Some(seat) = shard.get_mut(&place) else {
            let flight = Arc::new(Flight { key, landed: OnceLock::new(), wake: Notify::new() });
            shard.insert(place, Seat::led(Arc::clone(&flight)));
            return lead(Some(flight));
        };
        if seat.flight.key != key {
            // Another question with the same hash: rare enough to go without company.
            return lead(None);
        }
        let flight = Arc::clone(&seat.flight);
        if !std::mem::replace(&mut seat.is_led, true) {
            return lead(Some(flight));
        }
        if !seat.admit(client) {
            return Joined::Full;
        }
        Joined::Follow(Follower { flights: Arc::clone(self), flight, client })
    }

    /// Leads the exchange of this key, unless somebody does already.
    pub(super) fn lead(self: &Arc<Self>, key: FlightKey, client: IpAddr) -> Option<Leader<T>> {
        let place = key.place();
        if self.lock(place)?.get(&place).is_some_and(|seat| seat.is_led) {
            return None;
        }
        match self.join(key, client) {
            Joined::Lead(leader) => Some(leader),
            // Lost a race; the follower is uncounted as it drops.
            Joined::Follow(_) | Joined::Full => None,
        }
    }

    /// An exchange that nobody shares.
    pub(super) fn alone(self: &Arc<Self>) -> Leader<T> {
        Leader { flights: Arc::clone(self), flight: None }
    }

    /// How many exchanges are in flight.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn lock(&self, place: u64) -> Option<MutexGuard<'_, Shard<T>>> {
        let index = usize::try_from(place >> 32).unwrap_or(0) % SHARDS;
        self.shards.get(index).map(Mutex::lock)
    }

    /// Runs `change` on the seat of this flight, if it still has one, and gives the seat up if
    /// nobody sits there and nobody waits for it.
    fn with_seat<R>(
        &self,
        flight: &Arc<Flight<T>>,
        change: impl FnOnce(&mut Seat<T>) -> R,
    ) -> Option<R> {
        let place = flight.key.place();
        let mut shard = self.lock(place)?;
        let seat = shard.get_mut(&place).filter(|seat| Arc::ptr_eq(&seat.flight, flight))?;
        let changed = change(seat);
        if seat.waiting == 0 && !seat.is_led {
            shard.remove(&place);
        }
        Some(changed)
    }
}

/// The duty to ask. Dropped without landing, it goes to one of the followers.
pub(super) struct Leader<T: Clone> {
    flights: Arc<Flights<T>>,
    /// `None` for a question that is on its way alone.
    flight: Option<Arc<Flight<T>>>,
}

impl<T: Clone> Leader<T> {
    /// A follower of this very exchange, for a leader that goes on in the background.
    pub(super) fn follow(&self, client: IpAddr) -> Option<Follower<T>> {
        let flight = self.flight.as_ref()?;
        let is_admitted = self.flights.with_seat(flight, |seat| seat.admit(client))?;
        let flights = &self.flights;
        let follower =
            || Follower { flights: Arc::clone(flights), flight: Arc::clone(flight), client };
        is_admitted.then(follower)
    }

    /// Ends the exchange: all followers get what `outcome` makes, if there are any.
    pub(super) fn land(mut self, outcome: impl FnOnce() -> T) {
        let Some(flight) = self.flight.take() else { return };
        let waiting = self.flights.with_seat(&flight, |seat| {
            seat.is_led = false;
            std::mem::take(&mut seat.waiting)
        });
        if waiting.is_some_and(|waiting| waiting > 0) {
            // Nobody else can set it: the seat has just been given up.
            let _unset = flight.landed.set(outcome());
            flight.wake.notify_waiters();
        }
    }
}

impl<T: Clone> Drop for Leader<T> {
    fn drop(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.flights.with_seat(&flight, |seat| seat.is_led = false);
            flight.wake.notify_one();
        }
    }
}

/// A place in the queue of an exchange.
pub(super) struct Follower<T: Clone> {
    flights: Arc<Flights<T>>,
    flight: Arc<Flight<T>>,
    client: IpAddr,
}

impl<T: Clone> Follower<T> {
    /// Waits for the outcome, or for the leader's seat. `None` at the deadline.
    pub(super) async fn wait(&mut self, deadline: Instant) -> Option<Landing<T>> {
        loop {
            let wakened = self.flight.wake.notified();
            tokio::pin!(wakened);
            // From here on no wake-up is lost, so what it announces is looked at now.
            wakened.as_mut().enable();
            if let Some(outcome) = self.flight.landed.get() {
                return Some(Landing::Outcome(outcome.clone()));
            }
            if let Some(leader) = self.take_over() {
                return Some(Landing::Lead(leader));
            }
            timeout_at(deadline, wakened).await.ok()?;
        }
    }

    fn take_over(&self) -> Option<Leader<T>> {
        let was_led = |seat: &mut Seat<T>| std::mem::replace(&mut seat.is_led, true);
        let was_led = self.flights.with_seat(&self.flight, was_led)?;
        // Made only if due: a leader that is dropped gives the seat up.
        let leader = || Leader {
            flights: Arc::clone(&self.flights),
            flight: Some(Arc::clone(&self.flight)),
        };
        (!was_led).then(leader)
    }
}

impl<T: Clone> Drop for Follower<T> {
    fn drop(&mut self) {
        self.flights.with_seat(&self.flight, |seat| seat.dismiss(self.client));
    }
}

impl FlightKey {
    /// Where its seat is. The constant spreads the variants of a key over the shards.
    fn place(&self) -> u64 {
        self.key.hash() ^ u64::from(self.variant).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl<T> Seat<T> {
    fn led(flight: Arc<Flight<T>>) -> Self {
        Self { flight, is_led: true, waiting: 0, by_client: HashMap::new() }
    }

    fn admit(&mut self, client: IpAddr) -> bool {
        let own = self.by_client.entry(client).or_default();
        if *own >= MAX_WAITING_PER_CLIENT {
            return false;
        }
        *own += 1;
        self.waiting += 1;
        true
    }

    fn dismiss(&mut self, client: IpAddr) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(own) = self.by_client.get_mut(&client) {
            *own = own.saturating_sub(1);
        }
    }
}

impl<T: Clone> fmt::Debug for Leader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leader")
    }
}

impl<T: Clone> fmt::Debug for Follower<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Follower")
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights")
    }
}
