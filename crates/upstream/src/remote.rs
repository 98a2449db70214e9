//! One upstream on the network: the sockets behind [`Exchange`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::wire::types;
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use crate::ask::Ask;
use crate::error::ExchangeError;
use crate::group::{Exchange, Time, Via};
use crate::metrics::UpstreamMetrics;
use crate::response::Response;
use crate::stream::{Endpoint, StreamLimits, Streams};
use crate::tls::TlsClient;
use crate::udp::{self, Sockets};

/// What a probe asks, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Probe {
    /// QNAME, lower-case wire form; QTYPE is NS.
    pub name: Box<[u8]>,
    /// RD.
    pub recursion_desired: bool,
    /// Over TCP rather than UDP; upstreams with TLS are probed over TLS.
    pub over_tcp: bool,
}

impl Default for Probe {
    fn default() -> Self {
        Self { name: Box::new([0]), recursion_desired: true, over_tcp: false }
    }
}

/// How to reach one upstream.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Where it is.
    pub address: SocketAddr,
    /// Our address, if the operator chose one.
    pub source: Option<IpAddr>,
    /// TLS, and the name that its certificate must hold.
    pub tls: Option<(TlsClient, ServerName<'static>)>,
    /// Sockets for UDP, per worker, that queries draw one from; 0: each query opens its own.
    pub udp_pool: usize,
    /// Its connections.
    pub limits: StreamLimits,
    /// Its probes.
    pub probe: Probe,
}

/// An upstream reached over UDP, TCP or TLS.
#[derive(Debug)]
pub struct Remote {
    sockets: Sockets,
    streams: Streams,
    has_tls: bool,
    probe: Probe,
    metrics: Arc<UpstreamMetrics>,
}

/// What a probe waits for its response.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

impl Remote {
    /// An upstream; nothing is sent yet.
    #[must_use]
    pub fn new(config: RemoteConfig, metrics: Arc<UpstreamMetrics>) -> Self {
        let RemoteConfig { address: remote, source, tls, udp_pool, limits, probe } = config;
        Self {
            sockets: Sockets::new(remote, source, udp_pool),
            has_tls: tls.is_some(),
            streams: Streams::new(Endpoint { remote, source, tls, limits }),
            probe,
            metrics,
        }
    }
}

impl Exchange for Remote {
    fn needs_stream(&self) -> bool {
        self.has_tls
    }

    async fn exchange(&self, ask: &Ask, via: Via, time: Time) -> Result<Response, ExchangeError> {
        match via {
            Via::Udp => udp::exchange(&self.sockets, ask, time, &self.metrics).await,
            Via::Stream => self.streams.exchange(ask, false, time, &self.metrics).await,
            Via::FreshStream => self.streams.exchange(ask, true, time, &self.metrics).await,
        }
    }

    async fn probe(&self) -> Result<(), ExchangeError> {
        let Probe { name, recursion_desired, over_tcp } = &self.probe;
        let Some(ask) = Ask::plain(name, types::NS, *recursion_desired) else { return Ok(()) };
        if self.has_tls || *over_tcp {
            return self.streams.exchange_once(&ask, PROBE_PATIENCE).await;
        }
        udp::probe(&self.sockets, &ask, Instant::now() + PROBE_PATIENCE).await
    }
}
