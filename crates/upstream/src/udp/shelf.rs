//! The sockets that one worker has open to one upstream, and the task that tells them of news.
//!
//! The worker's runtime does not watch each socket but one [`Watch`] over all of them: a socket for
//! one exchange would cost more to be watched and unwatched than to be used.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use dunlin_core::tasks::Tasks;
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
    has_pool: bool,
    /// Whether the task runs.
    driven: AtomicBool,
}

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
            has_pool: pool > 0,
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
    }
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
            _ = sweep.tick(), if shelf.has_pool => {
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
