//! Datagrams by the batch: [`Inbox`] receives up to [`BATCH`] with one `recvmmsg`, [`Outbox`] sends
//! replies with one `sendmmsg` each [`BATCH`]. Neither allocates in the steady state.
//!
//! On sockets with packet info (wildcard sockets of [`udp_listener`](crate::sockets::udp_listener)) a
//! datagram tells the address it was sent to, and a reply leaves from there. IPv4 peers of a dual-stack
//! socket are plain IPv4 addresses here; the mapping is undone on receipt and redone on sending.
//!
//! The loop of a server, with tokio:
//!
//! ```text
//! loop {
//!     socket.readable().await?;
//!     let _ = socket.try_io(Interest::READABLE, || inbox.receive_draining(&socket));
//!     for datagram in inbox.drain() {
//!         … outbox.push(reply, &datagram.route);
//!     }
//!     let _ = socket.try_io(Interest::WRITABLE, || outbox.flush(&socket));
//! }
//! ```
//!
//! Not here: waiting, DNS, and limits on what is pending; see the engine.

mod control;
mod inbox;
mod outbox;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use socket2::{Domain, SockRef};

pub use self::inbox::{Datagram, Drain, Inbox};
pub use self::outbox::{Outbox, Tally};

/// Datagrams received or sent by one system call, at most.
pub const BATCH: usize = 64;

/// The longest datagram an [`Inbox`] takes whole, in bytes: no query is longer, and longer ones are
/// marked as truncated.
pub const LONGEST: usize = 4096;

/// Where a datagram came from and where it went: all that is needed to send a reply back the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Who sent it. IPv4 peers are IPv4 addresses on a dual-stack socket too.
    pub peer: SocketAddr,
    /// The address it was sent to, if the socket has packet info. A reply leaves from there; with `None`
    /// the kernel picks the address.
    pub local: Option<Local>,
}

impl From<SocketAddr> for Route {
    fn from(peer: SocketAddr) -> Self {
        Self { peer, local: None }
    }
}

/// The address of ours that a datagram was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    /// The destination address, IPv4 unmapped. May be a broadcast or multicast address; nothing can be
    /// sent from these, so that replies to such queries are counted in [`Tally::failed`].
    pub address: IpAddr,
    /// Index of the interface the datagram came in by. A reply is bound to it only if the address is
    /// link-local; others follow the routing table, for paths may be asymmetric.
    pub interface: u32,
}

/// The address family of a socket, which decides how peers are spelled on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// An IPv4 socket.
    V4,
    /// An IPv6 socket, dual-stack or not.
    V6,
}

impl Family {
    /// The family of an open socket.
    ///
    /// # Errors
    ///
    /// What the kernel says, and `Unsupported` for a socket that is neither IPv4 nor IPv6.
    pub fn of(socket: &impl AsFd) -> io::Result<Self> {
        match SockRef::from(socket).domain()? {
            Domain::IPV4 => Ok(Self::V4),
            Domain::IPV6 => Ok(Self::V6),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
