//! The upstream servers: sockets that answer every query at once with one A record.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use dunlin_os::batch::{Family, Inbox, Outbox};
use tokio::io::Interest;

/// Some upstream servers, served by one thread until the process ends.
pub(crate) struct Upstreams {
    addresses: Vec<SocketAddr>,
    asked: Arc<AtomicU64>,
}

impl Upstreams {
    /// Opens this many on 127.0.0.1.
    pub(crate) fn start(count: usize) -> anyhow::Result<Self> {
        let asked = Arc::new(AtomicU64::new(0));
        let sockets = (0..count).map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        let sockets = sockets.collect::<std::io::Result<Vec<_>>>()?;
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counter = Arc::clone(&asked);
        thread::spawn(move || {
            let set = tokio::task::LocalSet::new();
            for socket in sockets {
                set.spawn_local(serve(socket, Arc::clone(&counter)));
            }
            runtime.block_on(set);
        });
        Ok(Self { addresses, asked })
    }

    /// The first `count` of them, as `forward` names them.
    pub(crate) fn first(&self, count: usize) -> String {
        let addresses = self.addresses.iter().take(count).map(ToString::to_string);
        addresses.collect::<Vec<_>>().join(" ")
    }

    /// How many queries they got so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }
}

async fn serve(socket: UdpSocket, asked: Arc<AtomicU64>) -> std::io::Result<()> {
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new(Family::V4, 4096));
    loop {
        socket.readable().await?;
        let _ = socket.try_io(Interest::READABLE, || inbox.receive_draining(&socket));
        for datagram in inbox.drain() {
            asked.fetch_add(1, Relaxed);
            let mut reply = outbox.buffer();
            if answer(datagram.bytes, &mut reply).is_some() {
                outbox.push_owned(reply, &datagram.route);
            }
        }
        let _ = outbox.flush(&socket);
    }
}

/// QR, RA, NOERROR, and 192.0.2.1 for an hour; the OPT of the query is left out.
fn answer(query: &[u8], reply: &mut Vec<u8>) -> Option<()> {
    let mut at = 12;
    while let length @ 1.. = *query.get(at)? {
        at += 1 + usize::from(length);
    }
    reply.extend_from_slice(query.get(..at + 5)?);
    reply.get_mut(2..12)?.copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1]);
    Some(())
}
