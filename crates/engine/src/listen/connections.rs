//! Who may be connected: at most so many in all and per client, and the oldest idle connection
//! makes room for a new one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use dunlin_core::metrics::{Counter, Gauge, Metrics};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// All stream connections of the process.
#[derive(Debug)]
pub(crate) struct Connections {
    inner: Mutex<Inner>,
    limit: usize,
    open: Gauge,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<u64, Entry>,
    per_client: HashMap<IpAddr, usize>,
    next: u64,
    /// Counts changes between idle and busy: the smaller, the longer ago.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    client: IpAddr,
    /// When it became idle.
    idle_since: Option<u64>,
    evict: CancellationToken,
}

/// The place of one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Admission {
    connections: Arc<Connections>,
    number: u64,
    /// Cancelled when the connection has to make room.
    pub(crate) evicted: CancellationToken,
}

/// Connections of one client address (IPv6: of one /64).
const PER_CLIENT: usize = 256;
const MOST: u64 = 4096;

impl Connections {
    /// At most 4,096, and no more than 60 % of the descriptors that this process may have.
    pub(crate) fn new(metrics: &Metrics, descriptors: Option<u64>) -> Self {
        let limit = descriptors.map_or(MOST, |most| (most / 10 * 6).clamp(16, MOST));
        Self {
            inner: Mutex::default(),
            limit: usize::try_from(limit).unwrap_or(16),
            open: metrics
                .gauge("dunlin_tcp_connections", "Open client connections.", &[])
                .with(&[]),
            refused: metrics
                .counter(
                    "dunlin_tcp_connections_refused_total",
                    "Client connections closed at once or evicted because of a limit.",
                    &[],
                )
                .with(&[]),
        }
    }

    /// Makes room for a connection, at the expense of the longest idle one if need be. `None`: it
    /// has to be closed.
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Admission> {
        let client = prefix(client);
        let mut inner = self.inner.lock();
        let own = inner.per_client.get(&client).copied().unwrap_or(0);
        if own >= PER_CLIENT && !inner.evict(|entry| entry.client == client)
            || inner.entries.len() >= self.limit && !inner.evict(|_| true)
        {
            self.refused.inc();
            return None;
        }
        let number = inner.next;
        inner.next += 1;
        inner.clock += 1;
        let idle_since = Some(inner.clock);
        let evict = CancellationToken::new();
        inner.entries.insert(number, Entry { client, idle_since, evict: evict.clone() });
        *inner.per_client.entry(client).or_default() += 1;
        self.open.set(i64::try_from(inner.entries.len()).unwrap_or(i64::MAX));
        Some(Admission { connections: Arc::clone(self), number, evicted: evict })
    }
}

impl Inner {
    /// Tells the longest idle of these connections to go; false if none is idle.
    fn evict(&mut self, among: impl Fn(&Entry) -> bool) -> bool {
        let idle = self.entries.iter().filter(|(_, entry)| among(entry));
        let oldest = idle
            .filter_map(|(number, entry)| entry.idle_since.map(|since| (since, *number)))
            .min()
            .map(|(_, number)| number);
        let Some(number) = oldest else { return false };
        self.remove(number).is_some_and(|entry| {
            entry.evict.cancel();
            true
        })
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        if let Some(own) = self.per_client.get_mut(&entry.client) {
            *own -= 1;
            if *own == 0 {
                self.per_client.remove(&entry.client);
            }
        }
        Some(entry)
    }
}

impl Admission {
    /// Says that the connection waits for its client from now on. True if four fifths of all
    /// places are taken.
    pub(crate) fn set_idle(&self) -> bool {
        let mut inner = self.connections.inner.lock();
        inner.clock += 1;
        let now = inner.clock;
        if let Some(entry) = inner.entries.get_mut(&self.number) {
            entry.idle_since = Some(now);
        }
        inner.entries.len() * 5 > self.connections.limit * 4
    }

    /// Says that the connection owes its client something.
    pub(crate) fn set_busy(&self) {
        if let Some(entry) = self.connections.inner.lock().entries.get_mut(&self.number) {
            entry.idle_since = None;
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut inner = self.connections.inner.lock();
        if inner.remove(self.number).is_none() {
            self.connections.refused.inc(); // it was evicted
        }
        self.connections.open.set(i64::try_from(inner.entries.len()).unwrap_or(i64::MAX));
    }
}

fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            IpAddr::V6(std::net::Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(descriptors: u64) -> Arc<Connections> {
        Arc::new(Connections::new(&Metrics::new(0), Some(descriptors)))
    }

    fn client(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn the_oldest_idle_connection_makes_room() {
        let all = connections(27); // a limit of 16, the least there is
        let held: Vec<_> = (0..16).map(|last| all.admit(client(last)).unwrap()).collect();
        held[0].set_busy();
        let new = all.admit(client(99)).unwrap();
        assert!(!held[0].evicted.is_cancelled(), "busy");
        assert!(held[1].evicted.is_cancelled(), "idle for longest");
        held.iter().chain([&new]).for_each(Admission::set_busy);
        assert!(all.admit(client(100)).is_none(), "nobody is idle");
        drop(held);
        assert!(all.admit(client(100)).is_some());
    }

    #[test]
    fn one_client_cannot_take_all() {
        let all = connections(100_000);
        let held: Vec<_> = (0..PER_CLIENT).map(|_| all.admit(client(1)).unwrap()).collect();
        held.iter().for_each(Admission::set_busy);
        assert!(all.admit(client(1)).is_none());
        assert!(all.admit(client(2)).is_some());
    }
    #[test]
    fn who_was_active_last_stays_longest() {
        let all = connections(27);
        let held: Vec<_> = (0..16).map(|last| all.admit(client(last)).unwrap()).collect();
        held[0].set_idle();
        let _new = all.admit(client(99)).unwrap();
        assert!(!held[0].evicted.is_cancelled() && held[1].evicted.is_cancelled());
    }

    #[test]
    fn scarce_places_are_told() {
        let all = connections(27);
        let mut held: Vec<_> = (0..12).map(|last| all.admit(client(last)).unwrap()).collect();
        assert!(!held[0].set_idle());
        held.push(all.admit(client(12)).unwrap());
        assert!(held[0].set_idle(), "13 of 16");
        held.pop();
        assert!(!held[0].set_idle());
    }

    #[test]
    fn numbers_of_connections_are_shown() {
        let metrics = Metrics::new(0);
        let all = Arc::new(Connections::new(&metrics, Some(27)));
        let open = || {
            metrics
                .page()
                .lines()
                .find_map(|line| line.strip_prefix("dunlin_tcp_connections ").map(str::to_owned))
        };
        let held: Vec<_> = (0..17).map(|last| all.admit(client(last)).unwrap()).collect();
        assert_eq!(open().as_deref(), Some("16"));
        drop(held);
        assert_eq!(open().as_deref(), Some("0"));
        assert!(metrics.page().contains("dunlin_tcp_connections_refused_total 1"), "evicted");
        assert!(all.inner.lock().per_client.is_empty());
    }
}
