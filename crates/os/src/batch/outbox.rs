//! Sending: the queue of replies, its pool of buffers, and the `sendmmsg` that empties it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::{array, fmt, io, mem, ptr};

use super::control::Control;
use super::inbox::empty_header;
use super::{BATCH, Family, Route};
use crate::address::{Name, map};

/// A bounded queue of datagrams for one socket, sent [`BATCH`] at a time.
///
/// Buffers of sent datagrams are kept and used again.
pub struct Outbox {
    family: Family,
    capacity: usize,
    order: Order,
    queue: VecDeque<Message>,
    /// Where the datagrams of one call go, as the kernel is told: written when they are sent, so that
    /// a queued datagram is moved with its route only.
    names: Box<[Name]>,
    controls: Box<[Control]>,
    spare: Vec<Vec<u8>>,
    tally: Tally,
}

/// What became of the datagrams of an [`Outbox`] since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Handed to the kernel.
    pub sent: u64,
    /// Refused by the kernel, each for a reason of its own: no route, too long, forbidden by a firewall.
    pub failed: u64,
    /// Never tried: the oldest ones, pushed out of a full queue.
    pub dropped: u64,
    /// The reason of the last failure, an `errno`; 0 when there was none.
    pub last_error: i32,
}

/// Which datagram of an [`Outbox`] leaves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    OldestFirst,
    NewestFirst,
}

struct Message {
    bytes: Vec<u8>,
    route: Route,
}

impl Outbox {
    /// An empty queue for sockets of this family.
    ///
    /// `capacity` is the number of datagrams that may wait (at least 1); it is reached when the socket's
    /// send buffer is full for long. Pushing to a full queue drops the oldest datagram: its client is
    /// the likeliest to have given up.
    #[must_use]
    pub fn new(family: Family, capacity: usize) -> Self {
        Self::ordered(family, capacity, Order::OldestFirst)
    }

    /// As [`new`](Self::new), but what was queued last is sent first: if there is more to send than the
    /// kernel takes, the clients that are still waiting are those that asked last.
    #[must_use]
    pub fn newest_first(family: Family, capacity: usize) -> Self {
        Self::ordered(family, capacity, Order::NewestFirst)
    }

    fn ordered(family: Family, capacity: usize, order: Order) -> Self {
        let capacity = capacity.max(1);
        Self {
            family,
            capacity,
            order,
            queue: VecDeque::with_capacity(capacity),
            names: [Name::EMPTY; BATCH].into(),
            controls: [Control::EMPTY; BATCH].into(),
            spare: Vec::with_capacity(capacity),
            tally: Tally::default(),
        }
    }

    /// Queues a copy of `bytes`.
    pub fn push(&mut self, bytes: &[u8], route: &Route) {
        let mut buffer = self.buffer();
        buffer.extend_from_slice(bytes);
        self.push_owned(buffer, route);
    }

    /// Queues `bytes` without copying and leaves an empty buffer in their place, for a caller with a
    /// pool of its own.
    pub fn push_taken(&mut self, bytes: &mut Vec<u8>, route: &Route) {
        let taken = mem::replace(bytes, self.buffer());
        self.push_owned(taken, route);
    }

    /// Queues `bytes` without copying; the buffer joins the pool once it is sent. Fill one from
    /// [`buffer`](Self::buffer) and nothing is allocated.
    pub fn push_owned(&mut self, bytes: Vec<u8>, route: &Route) {
        if self.is_full() {
            self.tally.dropped += 1;
            self.pop_oldest();
        }
        let message = Message { bytes, route: *route };
        match self.order {
            Order::OldestFirst => self.queue.push_back(message),
            Order::NewestFirst => self.queue.push_front(message),
        }
    }

    /// An empty buffer, from the pool if it has one.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER))
    }

    /// Gives a buffer from [`buffer`](Self::buffer) back unsent.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < self.capacity && buffer.capacity() <= LARGEST_KEPT {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Sends all that is queued and tells how many datagrams the kernel took. Never waits.
    ///
    /// A datagram that the kernel refuses is counted and left out; the others are sent all the same.
    ///
    /// # Errors
    ///
    /// Only `WouldBlock`, when the socket's send buffer is full: the rest stays queued, to be flushed
    /// when the socket is writable. What was sent before shows in [`tally`](Self::tally).
    pub fn flush(&mut self, socket: &impl AsFd) -> io::Result<usize> {
        let mut sent = 0;
        let mut retried = false;
        while !self.queue.is_empty() {
            let error = match self.send_once(socket.as_fd()) {
                Ok(count) => {
                    sent += count;
                    retried = false;
                    continue;
                }
                Err(error) => error,
            };
            let errno = error.raw_os_error().unwrap_or_default();
            match verdict(errno, retried) {
                Verdict::Wait => return Err(error),
                Verdict::Again => retried = true,
                Verdict::Skip => {
                    retried = false;
                    self.tally.failed += 1;
                    self.tally.last_error = errno;
                    self.pop();
                }
            }
        }
        Ok(sent)
    }

    /// Forgets all that is queued, as dropped: for a socket that will not be written to any more.
    pub fn clear(&mut self) {
        while !self.queue.is_empty() {
            self.tally.dropped += 1;
            self.pop();
        }
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// No datagram waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next datagram costs the oldest one its place.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.len() >= self.capacity
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// One `sendmmsg` of the queue's front. An error is about the first datagram: what follows one that
    /// fails is not tried, and the kernel tells only how many it took before.
    fn send_once(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut vectors = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        let mut headers: [libc::mmsghdr; BATCH] = array::from_fn(|_| empty_header());
        let family = self.family;
        let ends = self.names.iter_mut().zip(&mut self.controls);
        let slots = vectors.iter_mut().zip(&mut headers).zip(ends);
        let mut count = 0;
        for (message, ((vector, header), (name, control))) in self.queue.iter().zip(slots) {
            count += 1;
            *name = Name::encode(match family {
                Family::V4 => message.route.peer,
                Family::V6 => map(message.route.peer),
            });
            *vector = libc::iovec {
                iov_base: message.bytes.as_ptr().cast_mut().cast(),
                iov_len: message.bytes.len(),
            };
            header.msg_hdr.msg_name = name.bytes().as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = name.length();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            let local = message.route.local.and_then(|local| Control::encode(local, family));
            if let Some((encoded, length)) = local {
                *control = encoded;
                header.msg_hdr.msg_control = control.bytes().as_ptr().cast_mut().cast();
                header.msg_hdr.msg_controllen = length as _;
            }
        }
        // SAFETY: the descriptor is borrowed, so open. The first `count` headers point to a vector on
        // this stack, to the bytes of a queued message, and to a name and a control of its own, with
        // their true lengths; all are exclusively ours and are not touched until the call returns. The
        // kernel only reads through these pointers and writes nothing but `msg_len` of the headers.
        let result = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        let sent = usize::try_from(result).map_err(|_| io::Error::last_os_error())?;
        self.tally.sent += u64::try_from(sent).unwrap_or_default();
        for _ in 0..sent {
            self.pop();
        }
        Ok(sent)
    }

    fn pop(&mut self) {
        if let Some(message) = self.queue.pop_front() {
            self.recycle(message.bytes);
        }
    }

    fn pop_oldest(&mut self) {
        let oldest = match self.order {
            Order::OldestFirst => self.queue.pop_front(),
            Order::NewestFirst => self.queue.pop_back(),
        };
        if let Some(message) = oldest {
            self.recycle(message.bytes);
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Outbox")
            .field("family", &self.family)
            .field("queued", &self.queue.len())
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

/// What to do about a datagram that the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The send buffer is full: keep it until the socket is writable.
    Wait,
    /// The error is not about this datagram: try it once more.
    Again,
    /// It cannot be sent. ENOBUFS too: the interface's queue is full, and clients ask again.
    Skip,
}

/// ICMP news of an earlier datagram are reported once, to whichever call comes next; so these errors
/// get a second try, and only one.
pub(super) fn verdict(errno: i32, retried: bool) -> Verdict {
    match errno {
        libc::EAGAIN => Verdict::Wait,
        libc::EINTR => Verdict::Again,
        libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH if !retried => Verdict::Again,
        _ => Verdict::Skip,
    }
}

/// Bytes of a fresh buffer: most replies fit without growing it.
const BUFFER: usize = 1232;

/// Larger buffers are not kept, so that a few long replies do not hold memory for ever.
const LARGEST_KEPT: usize = 16 << 10;
