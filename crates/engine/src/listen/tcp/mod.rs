//! DNS over TCP (RFC 7766): who is accepted, and what a connection may cost.

mod connection;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::directive::{QueryLimit, Timeouts};
use tokio::net::TcpListener;
use tokio::time::Instant;

use self::connection::Connection;
use super::Listener;
use super::connections::Connections;

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A message must be complete this long after the connection began, or after its first octet.
    pub(crate) read: Duration,
    /// Between two messages.
    pub(crate) idle: Duration,
    /// The same when places become scarce.
    pub(crate) idle_in_a_crowd: Duration,
    /// A client that takes nothing for so long is gone.
    pub(crate) write: Duration,
    /// At the end, for the rest of a message, and for the first one of a client that has just connected:
    /// it could not know, and the kernel had taken its connection for us.
    pub(crate) on_its_way: Duration,
    /// After so many queries it is closed.
    pub(crate) queries: QueryLimit,
}

impl Limits {
    /// What the Corefile says goes before these.
    fn under(self, timeouts: &Timeouts) -> Self {
        Self {
            read: timeouts.read.unwrap_or(self.read),
            idle: timeouts.idle.unwrap_or(self.idle),
            idle_in_a_crowd: self.idle_in_a_crowd,
            write: timeouts.write.unwrap_or(self.write),
            on_its_way: self.on_its_way,
            queries: timeouts.queries.unwrap_or(self.queries),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(3),
            idle: Duration::from_secs(10),
            idle_in_a_crowd: Duration::from_secs(1),
            write: Duration::from_secs(5),
            on_its_way: Duration::from_millis(500),
            queries: QueryLimit::Unlimited,
        }
    }
}

/// Pause when there are no descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// Between two log lines about that.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

/// Accepts connections on one socket until the listener is told to stop; then those that the
/// kernel has accepted already.
pub(crate) async fn serve_tcp(
    listener: Arc<Listener>,
    socket: TcpListener,
    connections: Arc<Connections>,
    limits: Limits,
) {
    let mut acceptor = Acceptor { listener, socket, connections, limits, warned: None };
    let stop = acceptor.listener.stop.clone();
    // Nothing is lost: accept is cancel-safe, and a pause may end early.
    while stop.run_until_cancelled(acceptor.accept()).await.is_some() {}
    // Lets tokio learn what has come meanwhile.
    tokio::task::yield_now().await;
    let none_left = || std::future::ready(());
    loop {
        tokio::select! {
            biased;
            () = acceptor.accept() => {}
            () = none_left() => return,
        }
    }
}

struct Acceptor {
    listener: Arc<Listener>,
    socket: TcpListener,
    connections: Arc<Connections>,
    limits: Limits,
    warned: Option<Instant>,
}

impl Acceptor {
    async fn accept(&mut self) {
        match self.socket.accept().await {
            Ok((stream, client)) => {
                let Some(admission) = self.connections.admit(client.ip().to_canonical()) else {
                    return;
                };
                let limits = self.limits.under(&self.listener.table.load().timeouts);
                let connection = Connection::new(&self.listener, stream, client, admission, limits);
                if let Some(connection) = connection {
                    self.listener.tasks.spawn(connection.run());
                }
            }
            // The client went away before it was its turn.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let now = Instant::now();
                if self.warned.is_none_or(|warned| now - warned >= WARN_INTERVAL) {
                    self.warned = Some(now);
                    tracing::warn!(%error, address = %self.listener.address, "accepting failed");
                }
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}
