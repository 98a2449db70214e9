//! Exchanges over TCP and TLS: a few warm connections per upstream and worker.
//!
//! An idle connection is preferred, then a new one up to a limit, and only then a busy one is given
//! a second query: many upstreams, CoreDNS among them, answer a connection's queries one after
//! another. Each connection is driven by a task on the runtime that opened it (`connection`).

mod book;
mod connection;
mod dial;
mod driver;
mod pool;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use dunlin_core::Transport;
use rustls::pki_types::ServerName;
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::connection::Order;
use self::pool::{Lease, Pool};
use crate::ask::Ask;
use crate::error::{Cause, ExchangeError};
use crate::group::Time;
use crate::metrics::{Proto, UpstreamMetrics};
use crate::patience::within;
use crate::response::{self, Response};
use crate::tls::TlsClient;

/// How long connections live, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamLimits {
    /// An idle connection is closed after this time.
    pub expire: Duration,
    /// A connection takes no more queries at this age; zero: no limit.
    pub max_age: Duration,
    /// Idle connections kept, per worker; zero: no limit of its own.
    pub max_idle: usize,
    /// Connections per worker.
    pub connections: usize,
    /// For dialling and the TLS handshake together.
    pub dial: Duration,
    /// A query that cannot be written for this time ends its connection.
    pub write: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            expire: Duration::from_secs(10),
            max_age: Duration::ZERO,
            max_idle: 0,
            connections: 8,
            dial: Duration::from_secs(2),
            write: Duration::from_secs(2),
        }
    }
}

/// Where connections lead.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) remote: SocketAddr,
    pub(crate) source: Option<IpAddr>,
    pub(crate) tls: Option<(TlsClient, ServerName<'static>)>,
    pub(crate) limits: StreamLimits,
}

/// The connections to one upstream.
#[derive(Debug)]
pub(crate) struct Streams {
    endpoint: Arc<Endpoint>,
    pool: Pool,
}

impl Streams {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { pool: Pool::new(endpoint.limits), endpoint: Arc::new(endpoint) }
    }

    /// Sends the query on a connection and waits for its response, see [`within`]. With `fresh` the
    /// connection is one that nobody has been answered on.
    pub(crate) async fn exchange(
        &self,
        ask: &Ask,
        fresh: bool,
        time: Time,
        metrics: &UpstreamMetrics,
    ) -> Result<Response, ExchangeError> {
        let busy = || ExchangeError::Busy { remote: self.endpoint.remote.to_string() };
        let lease = self.pool.lease(&self.endpoint, fresh, time.now).ok_or_else(busy)?;
        let proto = if self.endpoint.tls.is_some() { Proto::Tls } else { Proto::Tcp };
        if lease.is_new {
            metrics.opened_connection(proto);
        } else {
            metrics.reused_connection(proto);
        }
        let reused = lease.connection.is_established();
        let entry = ask.journal().map(|journal| {
            let transport = if proto == Proto::Tls { Transport::Tls } else { Transport::Tcp };
            let ends = (lease.connection.local(), self.endpoint.remote);
            (journal, journal.begin(ends, transport, ask.as_bytes()))
        });
        let result = self.exchange_on(&lease, ask, time.until).await;
        if let Some((journal, entry)) = entry {
            journal.end(entry, lease.connection.local(), result.as_ref().ok());
        }
        result.map_err(|error| match error {
            error if reused && error.is_closed() => ExchangeError::Stale(Box::new(error)),
            error => error,
        })
    }

    async fn exchange_on(
        &self,
        lease: &Lease<'_>,
        ask: &Ask,
        until: Instant,
    ) -> Result<Response, ExchangeError> {
        let remote = self.endpoint.remote;
        let connection = &lease.connection;
        let received = connection.state.received.load(Relaxed);
        let (reply, response) = oneshot::channel();
        if connection.order(Order { ask: ask.clone(), reply }).is_err() {
            return Err(connection.hung_up(remote));
        }
        match within(until, response).await {
            Ok(Ok(bytes)) => response::read(bytes?, ask.question_end()).ok_or_else(|| {
                lease.retire();
                ExchangeError::WrongReply { remote }
            }),
            Ok(Err(_task_ended)) => Err(connection.hung_up(remote)),
            Err(_elapsed) => {
                // Nothing at all since we asked: the peer may be gone without a word.
                if connection.state.received.load(Relaxed) == received {
                    lease.retire();
                }
                Err(connection.timed_out(remote))
            }
        }
    }

    /// A connection for a single query, for probes: dialled, asked and closed.
    pub(crate) async fn exchange_once(
        &self,
        ask: &Ask,
        patience: Duration,
    ) -> Result<(), ExchangeError> {
        let remote = self.endpoint.remote;
        let dialled = Instant::now() + self.endpoint.limits.dial;
        let (stream, local) = dial::dial(&self.endpoint, dialled).await?;
        let exchange = driver::exchange_once(stream, ask, (local, remote));
        let silence = ExchangeError::Read { network: "tcp", local, remote, cause: Cause::Timeout };
        tokio::time::timeout(patience, exchange).await.unwrap_or(Err(silence))
    }
}
