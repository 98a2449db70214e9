//! Ports with a known behavior: free, closed, silent, and a black hole.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Domain, SockAddr, Socket, Type};

/// A port number that nobody uses, over UDP nor TCP, and that stays ours until the process ends.
///
/// A port of the kernel's choice, released and bound again by a server under test, may be given to
/// another test in between. These are from below the range of the kernel's choices, and other processes
/// with this kit are kept away by a lock file for each block of ports.
pub fn free() -> u16 {
    let mut ours = OURS.lock();
    loop {
        let Some(port) = ours.left.next() else {
            let (block, lock) = another_block(&ours.locks);
            ours.locks.push((block, lock));
            ours.left = FIRST + block * BLOCK..FIRST + (block + 1) * BLOCK;
            continue;
        };
        if is_unused(port) {
            return port;
        }
    }
}

/// An address of ours where nobody listens: TCP is refused, UDP answered by ICMP.
pub fn closed() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free()).into()
}

/// A UDP socket that takes queries and never answers. Bound to 127.0.0.1; dropping it closes the port.
pub fn silent_udp() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a UDP socket")
}

/// A TCP port that does not even answer to SYN: its backlog is full.
#[derive(Debug)]
pub struct BlackHole {
    listener: Socket,
    /// They keep the backlog full.
    waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens the port on 127.0.0.1 and fills its backlog.
    pub fn open() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a TCP socket");
        listener.bind(&SockAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).expect("a port");
        listener.listen(0).expect("a listening socket");
        let mut hole = Self { listener, waiting: Vec::new() };
        while let Ok(stream) = TcpStream::connect_timeout(&hole.address(), FILL) {
            hole.waiting.push(stream);
        }
        hole
    }

    /// Where connecting lasts until the caller gives up.
    pub fn address(&self) -> SocketAddr {
        self.listener
            .local_addr()
            .ok()
            .and_then(|address| address.as_socket())
            .expect("a bound socket")
    }
}

/// A block that no process has, this one included, and its lock.
fn another_block(ours: &[(u16, File)]) -> (u16, File) {
    let directory = std::env::temp_dir().join("dunlin-testkit-ports");
    fs::create_dir_all(&directory).expect("a temporary directory");
    let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).expect("less than BLOCKS");
    let all = (0..BLOCKS).map(|offset| (start + offset) % BLOCKS);
    let mut unowned = all.filter(|block| ours.iter().all(|(own, _)| own != block));
    let take = |block: u16| {
        let lock = File::create(directory.join(block.to_string())).ok()?;
        lock.try_lock().ok()?;
        Some((block, lock))
    };
    unowned.find_map(take).expect("a block of ports that no other process has")
}

fn is_unused(port: u16) -> bool {
    let bind = || -> io::Result<()> {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        Ok(())
    };
    bind().is_ok()
}

/// What this process has. The locks are held until it ends.
struct Ours {
    locks: Vec<(u16, File)>,
    /// Ports of the last block that were not given out yet.
    left: Range<u16>,
}

static OURS: Mutex<Ours> = Mutex::new(Ours { locks: Vec::new(), left: 0..0 });

const FIRST: u16 = 10_000;

/// Ports in a block.
const BLOCK: u16 = 50;

/// Up to port 31999; Linux gives out 32768 and up.
const BLOCKS: u16 = 440;

/// On loopback a connection that is not there by now will not be.
const FILL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::ErrorKind;
    use std::net::TcpStream;
    use std::time::Duration;

    use super::{BlackHole, closed, free};

    #[test]
    fn ports_are_given_out_once() {
        let ports: HashSet<_> = (0..120).map(|_| free()).collect();
        assert_eq!(ports.len(), 120);
    }

    #[test]
    fn a_closed_port_refuses_and_a_black_hole_says_nothing() {
        assert_eq!(TcpStream::connect(closed()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let hole = BlackHole::open();
        let attempt = TcpStream::connect_timeout(&hole.address(), Duration::from_millis(20));
        assert_eq!(attempt.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
