//! One exchange over UDP: a socket of its own, connected, from a random port (security.md FW-01,
//! FW-02), and patience with everything that is not the response (FW-20).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use dunlin_core::buffer::Buffer;
use dunlin_core::hexdump::Hexdump;
use dunlin_core::wire::{self, Flags, HEADER_LEN, write_u16};
use rand::RngExt;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::ask::{Ask, is_response};
use crate::error::{Cause, ExchangeError};
use crate::metrics::{Proto, UpstreamMetrics};
use crate::response::{self, Response};

/// Where the sockets come from. A pool of many sockets (`udp_pool`) would take its place here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sockets {
    pub(crate) remote: SocketAddr,
    /// The address to send from, if the operator chose one.
    pub(crate) source: Option<IpAddr>,
}

/// Datagrams that are not the response before we stop listening (FW-21).
const MAX_MISMATCHES: u32 = 16;
/// Ports that may be taken before we give up.
const MAX_PORT_DRAWS: u32 = 32;
/// Larger than any response that we invite.
const RECEIVE_SIZE: usize = 2048;

impl Sockets {
    /// A connected socket from a random port.
    fn open(self) -> io::Result<UdpSocket> {
        let mut draws = 0;
        loop {
            let port = rand::rng().random_range(1024..=u16::MAX);
            let socket = match self.source {
                None => dunlin_os::sockets::udp_client(port, self.remote),
                Some(source) => udp_client_from(SocketAddr::new(source, port), self.remote),
            };
            draws += 1;
            match socket {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && draws < MAX_PORT_DRAWS => {}
                socket => return UdpSocket::from_std(socket?),
            }
        }
    }
}

/// `dunlin_os` has no socket with a chosen source address; path MTU options are left out here.
fn udp_client_from(source: SocketAddr, server: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(server), kind, Some(Protocol::UDP))?;
    socket.bind(&SockAddr::from(source))?;
    socket.connect(&SockAddr::from(server))?;
    Ok(socket.into())
}

/// Sends the query once and waits for its response until `until`.
pub(crate) async fn exchange(
    sockets: Sockets,
    ask: &Ask,
    until: Instant,
    metrics: &UpstreamMetrics,
) -> Result<Response, ExchangeError> {
    let remote = sockets.remote;
    let dial = |error: &io::Error| ExchangeError::Dial {
        network: "udp",
        remote,
        cause: Cause::of(error, "connect"),
    };
    metrics.opened_connection(Proto::Udp);
    let socket = sockets.open().map_err(|error| dial(&error))?;
    // Only failures tell it, and asking costs a system call.
    let local = || socket.local_addr().unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into());
    let mut query = Buffer::copy_of(ask.as_bytes());
    write_u16(&mut query, 0, rand::rng().random());
    let listening = async {
        socket.send(&query).await.map_err(|error| ExchangeError::Write {
            network: "udp",
            local: local(),
            remote,
            cause: Cause::of(&error, "write"),
        })?;
        receive(&socket, &query, ask, metrics).await.map_err(|error| match error {
            Receive::Flooded => ExchangeError::Flooded { local: local(), remote },
            Receive::Io(error) => ExchangeError::Read {
                network: "udp",
                local: local(),
                remote,
                cause: Cause::of(&error, "read"),
            },
        })
    };
    tokio::time::timeout_at(until, listening).await.unwrap_or_else(|_| {
        let cause = Cause::Timeout;
        Err(ExchangeError::Read { network: "udp", local: local(), remote, cause })
    })
}

enum Receive {
    Flooded,
    Io(io::Error),
}

async fn receive(
    socket: &UdpSocket,
    query: &[u8],
    ask: &Ask,
    metrics: &UpstreamMetrics,
) -> Result<Response, Receive> {
    let mut bytes = Buffer::new();
    for _ in 0..MAX_MISMATCHES {
        bytes.clear();
        bytes.reserve(RECEIVE_SIZE);
        socket.recv_buf(&mut *bytes).await.map_err(Receive::Io)?;
        if is_response(query, ask.question_end(), &bytes) {
            let fits = bytes.len() <= ask.max_udp_size();
            let datagram = std::mem::take(&mut bytes);
            let response = if fits { response::read } else { response::cut };
            if let Some(response) = response(datagram, ask.question_end()) {
                return Ok(response);
            }
        }
        metrics.ignored_reply();
        let name = wire::Presentation(ask.name());
        tracing::debug!(
            target: "plugin/forward",
            "Wrong reply for id: {}, {name} {}\n{}", wire::id(query), ask.qtype(), Hexdump(&bytes)
        );
    }
    Err(Receive::Flooded)
}

/// Sends the query once; any response with its ID proves that the upstream lives.
pub(crate) async fn probe(
    sockets: Sockets,
    ask: &Ask,
    until: Instant,
) -> Result<(), ExchangeError> {
    let remote = sockets.remote;
    let failed = |error: &io::Error| ExchangeError::Dial {
        network: "udp",
        remote,
        cause: Cause::of(error, "read"),
    };
    let socket = sockets.open().map_err(|error| failed(&error))?;
    let mut query = Buffer::copy_of(ask.as_bytes());
    write_u16(&mut query, 0, rand::rng().random());
    let listening = async {
        socket.send(&query).await?;
        let mut bytes = Buffer::new();
        loop {
            bytes.clear();
            bytes.reserve(RECEIVE_SIZE);
            socket.recv_buf(&mut *bytes).await?;
            let same_id = bytes.len() >= HEADER_LEN && wire::id(&bytes) == wire::id(&query);
            if same_id && Flags::of(&bytes).has(Flags::QR) {
                return Ok(());
            }
        }
    };
    let silence = ExchangeError::Dial { network: "udp", remote, cause: Cause::Timeout };
    match tokio::time::timeout_at(until, listening).await {
        Ok(result) => result.map_err(|error| failed(&error)),
        Err(_elapsed) => Err(silence),
    }
}
