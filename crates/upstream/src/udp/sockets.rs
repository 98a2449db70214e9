//! Where the sockets of one upstream come from: a new one from a random port for each query, or one
//! drawn from a pool of many (security.md FW-02).

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use dunlin_core::tasks::Tasks;
use dunlin_core::worker;
use rand::RngExt;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::time::Instant;

use super::shelf::{Line, Shelf};
use super::slots::Draw;

/// The sockets to one upstream, a shelf per worker so that each is woken on its own core. Shelf 0 is
/// for threads that are no workers.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(super) remote: SocketAddr,
    /// The address to send from, if the operator chose one.
    source: Option<IpAddr>,
    /// Sockets in the pool of each shelf; 0: no pools.
    pool: usize,
    /// The ports that the kernel draws from for sockets that ask for none.
    ephemeral: Option<RangeInclusive<u16>>,
    shelves: Box<[OnceLock<Arc<Shelf>>]>,
    /// What tells the shelves' sockets of news.
    drivers: Tasks,
}

/// A socket lent to one query.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    shelf: &'a Shelf,
    /// There until the lease is dropped.
    line: Option<Line>,
    origin: Origin,
    pub(super) is_new: bool,
    /// Whether another query may have the socket.
    reusable: bool,
    /// Whether there may be datagrams that nobody has received.
    unread: bool,
}

/// Where a socket is from, and so what becomes of it.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A place in the pool; it was opened then.
    Pool(usize, Instant),
    /// The kernel has drawn its port, and can draw another one.
    Kernel,
    /// We have drawn its port, which it keeps until it is closed.
    Own,
}

/// More workers than this share shelves.
const SHELVES: usize = 64;
/// The ports that a query may come from (security.md FW-02).
const PORTS: RangeInclusive<u16> = 1024..=u16::MAX;
/// Ports that may be taken before we give up.
const MAX_PORT_DRAWS: u32 = 32;

impl Sockets {
    /// Nothing is opened yet.
    pub(crate) fn new(remote: SocketAddr, source: Option<IpAddr>, pool: usize) -> Self {
        let shelves = (0..SHELVES).map(|_| OnceLock::new()).collect();
        let drivers = Tasks::new(SHELVES);
        let ephemeral = dunlin_os::sockets::ephemeral_ports()
            // An address of the operator's choice is bound, and its port with it.
            .filter(|ports| source.is_none() && PORTS.start() <= ports.start());
        Self { remote, source, pool, ephemeral, shelves, drivers }
    }

    /// A socket of the pool, if there is one; else a new one.
    pub(super) fn lease(&self, now: Instant) -> io::Result<Lease<'_>> {
        let shelf = self.shelf()?;
        if self.pool == 0 {
            return self.fresh(shelf);
        }
        match shelf.draw(now) {
            Draw::Reuse(index, line, opened) => {
                let mut lease = Lease::new(shelf, line, Origin::Pool(index, opened));
                lease.is_new = false;
                Ok(lease)
            }
            Draw::Fill(index, old) => {
                let mut lease = self.own(shelf);
                match &mut lease {
                    Ok(lease) => lease.origin = Origin::Pool(index, now),
                    Err(_) => shelf.vacate(index),
                }
                old.into_iter().for_each(|line| shelf.close(line));
                lease
            }
            Draw::Busy => self.fresh(shelf),
        }
    }

    /// A socket that was never used and will not be used again.
    pub(super) fn lease_new(&self) -> io::Result<Lease<'_>> {
        self.own(self.shelf()?)
    }

    /// A connected socket from a random port. Each port has the same chance; one that the kernel
    /// draws from as well is left to it to choose, because that takes no new socket.
    fn fresh<'a>(&self, shelf: &'a Shelf) -> io::Result<Lease<'a>> {
        let port = rand::rng().random_range(PORTS);
        if !self.ephemeral.as_ref().is_some_and(|ports| ports.contains(&port)) {
            return self.own_from(shelf, port);
        }
        let line = match shelf.wake(self.remote) {
            Some(line) => line,
            None => shelf.hang_up(dunlin_os::sockets::udp_client(0, self.remote)?)?,
        };
        Ok(Lease::new(shelf, line, Origin::Kernel))
    }

    fn own<'a>(&self, shelf: &'a Shelf) -> io::Result<Lease<'a>> {
        self.own_from(shelf, rand::rng().random_range(PORTS))
    }

    fn own_from<'a>(&self, shelf: &'a Shelf, port: u16) -> io::Result<Lease<'a>> {
        Ok(Lease::new(shelf, shelf.hang_up(self.open(port)?)?, Origin::Own))
    }

    /// A connected socket from this port, or from any other one if it is taken.
    fn open(&self, mut port: u16) -> io::Result<UdpSocket> {
        let mut draws = 0;
        loop {
            let socket = match self.source {
                None => dunlin_os::sockets::udp_client(port, self.remote),
                Some(source) => udp_client_from(SocketAddr::new(source, port), self.remote),
            };
            draws += 1;
            match socket {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && draws < MAX_PORT_DRAWS => {}
                socket => return socket,
            }
            port = rand::rng().random_range(PORTS);
        }
    }

    fn shelf(&self) -> io::Result<&Shelf> {
        let index = worker::current().map_or(0, |index| 1 + index % (SHELVES - 1));
        let cell = self.shelves.get(index).ok_or(io::ErrorKind::NotFound)?;
        let shelf = match cell.get() {
            Some(shelf) => shelf,
            None => {
                let made = Arc::new(Shelf::new(self.pool)?);
                cell.get_or_init(|| made)
            }
        };
        shelf.keep_driven(&self.drivers)?;
        Ok(shelf)
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.drivers.token().cancel();
    }
}

/// `dunlin_os` has no socket with a chosen source address; path MTU options are left out here.
fn udp_client_from(source: SocketAddr, server: SocketAddr) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(server), kind, Some(Protocol::UDP))?;
    socket.bind(&SockAddr::from(source))?;
    socket.connect(&SockAddr::from(server))?;
    Ok(socket.into())
}

impl<'a> Lease<'a> {
    fn new(shelf: &'a Shelf, line: Line, origin: Origin) -> Self {
        Self { shelf, line: Some(line), origin, is_new: true, reusable: false, unread: false }
    }

    /// Lets another query have the socket: its own response came, and nothing else did.
    pub(super) fn reusable(&mut self) {
        self.reusable = true;
    }

    pub(super) fn send(&self, query: &[u8]) -> io::Result<()> {
        self.socket()?.send(query).map(|_whole| ())
    }

    /// Waits until there may be a datagram that was not received yet.
    pub(super) async fn news(&mut self) {
        if let Some(line) = self.line.as_ref().filter(|_| !self.unread) {
            poll_fn(|context| self.shelf.poll(line, context)).await;
            self.unread = true;
        }
    }

    /// Appends a datagram, if there is one.
    pub(super) fn receive(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        match dunlin_os::sockets::receive(self.socket()?, bytes) {
            Ok(_count) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.unread = false;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.socket()?.local_addr()
    }

    fn socket(&self) -> io::Result<&UdpSocket> {
        self.line
            .as_ref()
            .map(|line| &line.socket)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        match self.origin {
            Origin::Pool(index, opened) if self.reusable => {
                self.shelf.give_back(index, line, opened);
            }
            Origin::Pool(index, _) => {
                self.shelf.vacate(index);
                self.shelf.close(line);
            }
            Origin::Kernel if self.reusable => self.shelf.rest(line, Instant::now()),
            Origin::Kernel | Origin::Own => self.shelf.close(line),
        }
    }
}
