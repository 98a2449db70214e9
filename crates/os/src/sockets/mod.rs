//! Sockets with the options a DNS server wants, set before they are bound. All are non-blocking and
//! closed on exec.
//!
//! Not here: who listens where, and how an error is told to the operator; that is the engine's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::batch::Family;

#[cfg(test)]
mod tests;

/// A UDP socket to serve on.
///
/// SO_REUSEPORT is set: several workers, and several processes of one user, share an address, and the
/// kernel spreads clients over them. An unspecified address, be it `0.0.0.0` or `::`, opens **one**
/// dual-stack socket with packet info ([`batch`](crate::batch)), so that replies leave from the address
/// that was asked; on a host without IPv6 it opens `0.0.0.0`. The receive buffer is enlarged to
/// [`RECEIVE_BUFFER`] as far as we are permitted, and each datagram tells when it came. Path MTU news is ignored and DF left unset, because
/// ICMP is easily forged (RFC 9715 §3.1).
///
/// # Errors
///
/// What the kernel says to `socket` or `bind`: the address is in use, not ours, or not permitted.
pub fn udp_listener(address: SocketAddr) -> io::Result<UdpSocket> {
    on_wildcard_or(address, |address| {
        let socket = listener(address, Type::DGRAM, Protocol::UDP)?;
        enlarge_receive_buffer(&socket);
        ignore_path_mtu(&socket, address);
        // Best effort: without it nobody knows how long a datagram has waited.
        let _ = set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
        if address.ip().is_unspecified() {
            enable_packet_info(&socket)?;
        }
        socket.bind(&SockAddr::from(address))?;
        Ok(socket.into())
    })
}

/// A TCP socket to serve on, listening, with the same rule for unspecified addresses as
/// [`udp_listener`].
///
/// SO_REUSEPORT and SO_REUSEADDR are set, and TCP_NODELAY, which accepted connections inherit.
///
/// # Errors
///
/// What the kernel says to `socket`, `bind` or `listen`.
pub fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    on_wildcard_or(address, |address| {
        let socket = listener(address, Type::STREAM, Protocol::TCP)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
}

/// A UDP socket to ask `server` from `source_port` (0: the kernel picks one), connected, so that the
/// kernel keeps datagrams from elsewhere away and reports a closed port as `ConnectionRefused`.
///
/// The port is shared with nobody. IPv4 ignores path MTU news (IP_PMTUDISC_OMIT), IPv6 never fragments
/// (IPV6_DONTFRAG): RFC 9715 §3.2.
///
/// # Errors
///
/// `AddrInUse` when the source port is taken (try another one); otherwise what the kernel says to
/// `socket`, `bind` or `connect`, such as `NetworkUnreachable`.
pub fn udp_client(source_port: u16, server: SocketAddr) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address(server), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    let source = match server {
        SocketAddr::V4(_) => {
            set_option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)?;
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, source_port))
        }
        SocketAddr::V6(_) => {
            set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)?;
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, source_port))
        }
    };
    if source_port != 0 {
        socket.bind(&SockAddr::from(source))?;
    }
    socket.connect(&SockAddr::from(server))?;
    Ok(socket.into())
}

/// The ports that the kernel picks from for a socket that asks for none (`ip_local_port_range`); it
/// draws at random from all of them. `None` if it does not tell.
#[must_use]
pub fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = text.split_whitespace().map(str::parse);
    let (first, last) = (ports.next()?.ok()?, ports.next()?.ok()?);
    Some(first..=last)
}

/// Has a connected socket let go of its peer, and of its port if the kernel had picked it: `connect`
/// gives it another one, for a quarter of what a new socket costs. What was received stays to be read.
/// The local port is then 0, on kernels that know of this.
///
/// # Errors
///
/// What the kernel says to `connect` without an address.
pub fn disconnect(socket: &UdpSocket) -> io::Result<()> {
    let nobody = libc::sockaddr { sa_family: UNSPECIFIED, sa_data: [0; 14] };
    // SAFETY: the descriptor is open, we borrow its owner; the kernel reads an address of the length
    // that it is told, which lives on our stack until the call returns.
    let result = unsafe { libc::connect(socket.as_raw_fd(), &raw const nobody, ADDRESS_LENGTH) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Appends one datagram to `bytes`, as much of it as fits their spare capacity; says how much that
/// was. Nothing is zeroed first.
///
/// # Errors
///
/// What the kernel says; `WouldBlock` when there is none.
pub fn receive(socket: &UdpSocket, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let spare = bytes.spare_capacity_mut();
    let descriptor = socket.as_raw_fd();
    // SAFETY: the descriptor is open, we borrow its owner; the kernel writes at most `spare.len()`
    // bytes to `spare`, which is ours.
    let count = unsafe { libc::recv(descriptor, spare.as_mut_ptr().cast(), spare.len(), 0) };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    let length = bytes.len() + count;
    // SAFETY: the kernel has written `count` bytes to the spare capacity, no more than it was told.
    unsafe { bytes.set_len(length) };
    Ok(count)
}

/// Has a listening UDP socket take no new datagrams, so that it can be read empty and closed without
/// losing any: other sockets of the address (SO_REUSEPORT) get them. It can still send to anybody.
///
/// A connected socket hears only its peer: the peer is the socket's own address, which sends nothing.
///
/// # Errors
///
/// What the kernel says to `connect`; the socket then listens on.
pub fn stop_receiving(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.connect(&socket.local_addr()?)
}

/// Turns Nagle's algorithm off: a reply is never held back for the next one. Connections accepted from
/// [`tcp_listener`] have it off already.
///
/// # Errors
///
/// What the kernel says, for instance when the peer has gone (`InvalidInput`).
pub fn set_nodelay(socket: &impl AsFd) -> io::Result<()> {
    set_option(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)
}

/// Asks the kernel to tell the destination of each datagram, for [`Inbox`](crate::batch::Inbox). Wildcard
/// sockets of [`udp_listener`] do so already.
///
/// On a dual-stack socket the IPv6 option reports the destination of IPv4 datagrams too, mapped.
///
/// # Errors
///
/// What the kernel says to a socket that is not a UDP one.
pub fn enable_packet_info(socket: &impl AsFd) -> io::Result<()> {
    match Family::of(socket)? {
        Family::V4 => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        Family::V6 => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// What listening UDP sockets ask for, in bytes: room for some ten thousand queries while a worker is
/// busy. The kernel grants it to CAP_NET_ADMIN, to others at most `net.core.rmem_max`.
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// Runs `open` on the address, an unspecified one becoming `::`, or `0.0.0.0` where there is no IPv6.
fn on_wildcard_or<T>(
    address: SocketAddr,
    open: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    if !address.ip().is_unspecified() {
        return open(address);
    }
    let any = |ip: IpAddr| SocketAddr::new(ip, address.port());
    match open(any(Ipv6Addr::UNSPECIFIED.into())) {
        Err(error) if is_lack_of_ipv6(&error) => open(any(Ipv4Addr::UNSPECIFIED.into())),
        result => result,
    }
}

fn is_lack_of_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
    )
}

fn listener(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_port(true)?;
    Ok(socket)
}

/// Best effort: a smaller buffer drops more in a burst, it breaks nothing.
fn enlarge_receive_buffer(socket: &Socket) {
    let wanted = libc::c_int::try_from(RECEIVE_BUFFER).unwrap_or(libc::c_int::MAX);
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
}

/// Best effort, as it only hardens. An IPv6 socket has both options: a dual-stack one uses both.
fn ignore_path_mtu(socket: &Socket, address: SocketAddr) {
    let _ = set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT);
    if address.is_ipv6() {
        let _ = set_option(
            socket,
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_OMIT,
        );
    }
}

/// Sets an option whose value is a C `int`.
fn set_option(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let descriptor = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open, `AsFd` borrows it; the kernel reads `size_of::<c_int>()` bytes
    // from `value`, which lives on our stack until the call returns.
    let result =
        unsafe { libc::setsockopt(descriptor, level, name, (&raw const value).cast(), INT_LENGTH) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(clippy::cast_possible_truncation, reason = "four bytes")]
const INT_LENGTH: libc::socklen_t = size_of::<libc::c_int>() as libc::socklen_t;

/// AF_UNSPEC, as the kernel wants it.
const UNSPECIFIED: libc::sa_family_t = 0;
const _: () = assert!(UNSPECIFIED as libc::c_int == libc::AF_UNSPEC);

#[expect(clippy::cast_possible_truncation, reason = "16 bytes")]
const ADDRESS_LENGTH: libc::socklen_t = size_of::<libc::sockaddr>() as libc::socklen_t;

/// `listen`'s backlog; the kernel cuts it to `net.core.somaxconn`, which is 4096 since Linux 5.4.
const BACKLOG: libc::c_int = 4096;
