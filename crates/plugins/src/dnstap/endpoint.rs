//! Where collectors are: the SOCKET argument, and connections to and from it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use dunlin_core::directive::host_and_port;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};

use super::tls::Client;

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A SOCKET.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    Unix(PathBuf),
    Tcp(Place),
    Tls(Place),
}

/// `HOST:PORT`; the host may be a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: String,
}

impl Endpoint {
    /// Reads a SOCKET: a URL, or a path.
    pub(super) fn parse(text: &str) -> Result<Self, dunlin_core::directive::BadAddress> {
        if let Some(authority) = text.strip_prefix("tls://") {
            Ok(Self::Tls(Place::parse(authority)?))
        } else if let Some(authority) = text.strip_prefix("tcp://") {
            Ok(Self::Tcp(Place::parse(authority)?))
        } else {
            Ok(Self::Unix(text.strip_prefix("unix://").unwrap_or(text).into()))
        }
    }

    /// Network and address, as Go's errors name them.
    pub(super) fn as_go_says(&self) -> (&'static str, String) {
        match self {
            Self::Unix(path) => ("unix", path.display().to_string()),
            Self::Tcp(place) | Self::Tls(place) => ("tcp", place.address("")),
        }
    }

    /// Connects, at most for this long. `send_buffer` is that of the socket, in octets, for TCP.
    pub(super) async fn connect(
        &self,
        tls: Client,
        send_buffer: u32,
        patience: Duration,
    ) -> io::Result<Box<dyn Stream>> {
        let connecting = async {
            Ok(match self {
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?) as Box<dyn Stream>,
                Self::Tcp(place) => Box::new(place.connect(Some(send_buffer)).await?),
                Self::Tls(place) => {
                    Box::new(tls.shake_hands(&place.host, place.connect(None).await?).await?)
                }
            })
        };
        tokio::time::timeout(patience, connecting).await.unwrap_or_else(|_elapsed| Err(timed_out()))
    }
}

pub(super) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")
}

impl Place {
    /// What stands behind `//`, up to a path, which means nothing.
    fn parse(authority: &str) -> Result<Self, dunlin_core::directive::BadAddress> {
        let address = authority.split_once('/').map_or(authority, |(address, _)| address);
        let (host, port) = host_and_port(address)?;
        Ok(Self { host: host.to_owned(), port: port.to_owned() })
    }

    /// `HOST:PORT` to look up; without a host it is `default`.
    pub(super) fn address(&self, default: &str) -> String {
        let host = if self.host.is_empty() { default } else { &self.host };
        let port = &self.port;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Tries the addresses of the host one after the other. Nagle's algorithm stays on: records are
    /// small, and nobody waits for them.
    async fn connect(&self, send_buffer: Option<u32>) -> io::Result<TcpStream> {
        let mut last = None;
        for address in lookup_host(self.address("localhost")).await? {
            let socket =
                if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            if let Some(octets) = send_buffer {
                // The kernel caps it; a smaller buffer is no reason not to connect.
                let _capped = socket.set_send_buffer_size(octets);
            }
            match socket.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host")))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(place) => write!(f, "tcp://{}", place.address("")),
            Self::Tls(place) => write!(f, "tls://{}", place.address("")),
        }
    }
}
