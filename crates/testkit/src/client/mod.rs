//! A blocking DNS client that can say anything: [`ask`] for ordinary queries, [`Udp`] and [`Tcp`] for
//! arbitrary bytes.
//!
//! To show that a server does *not* reply to something, send it, then an ordinary query by the same
//! socket, and see that the first thing to arrive is the reply to the latter. No waiting is needed.

mod query;
mod sockets;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

pub use self::query::{Ask, QueryBuilder, query};
pub use self::sockets::{Tcp, Udp};
use crate::records;

/// A query for this name and type to this server: RD set, no EDNS, over UDP, unless told otherwise.
///
/// The name keeps its case; its final dot may be left out.
#[track_caller]
pub fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Ask {
    Ask::new(server, query(name, kind))
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The message, decoded.
    pub message: Message,
    /// The same as it came, without the length prefix of TCP.
    pub bytes: Vec<u8>,
    /// From sending to receiving, with the connection set up if there was one. For printing, not for
    /// asserting.
    pub elapsed: Duration,
}

impl Response {
    /// The rcode, with EDNS' high bits.
    pub fn rcode(&self) -> ResponseCode {
        self.message.metadata.response_code
    }

    /// The answer section's data without owners and TTLs, sorted.
    pub fn answers(&self) -> Vec<String> {
        records::answers(&self.message)
    }

    /// The answer section as text, sorted: `example.org. 300 IN A 192.0.2.1`.
    pub fn answer_lines(&self) -> Vec<String> {
        records::lines(&self.message.answers)
    }
}

/// Sends bytes as one datagram and returns the first one to come back.
///
/// # Errors
///
/// What the socket says: `ConnectionRefused` for a closed port, `WouldBlock` when nothing came within
/// the deadline.
pub fn udp_exchange(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let socket = Udp::to(server);
    socket.send(bytes)?;
    socket.receive()
}

/// Sends bytes as one message over a new TCP connection and returns the first message to come back.
///
/// # Errors
///
/// What the connection says, `UnexpectedEof` when it was closed instead.
pub fn tcp_exchange(server: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut connection = Tcp::connect(server)?;
    connection.send(bytes)?;
    connection.receive()
}

fn decode(bytes: &[u8]) -> io::Result<Message> {
    Message::from_vec(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}
