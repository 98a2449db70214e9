//! The sockets that one worker has open to one upstream, and the task that tells them of news.
//!
//! The worker's runtime does not watch each socket but one [`Watch`] over all of them: a socket for
//! one exchange would cost more to be watched and unwatched than to be used.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use dunlin_core::tasks::Tasks;
use dunlin_os::sockets;
use dunlin_os::watch::{News, Watch};
use parking_lot::Mutex;
use rand::RngExt;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::bells::Bells;
use super::slots::{Draw, MAX_AGE, Slots};

#[derive(Debug)]
pub(super) struct Shelf {
    watch: Watch,
    bells: Mutex<Bells>,
    slots: Mutex<Slots<Line>>,
    resting: Mutex<Vec<Resting>>,
    lets_go: OnceLock<bool>,
    /// Whether the task runs.
    driven: AtomicBool,
}

/// A socket without a port, and since when. It is connected anew for the next query.
#[derive(Debug)]
struct Resting {
    line: Line,
    since: Instant,
}

/// Sockets without a port that are kept: most workers have fewer queries in flight.
const MAX_RESTING: usize = 128;
/// Datagrams that came between a response and the end of its port, before we give a socket up.
const MAX_STRAYS: usize = 16;

/// A socket and its bell.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) socket: UdpSocket,
    bell: usize,
}

impl Shelf {
    /// A shelf with a pool of this many sockets, none of them open yet.
    pub(super) fn new(pool: usize) -> io::Result<Self> {
        Ok(Self {
            watch: Watch::new()?,
            bells: Mutex::default(),
            slots: Mutex::new(Slots::new(pool)),
            resting: Mutex::default(),
            lets_go: OnceLock::new(),
            driven: AtomicBool::new(false),
        })
    }

    /// Starts the task on the runtime of this thread, unless it runs. It ends with its runtime, or
    /// when `drivers` are told to.
    pub(super) fn keep_driven(self: &Arc<Self>, drivers: &Tasks) -> io::Result<()> {
        if self.driven.load(Ordering::Acquire) || self.driven.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let driver = Driver(Arc::clone(self));
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that may change or be closed; that of \
                      a driver's shelf does neither while there is a driver"
        )]
        let door = AsyncFd::with_interest(driver, Interest::READABLE)?;
        drivers.spawn(drive(door)).map_err(io::Error::other)
    }

    /// Lends a place of the pool.
    pub(super) fn draw(&self, now: Instant) -> Draw<Line> {
        let random = |below: usize| rand::rng().random_range(..below);
        let quiet = |line: &Line| self.bells.lock().is_quiet(line.bell);
        self.slots.lock().draw(now, random, quiet)
    }

    pub(super) fn give_back(&self, index: usize, line: Line, opened: Instant) {
        self.slots.lock().give_back(index, line, opened);
    }

    pub(super) fn vacate(&self, index: usize) {
        self.slots.lock().vacate(index);
    }

    /// Gives a new socket a bell.
    pub(super) fn hang_up(&self, socket: UdpSocket) -> io::Result<Line> {
        let bell = self.bells.lock().hang();
        let line = Line { socket, bell };
        let number = u64::try_from(bell).unwrap_or(u64::MAX);
        match self.watch.add(&line.socket, number) {
            Ok(()) => Ok(line),
            Err(error) => {
                self.close(line);
                Err(error)
            }
        }
    }

    /// Takes a socket's port away, so that it can have another one for the next query.
    pub(super) fn rest(&self, line: Line, now: Instant) {
        if sockets::disconnect(&line.socket).is_ok() && self.lets_go(&line) {
            let mut resting = self.resting.lock();
            if resting.len() < MAX_RESTING {
                return resting.push(Resting { line, since: now });
            }
        }
        self.close(line);
    }

    /// Whether a socket that was disconnected has no port any more. All do or none does: asking each
    /// would cost a system call.
    fn lets_go(&self, line: &Line) -> bool {
        let has_none = || line.socket.local_addr().is_ok_and(|address| address.port() == 0);
        *self.lets_go.get_or_init(has_none)
    }

    /// A socket that has rested, with a port that the kernel has just drawn.
    pub(super) fn wake(&self, remote: SocketAddr) -> Option<Line> {
        let Resting { line, .. } = self.resting.lock().pop()?;
        if is_drained(&line.socket) && line.socket.connect(remote).is_ok() {
            self.bells.lock().hush(line.bell);
            return Some(line);
        }
        self.close(line);
        None
    }

    pub(super) fn close(&self, line: Line) {
        let Line { socket, bell } = line;
        drop(socket);
        self.bells.lock().take_down(bell);
    }

    /// Whether something came since this was asked last.
    pub(super) fn poll(&self, line: &Line, context: &Context<'_>) -> Poll<()> {
        self.bells.lock().poll(line.bell, context)
    }

    /// Rings for all that came.
    fn ring(&self, news: &mut News) -> io::Result<usize> {
        let numbers = self.watch.look(news)?;
        let count = numbers.len();
        for number in numbers {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let waiting = self.bells.lock().ring(number);
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
        Ok(count)
    }

    fn close_old(&self, now: Instant) {
        let old = self.slots.lock().take_old(now);
        old.into_iter().for_each(|line| self.close(line));
        // The last ones are used first.
        let is_old = |resting: &Resting| now.saturating_duration_since(resting.since) >= MAX_AGE;
        let mut resting = self.resting.lock();
        let count = resting.iter().take_while(|resting| is_old(resting)).count();
        let old: Vec<Resting> = resting.drain(..count).collect();
        drop(resting);
        old.into_iter().for_each(|resting| self.close(resting.line));
    }
}

/// Whether nothing is left to read on a socket without a peer. What was left is forgotten, errors
/// too: it was for the last query.
fn is_drained(socket: &UdpSocket) -> bool {
    let mut strays = [0; 1];
    let is_empty = |_| {
        let received = socket.recv(&mut strays);
        received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    (0..=MAX_STRAYS).any(is_empty)
}

/// The task's hold on its shelf; once it is gone, another task may start.
#[derive(Debug)]
struct Driver(Arc<Shelf>);

impl AsRawFd for Driver {
    fn as_raw_fd(&self) -> RawFd {
        self.0.watch.as_raw_fd()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.driven.store(false, Ordering::Release);
    }
}

async fn drive(door: AsyncFd<Driver>) {
    let shelf = &door.get_ref().0;
    let mut news = News::new();
    let mut sweep = interval_at(Instant::now() + MAX_AGE, MAX_AGE);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Both may be given up and begun again.
        let ready = tokio::select! {
            biased;
            ready = door.readable() => ready,
            _ = sweep.tick() => {
                shelf.close_old(Instant::now());
                continue;
            }
        };
        match ready.and_then(|guard| Ok((shelf.ring(&mut news)?, guard))) {
            Ok((count, mut guard)) if count < News::CAPACITY => guard.clear_ready(),
            Ok(_more) => {}
            // The runtime ends: then those who wait end too.
            Err(error) => return tracing::debug!(%error, "upstream sockets are not watched"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::*;
    use crate::tests::pass;

    /// An upstream, and a socket of the shelf that is connected to it.
    fn line(shelf: &Shelf) -> (UdpSocket, Line) {
        let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = sockets::udp_client(0, upstream.local_addr().unwrap()).unwrap();
        (upstream, shelf.hang_up(socket).unwrap())
    }

    /// What the descriptor of a line stands for as long as it is open: `socket:[NUMBER]`.
    fn open(line: &Line) -> impl Fn() -> bool + use<> {
        let descriptor = Path::new("/proc/self/fd").join(line.socket.as_raw_fd().to_string());
        let stands_for = move || -> Option<PathBuf> { std::fs::read_link(&descriptor).ok() };
        let socket = stands_for().unwrap();
        move || stands_for().is_some_and(|found| found == socket)
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_at_rest_are_closed_after_ten_seconds() {
        let (shelf, drivers) = (Arc::new(Shelf::new(0).unwrap()), Tasks::new(1));
        shelf.keep_driven(&drivers).unwrap();
        let (_upstream, first) = line(&shelf);
        let (upstream, second) = line(&shelf);
        let (first_is_open, second_is_open) = (open(&first), open(&second));
        shelf.rest(first, Instant::now());
        pass(Duration::from_secs(1)).await;
        shelf.rest(second, Instant::now());
        pass(Duration::from_millis(8_900)).await;
        assert!(first_is_open() && second_is_open());
        pass(Duration::from_millis(200)).await;
        assert!(!first_is_open() && second_is_open(), "one of them is ten seconds old");
        let second = shelf.wake(upstream.local_addr().unwrap()).unwrap();
        pass(Duration::from_secs(30)).await;
        assert!(second_is_open(), "it does not rest");
        shelf.rest(second, Instant::now());
        pass(Duration::from_secs(20)).await;
        assert!(!second_is_open());
        assert!(shelf.wake(upstream.local_addr().unwrap()).is_none());
    }

    #[tokio::test]
    async fn a_socket_with_more_than_sixteen_strays_is_given_up() {
        let shelf = Shelf::new(0).unwrap();
        for (strays, is_used) in [(0, true), (1, true), (16, true), (17, false)] {
            let (upstream, line) = line(&shelf);
            let is_open = open(&line);
            let (here, there) = (upstream.local_addr().unwrap(), line.socket.local_addr().unwrap());
            // On the loopback they are there when they are sent.
            for _ in 0..strays {
                upstream.send_to(b"late", there).unwrap();
            }
            shelf.rest(line, Instant::now());
            let woken = shelf.wake(here);
            assert_eq!((woken.is_some(), is_open()), (is_used, is_used), "{strays} strays");
            let Some(line) = woken else { continue };
            let left = line.socket.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(left.kind(), io::ErrorKind::WouldBlock, "{strays} strays");
            shelf.close(line);
        }
    }
}
