//! Receiving: the slots, and one `recvmmsg` that fills them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;
use std::{array, fmt, io, mem, ptr};

use super::control::Control;
use super::{BATCH, LONGEST, Route};
use crate::address::{Name, unmap};

/// Receives up to [`BATCH`] datagrams at a time into slots that are allocated once.
pub struct Inbox {
    slots: Box<[Slot]>,
    /// [`LONGEST`] octets for each slot, 256 KiB in one piece: zeroed pages that were never written to
    /// are no memory yet, and most queries are short.
    bytes: Box<[u8]>,
    /// How many slots hold a datagram that was not handed out yet.
    fresh: usize,
    /// How many slots the last receive wrote to.
    used: usize,
}

/// One received datagram, lent by the [`Inbox`].
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Its bytes; the first [`LONGEST`] of them if it is `truncated`.
    pub bytes: &'a [u8],
    /// Where it came from and where it went.
    pub route: Route,
    /// When the kernel got it, since the Unix epoch, if the socket tells.
    pub arrival: Option<Duration>,
    /// It was longer than [`LONGEST`] and its end is lost.
    pub truncated: bool,
}

/// The datagrams of one receive, handed out once; see [`Inbox::drain`].
#[derive(Debug)]
pub struct Drain<'a> {
    slots: std::iter::Zip<std::slice::Iter<'a, Slot>, std::slice::ChunksExact<'a, u8>>,
}

struct Slot {
    name: Name,
    control: Control,
    length: usize,
    truncated: bool,
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        let slots = (0..BATCH).map(|_| Slot::EMPTY).collect();
        let bytes = vec![0; BATCH * LONGEST].into_boxed_slice();
        Self { slots, bytes, fresh: 0, used: 0 }
    }

    /// Receives what is there, at most [`BATCH`] datagrams, and tells how many. What an earlier receive
    /// left is forgotten. Never waits.
    ///
    /// Errors that tell of another datagram's fate (ICMP) and interruptions are skipped.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when nothing is there. Anything else concerns this socket, or the memory of the
    /// host, and may well be over at the next attempt.
    pub fn receive(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        self.forget();
        let mut patience = PATIENCE;
        loop {
            match self.receive_once(socket.as_fd()) {
                Err(error) if patience > 0 && is_about_others(&error) => patience -= 1,
                result => return result,
            }
        }
    }

    /// As [`receive`](Self::receive), but a batch that is not full, which means that the socket was
    /// found empty, ends with `WouldBlock`. The datagrams are in the inbox nevertheless.
    ///
    /// For a runtime's `try_io`, which then awaits readiness without a call in vain (at 20,000 queries a
    /// second 15.2 against 17.1 µs each).
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_draining(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        match self.receive(socket)? {
            count if count < BATCH => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    /// The datagrams of the last receive. They are handed out once: when nothing was received since,
    /// the next call yields nothing.
    pub fn drain(&mut self) -> Drain<'_> {
        let fresh = mem::take(&mut self.fresh);
        let slots = self.slots.get(..fresh).unwrap_or_default().iter();
        Drain { slots: slots.zip(self.bytes.chunks_exact(LONGEST)) }
    }

    /// How many datagrams wait to be [drained](Self::drain).
    #[must_use]
    pub fn len(&self) -> usize {
        self.fresh
    }

    /// No datagram waits to be [drained](Self::drain).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fresh == 0
    }

    fn forget(&mut self) {
        for slot in self.slots.iter_mut().take(mem::take(&mut self.used)) {
            slot.name = Name::EMPTY;
            slot.control = Control::EMPTY;
        }
        self.fresh = 0;
    }

    fn receive_once(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        let mut headers: [libc::mmsghdr; BATCH] = array::from_fn(|_| empty_header());
        let slots = self.slots.iter_mut().zip(self.bytes.chunks_exact_mut(LONGEST));
        for (((slot, bytes), vector), header) in slots.zip(&mut vectors).zip(&mut headers) {
            *vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: LONGEST };
            header.msg_hdr.msg_name = slot.name.bytes_mut().as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = Name::ROOM;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = slot.control.bytes_mut().as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = Control::ROOM as _;
        }
        // SAFETY: the descriptor is borrowed, so open. Every header points to a vector on this stack,
        // and to the name and control of a slot and to octets of its own, with their true lengths; all
        // of them are exclusively ours and are not touched until the call returns. It writes plain bytes, for
        // which every value is valid. There is no timeout.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                COUNT,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
        for (slot, header) in self.slots.iter_mut().zip(&headers).take(count) {
            slot.length = usize::try_from(header.msg_len).unwrap_or(LONGEST);
            slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        self.used = count;
        self.fresh = count;
        Ok(count)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Inbox").field("fresh", &self.fresh).finish_non_exhaustive()
    }
}

impl<'a> Iterator for Drain<'a> {
    type Item = Datagram<'a>;

    fn next(&mut self) -> Option<Datagram<'a>> {
        self.slots.find_map(|(slot, bytes)| slot.datagram(bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.slots.len()))
    }
}

impl Slot {
    const EMPTY: Self =
        Self { name: Name::EMPTY, control: Control::EMPTY, length: 0, truncated: false };

    /// `None` if the peer's address is of a foreign kind, which no IP socket delivers.
    fn datagram<'a>(&self, bytes: &'a [u8]) -> Option<Datagram<'a>> {
        let (local, arrival) = self.control.decode();
        Some(Datagram {
            bytes: bytes.get(..self.length)?,
            route: Route { peer: unmap(self.name.decode()?), local },
            arrival,
            truncated: self.truncated,
        })
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Slot").field("length", &self.length).finish_non_exhaustive()
    }
}

/// [`BATCH`] as the system call wants it.
const COUNT: libc::c_uint = 64;
const _: () = assert!(COUNT as usize == BATCH);

/// A header without name, data or control.
pub(super) fn empty_header() -> libc::mmsghdr {
    // SAFETY: a C structure of integers and pointers, for which all zeros is a valid value. (libc's
    // definition has private padding on some platforms, so there is no literal for it.)
    unsafe { mem::zeroed() }
}

/// What ICMP tells about datagrams sent earlier, and interruptions: the next attempt gets on.
fn is_about_others(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EINTR
                | libc::ECONNREFUSED
                | libc::ECONNRESET
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EPROTO
                | libc::EMSGSIZE
                | libc::EACCES
                | libc::EPERM
        )
    )
}

/// How many such errors in a row one receive skips. Each is removed from the socket by being reported,
/// so that more of them than this is a flood, and the caller's turn.
const PATIENCE: usize = 64;
