//! What a connection keeps in mind: who waits for which ID, what is still to be written, what has
//! been read in part. Pure: octets and the time come from outside.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_core::wire::{self, HEADER_LEN, read_u16};
use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::StreamLimits;
use super::connection::{Order, State};
use super::dial::free_id;
use crate::ask::is_response;
use crate::error::{Cause, ExchangeError};

/// The state of one connection without its socket.
#[derive(Debug)]
pub(super) struct Book {
    state: Arc<State>,
    local: SocketAddr,
    remote: SocketAddr,
    limits: StreamLimits,
    /// By ID, which we have chosen: no peer can make IDs collide. Entries that nobody waits for any
    /// more stay, so that their ID is not given away.
    waiting: HashMap<u16, Order, RandomState>,
    outbox: Vec<u8>,
    written: usize,
    last_activity: Instant,
    /// Since when the outbox has not moved.
    stuck_since: Option<Instant>,
}

/// Queries without a response on one connection, abandoned ones included.
const MAX_OUTSTANDING: usize = 4096;
/// Octets waiting to be written; beyond that no query is taken from the queue.
const MAX_UNWRITTEN: usize = 65_536;

/// Connections are not given up sooner.
const MIN_EXPIRE: Duration = Duration::from_millis(100);

/// A peer that sent what belongs to no query of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongReply;

impl Book {
    pub(super) fn new(
        state: Arc<State>,
        local: SocketAddr,
        remote: SocketAddr,
        limits: StreamLimits,
    ) -> Self {
        Self {
            state,
            local,
            remote,
            limits,
            waiting: HashMap::default(),
            outbox: Vec::new(),
            written: 0,
            last_activity: Instant::now(),
            stuck_since: None,
        }
    }

    /// Whether another query may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.outbox.len() < MAX_UNWRITTEN && self.waiting.len() < MAX_OUTSTANDING
    }

    /// Gives a query an ID and puts it behind what is to be written.
    pub(super) fn post(&mut self, order: Order, now: Instant) {
        if order.reply.is_closed() {
            return;
        }
        let Some(id) = free_id(|id| !self.waiting.contains_key(&id)) else { return };
        let query = order.ask.as_bytes();
        let Ok(length) = u16::try_from(query.len()) else { return };
        self.outbox.extend_from_slice(&length.to_be_bytes());
        self.outbox.extend_from_slice(&id.to_be_bytes());
        self.outbox.extend_from_slice(query.get(2..).unwrap_or_default());
        self.waiting.insert(id, order);
        self.last_activity = now;
        self.stuck_since.get_or_insert(now);
    }

    /// What is still to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.outbox.get(self.written..).unwrap_or_default()
    }

    /// The peer took this many octets.
    pub(super) fn sent(&mut self, count: usize, now: Instant) {
        self.written += count;
        self.stuck_since = Some(now);
        if self.unwritten().is_empty() {
            self.outbox.clear();
            self.written = 0;
            self.stuck_since = None;
        }
    }

    /// Hands out the whole messages at the front of `inbox`.
    pub(super) fn take_responses(
        &mut self,
        inbox: &mut Vec<u8>,
        now: Instant,
    ) -> Result<(), WrongReply> {
        let mut taken = 0;
        while let Some(message) = frame(inbox, taken) {
            taken += 2 + message.len();
            self.last_activity = now;
            self.state.heard();
            self.deliver(message)?;
        }
        inbox.drain(..taken);
        Ok(())
    }

    fn deliver(&mut self, message: &[u8]) -> Result<(), WrongReply> {
        if message.len() < HEADER_LEN {
            return Err(WrongReply);
        }
        let id = wire::id(message);
        let order = self.waiting.remove(&id).ok_or(WrongReply)?;
        if !is_response(id, order.ask.as_bytes(), order.ask.question_end(), message) {
            let error = ExchangeError::WrongReply { remote: self.remote };
            let _gone = order.reply.send(Err(error));
            return Err(WrongReply);
        }
        // Who has gone meanwhile does not want the response; the ID is free again.
        let _gone = order.reply.send(Ok(Buffer::copy_of(message)));
        Ok(())
    }

    /// Whether anybody still waits for a response.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.values().any(|order| !order.reply.is_closed())
    }

    /// When [`Book::expired`] may have something to say.
    pub(super) fn next_check(&self) -> Instant {
        let idle = self.last_activity + self.expire();
        self.stuck_since.map_or(idle, |since| idle.min(since + self.limits.write))
    }

    /// Whether it is time to end the connection, and what to tell those who wait.
    pub(super) fn expired(&mut self, now: Instant) -> Option<ExchangeError> {
        if self.stuck_since.is_some_and(|since| now >= since + self.limits.write) {
            return Some(self.write_error(Cause::Timeout));
        }
        if now < self.last_activity + self.expire() {
            return None;
        }
        if !self.is_awaited() {
            return Some(self.read_error(Cause::Eof));
        }
        // Their own deadlines will free them; look again then.
        self.last_activity = now;
        None
    }

    /// `expire 0s` closes soon, but is no reason for the driver to spin.
    fn expire(&self) -> Duration {
        self.limits.expire.max(MIN_EXPIRE)
    }

    /// Tells everybody who waits.
    pub(super) fn fail(&mut self, error: &ExchangeError) {
        for (_, order) in self.waiting.drain() {
            let _gone = order.reply.send(Err(error.clone()));
        }
    }

    pub(super) fn read_error(&self, cause: Cause) -> ExchangeError {
        let Self { local, remote, .. } = *self;
        ExchangeError::Read { network: "tcp", local, remote, cause }
    }

    pub(super) fn write_error(&self, cause: Cause) -> ExchangeError {
        let Self { local, remote, .. } = *self;
        ExchangeError::Write { network: "tcp", local, remote, cause }
    }

    pub(super) fn wrong_reply(&self) -> ExchangeError {
        ExchangeError::WrongReply { remote: self.remote }
    }
}

/// The whole message whose length prefix stands at `at` (RFC 1035 §4.2.2).
pub(super) fn frame(inbox: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(read_u16(inbox, at)?);
    inbox.get(at + 2..at + 2 + length)
}
