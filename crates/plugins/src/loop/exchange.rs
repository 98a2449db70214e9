//! One probe over UDP, as any client would send it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dunlin_core::wire::{CLASS_IN, Flags, HEADER_LEN, WireName, id, types};
use tokio::net::UdpSocket;

/// Asks a listener of ours for HINFO of this name, until any reply came.
pub(super) async fn exchange(listener: SocketAddr, name: WireName) -> io::Result<()> {
    let message = message(rand::random(), &name);
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for target in targets(listener) {
        match ask(target, &message).await {
            Ok(()) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// What listens on all addresses is asked on the loopback address. A machine may listen on `::` and
/// yet have no `::1`; then IPv4 is tried.
fn targets(listener: SocketAddr) -> Vec<SocketAddr> {
    let at = |ip: IpAddr| SocketAddr::new(ip, listener.port());
    match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![at(Ipv4Addr::LOCALHOST.into())],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            vec![at(Ipv6Addr::LOCALHOST.into()), at(Ipv4Addr::LOCALHOST.into())]
        }
        _ => vec![listener],
    }
}

async fn ask(target: SocketAddr, message: &[u8]) -> io::Result<()> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(target).await?;
    socket.send(message).await?;
    let mut reply = [0; 512];
    loop {
        let length = socket.recv(&mut reply).await?;
        if is_reply(reply.get(..length).unwrap_or_default(), message) {
            return Ok(());
        }
    }
}

/// Any rcode will do, and so will a reply that was cut.
pub(super) fn is_reply(reply: &[u8], message: &[u8]) -> bool {
    reply.len() >= HEADER_LEN && id(reply) == id(message) && Flags::of(reply).has(Flags::QR)
}

/// A query with RD set and without EDNS (RFC 1035 §4.1).
fn message(id: u16, name: &WireName) -> Vec<u8> {
    let mut message = Vec::with_capacity(80);
    for field in [id, Flags::RD, 1, 0, 0, 0] {
        message.extend_from_slice(&field.to_be_bytes());
    }
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&types::HINFO.to_be_bytes());
    message.extend_from_slice(&CLASS_IN.to_be_bytes());
    message
}
