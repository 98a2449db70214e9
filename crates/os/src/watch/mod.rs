//! Many sockets watched through one descriptor: an epoll instance of our own.
//!
//! An async runtime that watches a socket itself asks the kernel for news of both directions, and
//! tells it to stop before the socket is closed. For a socket that lives for one datagram each way
//! that is more than the exchange costs. Here a socket is added once, for reading only, and closing
//! it is enough. The instance is a descriptor that becomes readable when any of its sockets does, so
//! that a runtime watches all of them as one.
//!
//! News are told once, when they happen: read until `WouldBlock` before waiting for the next one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

#[cfg(test)]
mod tests;

/// Sockets, each with a number of the caller's.
#[derive(Debug)]
pub struct Watch(OwnedFd);

/// News, as [`Watch::look`] found them.
pub struct News([libc::epoll_event; CAPACITY]);

/// Told at a time; the rest is told next time.
const CAPACITY: usize = 128;

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    ///
    /// What the kernel says when it has no more descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a number and touches no memory of ours.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just opened it for us, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Watches a socket until it is closed. What has arrived already is news.
    ///
    /// # Errors
    ///
    /// What the kernel says: the socket is watched already, or there are too many.
    pub fn add(&self, socket: &impl AsFd, number: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET).cast_unsigned(),
            u64: number,
        };
        let (own, other) = (self.0.as_raw_fd(), socket.as_fd().as_raw_fd());
        // SAFETY: both descriptors are open, we own the one and `AsFd` borrows the other; the kernel
        // reads one event, which lives on our stack until the call returns.
        let result = unsafe { libc::epoll_ctl(own, libc::EPOLL_CTL_ADD, other, &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Finds out, without waiting, on which sockets something happened since the last look: the
    /// numbers they were added with. Some may belong to sockets that were closed meanwhile.
    ///
    /// # Errors
    ///
    /// What the kernel says; it has no reason to.
    pub fn look<'a>(
        &self,
        news: &'a mut News,
    ) -> io::Result<impl ExactSizeIterator<Item = u64> + 'a> {
        // SAFETY: the kernel writes at most `CAPACITY` events to the array, which is ours and that
        // long; the time-out of 0 means that it does not wait.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), news.0.as_mut_ptr(), MOST, 0) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(news.0.iter().take(count).map(|event| event.u64))
    }
}

/// [`CAPACITY`], as the kernel wants it.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "it is 128")]
const MOST: libc::c_int = CAPACITY as libc::c_int;

impl News {
    /// How many are told at most; after fewer there is nothing more to be told.
    pub const CAPACITY: usize = CAPACITY;

    /// No news.
    #[must_use]
    pub const fn new() -> Self {
        Self([libc::epoll_event { events: 0, u64: 0 }; CAPACITY])
    }
}

impl Default for News {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("News")
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
