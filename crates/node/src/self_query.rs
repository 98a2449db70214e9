//! Asking ourselves: whether somebody answers at a local address, through the real socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A query without a question. The server answers it by itself (FORMERR): no plugin, log, metric or
/// upstream sees it. The source port is a new one each time, so that with several sockets on the
/// address, each is asked sooner or later.
const QUERY: [u8; 12] = [0x64, 0x75, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const REPLY_BIT: u8 = 0x80;

/// Whether there is a reply in time.
pub(crate) fn is_answered(address: IpAddr, port: u16, patience: Duration) -> bool {
    exchange(SocketAddr::new(address, port), patience).unwrap_or(false)
}

fn exchange(server: SocketAddr, patience: Duration) -> io::Result<bool> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(patience))?;
    socket.send(&QUERY)?;
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply)?;
    let is_reply = reply.get(2).is_some_and(|flags| flags & REPLY_BIT != 0);
    Ok(length >= QUERY.len() && is_reply && reply.starts_with(&QUERY[..2]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_counts_and_silence_or_junk_does_not() {
        let patience = Duration::from_millis(50);
        let of = |answer: &'static [u8]| {
            let server = UdpSocket::bind("127.0.0.1:0").unwrap();
            let address = server.local_addr().unwrap();
            let thread = std::thread::spawn(move || {
                let (_, peer) = server.recv_from(&mut [0; 64]).unwrap();
                server.send_to(answer, peer).unwrap();
            });
            let answered = is_answered(address.ip(), address.port(), Duration::from_secs(10));
            thread.join().unwrap();
            answered
        };
        assert!(of(&[0x64, 0x75, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(!of(&[0x64, 0x75, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(!of(&[1]));
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        assert!(!is_answered(Ipv4Addr::LOCALHOST.into(), port, patience));
    }
}
