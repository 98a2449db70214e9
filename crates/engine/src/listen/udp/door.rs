//! A worker's socket as its runtime watches it: for what comes, and only now and then for room.
//!
//! A runtime that watches for room as well is told of it after every datagram that was sent: one more
//! wake-up for each reply of a server that is not busy.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A UDP socket to serve.
#[derive(Debug)]
pub(super) struct Door(AsyncFd<UdpSocket>);

impl Door {
    /// Watches the socket on the runtime of this thread.
    ///
    /// # Errors
    /// What the kernel says: too many sockets are watched.
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that may change or be closed; that of \
                      a socket of the standard library does neither"
        )]
        AsyncFd::with_interest(socket, Interest::READABLE).map(Self)
    }

    /// Waits until there may be something to read. May be given up and begun again.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Reads, unless it is known that there is nothing; `WouldBlock` makes it known.
    ///
    /// # Errors
    /// What `read` says.
    pub(super) fn read<T>(&self, read: impl FnOnce(&UdpSocket) -> io::Result<T>) -> io::Result<T> {
        self.0.try_io(Interest::READABLE, read)
    }

    /// Waits until there may be room in the send buffer, which is seldom full: the socket is watched
    /// for that as long as somebody waits.
    ///
    /// # Errors
    /// The runtime ends, or there are too many open files.
    pub(super) async fn room(&self) -> io::Result<()> {
        let same = self.0.get_ref().try_clone()?;
        tokio::net::UdpSocket::from_std(same)?.writable().await
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn nobody_is_told_of_room_who_does_not_wait_for_it() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let own = socket.local_addr().unwrap();
        let door = Door::new(socket).unwrap();
        door.room().await.unwrap();
        door.0.get_ref().send_to(b"x", own).unwrap();
        door.readable().await.unwrap();
        assert_eq!(door.read(|socket| socket.recv(&mut [0; 8])).unwrap(), 1);
        let told =
            tokio::time::timeout(Duration::from_millis(20), door.0.ready(Interest::WRITABLE));
        assert!(told.await.is_err());
        let again = door.read(|socket| socket.recv(&mut [0; 8])).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
    }
}
