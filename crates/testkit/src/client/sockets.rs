//! Sockets for arbitrary bytes.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;

use hickory_proto::op::Message;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::decode;
use crate::wait::DEADLINE;

/// A UDP socket connected to a server: datagrams from elsewhere, which a client must not believe, are
/// not seen.
#[derive(Debug)]
pub struct Udp(UdpSocket);

impl Udp {
    /// From an address and port of the kernel's choice.
    #[track_caller]
    pub fn to(server: SocketAddr) -> Self {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self::between(any, server).expect("a UDP socket")
    }

    /// From this address of ours, such as 127.0.0.9.
    ///
    /// # Errors
    ///
    /// `AddrNotAvailable` if it is not ours.
    pub fn between(source: IpAddr, server: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((source, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        Ok(Self(socket))
    }

    /// The address and port that the server sees.
    pub fn local(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket")
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when an earlier one met a closed port.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.send(bytes).map(drop)
    }

    /// The next datagram.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when the port is closed, `WouldBlock` when nothing came within the deadline.
    pub fn receive(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 65_535];
        let length = self.0.recv(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// The next datagram, decoded.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive), and `InvalidData`.
    pub fn receive_message(&self) -> io::Result<Message> {
        decode(&self.receive()?)
    }
}

/// A TCP or TLS connection to a server.
pub struct Tcp {
    stream: Box<dyn Stream>,
}

trait Stream: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Tcp {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[track_caller]
    pub fn to(server: SocketAddr) -> Self {
        Self::connect(server).unwrap_or_else(|error| panic!("connect to {server}: {error}"))
    }

    /// Connects, when failure may be expected.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused`, `TimedOut`, or what else the kernel says.
    pub fn connect(server: SocketAddr) -> io::Result<Self> {
        Ok(Self { stream: Box::new(Self::socket(server)?) })
    }

    /// Connects with TLS, expecting this name in the certificate. The handshake is part of the first
    /// send, and so are its errors.
    ///
    /// # Panics
    ///
    /// If there is no TCP connection.
    #[track_caller]
    pub fn tls_to(server: SocketAddr, config: Arc<ClientConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let session = ClientConnection::new(config, name).expect("a TLS session");
        let socket =
            Self::socket(server).unwrap_or_else(|error| panic!("connect to {server}: {error}"));
        Self { stream: Box::new(StreamOwned::new(session, socket)) }
    }

    /// Sends a message with its length prefix.
    ///
    /// # Errors
    ///
    /// What the connection says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_unframed(&Self::framed(bytes))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// What the connection says.
    pub fn send_unframed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// The next message, without its length prefix.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the server closed the connection, `ConnectionReset` when it reset it,
    /// `WouldBlock` when nothing came within the deadline.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut prefix = [0; 2];
        self.stream.read_exact(&mut prefix)?;
        let mut bytes = vec![0; usize::from(u16::from_be_bytes(prefix))];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next message, decoded.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive), and `InvalidData`.
    pub fn receive_message(&mut self) -> io::Result<Message> {
        decode(&self.receive()?)
    }

    /// Waits until the server closes or resets the connection, and returns what it sent until then.
    ///
    /// # Panics
    ///
    /// If it does neither within the deadline.
    #[track_caller]
    pub fn wait_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut bytes) {
            assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "the connection is still open");
        }
        bytes
    }

    /// Sends no more, but goes on receiving: half-closes the connection.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is closed already.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.socket().shutdown(Shutdown::Write)
    }

    /// The address and port that the server sees.
    pub fn local(&self) -> SocketAddr {
        self.stream.socket().local_addr().expect("a connected socket")
    }

    /// A message with its length prefix.
    pub fn framed(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).expect("a message of at most 65535 bytes");
        [&length.to_be_bytes(), bytes].concat()
    }

    fn socket(server: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpStream::connect_timeout(&server, DEADLINE)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.set_write_timeout(Some(DEADLINE))?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tcp").field(self.stream.socket()).finish()
    }
}
