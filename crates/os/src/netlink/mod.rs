//! Talking to the kernel over netlink: network links and their addresses ([`Route`]), firewall tables
//! ([`Nftables`]), and the socket and the message form that both share. All calls block for a moment, never for long: the kernel
//! answers before `send` returns, and a reply that does not come is a timeout.
//!
//! Own code, and no crate for it, because this handful of messages is a page of encoding, and the crates
//! for it bring twenty others.

mod message;
mod nftables;
mod route;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

pub use self::message::{Attributes, Message};
pub use self::nftables::{Hook, Match, Nftables, Untracked};
pub use self::route::{Link, Route};

/// A netlink socket of one family.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// Whom to talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses, routes.
    Route,
    /// Firewall and connection tracking.
    Netfilter,
}

/// What the kernel tells of without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Links come, go and change (`Family::Route`).
    Link,
    /// The same of IPv4 addresses.
    Ipv4Address,
    /// The same of IPv6 addresses.
    Ipv6Address,
    /// Tables, chains, rules and sets of nftables, and of iptables on top of it (`Family::Netfilter`).
    Nftables,
}

/// A reply of the kernel: its type, and what follows its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `RTM_…` and the like.
    pub kind: u16,
    /// The payload.
    pub body: Vec<u8>,
}

/// The kernel has answered long before.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the kernel puts into one datagram.
const BUFFER: usize = 64 * 1024;
const HEADER: usize = 16;

impl Netlink {
    /// Opens a socket.
    ///
    /// # Errors
    /// What the kernel says; it may have no netfilter (`ProtocolNotSupported`).
    pub fn open(family: Family) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => libc::NETLINK_ROUTE,
            Family::Netfilter => libc::NETLINK_NETFILTER,
        };
        let domain = Domain::from(libc::AF_NETLINK);
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(protocol)))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Opens a socket that hears of changes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn listen(family: Family, groups: &[Group]) -> io::Result<Self> {
        let listening = Self::open(family)?;
        // The kernel tells nobody who has the name that itself has, which is that of a socket without one.
        name(&listening.socket)?;
        for group in groups {
            let number = match group {
                Group::Link => 1,
                Group::Ipv4Address => 5,
                Group::Nftables => 7,
                Group::Ipv6Address => 9,
            };
            add_membership(&listening.socket, number)?;
        }
        listening.socket.set_read_timeout(None)?;
        Ok(listening)
    }

    /// Waits for something to be told to a [`listen`](Self::listen)ing socket. Only that there is
    /// something is of interest, so what got lost is as good as what came.
    ///
    /// # Errors
    /// The socket is of no use any more.
    pub fn wait(&self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match (&self.socket).read(&mut buffer) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends one request and collects its replies, up to the acknowledgment or the end of the dump.
    ///
    /// # Errors
    /// What the kernel says of the request, or no answer (`WouldBlock`).
    pub fn request(&mut self, message: &mut Message) -> io::Result<Vec<Received>> {
        self.sequence = self.sequence.wrapping_add(1);
        let octets = message.encode(self.sequence);
        self.exchange(octets, self.sequence, 1)
    }

    /// Sends requests that hold together (nftables), and waits for the acknowledgment of each.
    ///
    /// # Errors
    /// The first one that the kernel refuses; then none has been done.
    pub fn transaction(
        &mut self,
        begin: &mut Message,
        messages: &mut [Message],
        end: &mut Message,
    ) -> io::Result<()> {
        let first = self.sequence.wrapping_add(1);
        let mut octets = Vec::new();
        let mut sequence = first;
        octets.extend_from_slice(begin.encode(sequence));
        for message in messages.iter_mut() {
            sequence = sequence.wrapping_add(1);
            octets.extend_from_slice(message.encode(sequence));
        }
        self.sequence = sequence.wrapping_add(1);
        octets.extend_from_slice(end.encode(self.sequence));
        self.exchange(&octets, first, messages.len()).map(drop)
    }

    /// Sends, and reads until so many acknowledgments came. Answers to older requests, which were given
    /// up, are passed over.
    fn exchange(&self, octets: &[u8], first: u32, acks: usize) -> io::Result<Vec<Received>> {
        (&self.socket).write_all(octets)?;
        let mut received = Vec::new();
        let mut missing = acks;
        let mut buffer = vec![0; BUFFER];
        while missing > 0 {
            let length = (&self.socket).read(&mut buffer)?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((header, body, after)) = message::split(rest) {
                rest = after;
                if header.sequence < first {
                    continue;
                }
                match i32::from(header.kind) {
                    libc::NLMSG_ERROR => {
                        message::status(body)?;
                        missing = missing.saturating_sub(1);
                    }
                    libc::NLMSG_DONE => {
                        message::status(body)?;
                        missing = missing.saturating_sub(1);
                    }
                    _ => received.push(Received { kind: header.kind, body: body.to_vec() }),
                }
            }
        }
        Ok(received)
    }
}

/// Lets the kernel choose a name for the socket.
fn name(socket: &Socket) -> io::Result<()> {
    const LENGTH: libc::socklen_t = 12;
    /// `struct sockaddr_nl`, without a name and without groups.
    #[repr(C)]
    struct Address {
        family: libc::sa_family_t,
        padding: u16,
        name: u32,
        groups: u32,
    }
    let family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
    let address = Address { family, padding: 0, name: 0, groups: 0 };
    // SAFETY: the descriptor is open, `socket` owns it; the kernel reads twelve bytes from `address`, which
    // has so many and lives on our stack until the call returns.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), LENGTH) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP)`.
fn add_membership(socket: &Socket, group: libc::c_int) -> io::Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "four bytes")]
    const LENGTH: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open, `socket` owns it; the kernel reads four bytes from `group`, which
    // lives on our stack until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            (&raw const group).cast(),
            LENGTH,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
