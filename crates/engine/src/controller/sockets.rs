//! Opening DNS sockets and giving them to whoever drives them.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use dunlin_core::directive::SocketCount;
use dunlin_core::metrics::Metrics;
use dunlin_os::holders::Network;

use super::Driver;
use crate::hickory::Hickory;
use crate::listen::Listener;
use crate::listen::connections::Connections;
use crate::texts::Unopened;
use crate::workers::Workers;

/// The driver of all DNS sockets.
pub(super) enum Sockets {
    Native(Workers),
    Hickory(Hickory),
}

/// Sockets of one listener, on the same port.
pub(super) struct Pair {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Pair {
    /// The real address; `planned` where the kernel does not say.
    pub(super) fn address(&self, planned: SocketAddr) -> SocketAddr {
        let port = self.udp.local_addr().map_or_else(|_| planned.port(), |real| real.port());
        SocketAddr::new(planned.ip(), port)
    }
}

/// With port 0, UDP gets a port that TCP may not have; then another one is tried.
const PORT_ATTEMPTS: usize = 16;

impl Sockets {
    pub(super) fn start(
        driver: Driver,
        workers: Option<usize>,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        match driver {
            Driver::Hickory => Ok(Self::Hickory(Hickory::default())),
            Driver::Native => {
                let connections = Arc::new(Connections::new(metrics, descriptor_limit()));
                let count = workers.unwrap_or_else(crate::worker_count);
                Workers::start(count.max(1), &connections).map(Self::Native)
            }
        }
    }

    /// How many pairs of sockets a listener is to have.
    pub(super) fn count(&self, wanted: Option<SocketCount>) -> usize {
        match (wanted, self) {
            (Some(SocketCount::Exactly(count)), _) => count.get(),
            (_, Self::Native(workers)) => workers.count(),
            (_, Self::Hickory(_)) => 1,
        }
    }

    /// Opens so many pairs of sockets on one port.
    pub(super) fn open(&self, address: SocketAddr, count: usize) -> Result<Vec<Pair>, Unopened> {
        let first = open_first(address)?;
        let real = first.address(address);
        let mut pairs = vec![first];
        for _ in 1..count {
            pairs.push(open_pair(real)?);
        }
        Ok(pairs)
    }

    pub(super) async fn serve(&self, listener: &Arc<Listener>, pairs: Vec<Pair>) {
        let pairs = pairs.into_iter().map(|pair| (pair.udp, pair.tcp)).collect();
        match self {
            Self::Native(workers) => workers.serve(listener, pairs).await,
            Self::Hickory(hickory) => hickory.serve(listener, pairs),
        }
    }

    /// Waits until the driver owes no reply, as far as the listeners do not know it themselves.
    pub(super) async fn drained(&mut self) {
        if let Self::Hickory(hickory) = self {
            hickory.drain().await;
        }
    }

    pub(super) async fn stop(self) {
        if let Self::Native(workers) = self {
            // Joining blocks; the threads have nothing left to do.
            let _joined = tokio::task::spawn_blocking(move || workers.stop()).await;
        }
    }
}

fn open_first(address: SocketAddr) -> Result<Pair, Unopened> {
    let mut result = open_pair(address);
    for _ in 1..PORT_ATTEMPTS {
        if result.is_ok() || address.port() != 0 {
            break;
        }
        result = open_pair(address);
    }
    result
}

fn open_pair(address: SocketAddr) -> Result<Pair, Unopened> {
    let tcp = |address| {
        dunlin_os::sockets::tcp_listener(address)
            .map_err(|error| Unopened::new(Network::Tcp, address, &error).within("Listen"))
    };
    let udp = |address| {
        dunlin_os::sockets::udp_listener(address)
            .map_err(|error| Unopened::new(Network::Udp, address, &error).within("ListenPacket"))
    };
    if address.port() != 0 {
        let tcp = tcp(address)?;
        return Ok(Pair { udp: udp(address)?, tcp });
    }
    let udp = udp(address)?;
    let port = udp.local_addr().map_or(0, |real| real.port());
    Ok(Pair { tcp: tcp(SocketAddr::new(address.ip(), port))?, udp })
}

/// How many descriptors this process may have.
fn descriptor_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
