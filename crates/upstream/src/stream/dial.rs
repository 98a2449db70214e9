//! Opening a connection: TCP, and TLS on top of it if the upstream wants that.

use std::io;
use std::net::SocketAddr;

use rand::RngExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::Endpoint;
use crate::error::{Cause, ExchangeError};
use crate::tls::handshake_text;

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, and shakes hands, until `until`; our own address comes with the connection.
pub(super) async fn dial(
    endpoint: &Endpoint,
    until: Instant,
) -> Result<(Box<dyn Stream>, SocketAddr), ExchangeError> {
    let remote = endpoint.remote;
    let failed = |cause| ExchangeError::Dial { network: "tcp", remote, cause };
    let connecting = async {
        let tcp = connect(endpoint).await.map_err(|error| failed(Cause::of(&error, "connect")))?;
        let local = tcp.local_addr().map_err(|error| failed(Cause::of(&error, "getsockname")))?;
        let Some((client, name)) = &endpoint.tls else {
            return Ok((Box::new(tcp) as Box<dyn Stream>, local));
        };
        match client.connector().connect(name.clone(), tcp).await {
            Ok(tls) => Ok((Box::new(tls) as Box<dyn Stream>, local)),
            Err(error) => Err(ExchangeError::Tls { text: handshake_text(&error) }),
        }
    };
    let silence = failed(Cause::Timeout);
    tokio::time::timeout_at(until, connecting).await.unwrap_or(Err(silence))
}

async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let socket = match endpoint.remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    if let Some(source) = endpoint.source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(endpoint.remote).await
}

/// A random number that `is_free` likes.
pub(super) fn free_id(is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let start: u16 = rand::rng().random();
    let mut ids = (0..=u16::MAX).map(|offset| start.wrapping_add(offset));
    // The first draw is nearly always free; looking further in order is still unpredictable.
    ids.find(|id| is_free(*id))
}
