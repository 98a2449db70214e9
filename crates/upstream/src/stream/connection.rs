//! The handle of a connection, and the task behind it: dial, then serve ([`super::driver`]).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Endpoint;
use super::book::Book;
use super::dial::dial;
use super::driver::drive;
use crate::error::{Cause, ExchangeError};

/// The handle of a connection. Its task ends soon after the last handle is gone.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) state: Arc<State>,
    pub(crate) opened: Instant,
}

/// What the task tells the holders of the handle.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Queries that somebody waits for.
    pub(crate) in_flight: AtomicUsize,
    /// Messages received.
    pub(crate) received: AtomicU64,
    /// Since when queries go out and nothing comes back: milliseconds after the opening, and one
    /// more; 0 if something came since.
    silent_since: AtomicU64,
    /// Our address, once the connection stands.
    local: OnceLock<SocketAddr>,
}

impl State {
    /// A query goes out, this long after the opening.
    fn asked(&self, age: Duration) {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let stamp = millis.saturating_add(1);
        let _silent_already = self.silent_since.compare_exchange(0, stamp, Relaxed, Relaxed);
    }

    /// A message came in.
    pub(super) fn heard(&self) {
        self.received.fetch_add(1, Relaxed);
        self.silent_since.store(0, Relaxed);
    }
}

/// A query for the connection.
#[derive(Debug)]
pub(crate) struct Order {
    /// The message; its ID is chosen by the task.
    pub(crate) query: Box<[u8]>,
    /// Where its question ends.
    pub(crate) question_end: usize,
    /// Where the response goes.
    pub(crate) reply: oneshot::Sender<Result<Buffer, ExchangeError>>,
}

/// Queries waiting to be written; beyond that the upstream is busy.
const QUEUE: usize = 1024;

/// A connection on which nothing came for this long, though somebody asked, is not trusted with
/// another query: its peer may have gone without a word (requirements.md P-07).
const MAX_SILENCE: Duration = Duration::from_secs(1);

impl Connection {
    /// Hands a query to the task.
    pub(super) fn order(&self, order: Order) -> Result<(), TrySendError<Order>> {
        self.state.asked(Instant::now().saturating_duration_since(self.opened));
        self.orders.try_send(order)
    }

    /// Whether queries go out and nothing comes back.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        let stamp = self.state.silent_since.load(Relaxed);
        let since = self.opened + Duration::from_millis(stamp.saturating_sub(1));
        let silent = stamp != 0 && now.saturating_duration_since(since) >= MAX_SILENCE;
        silent && self.is_established()
    }

    pub(crate) fn is_established(&self) -> bool {
        self.state.local.get().is_some()
    }

    /// Our end, once there is one.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.state.local.get().copied()
    }

    /// The error of a connection whose task has ended without saying why.
    pub(crate) fn hung_up(&self, remote: SocketAddr) -> ExchangeError {
        self.error(remote, Cause::Eof)
    }

    /// The error of a query that was not answered in time.
    pub(crate) fn timed_out(&self, remote: SocketAddr) -> ExchangeError {
        self.error(remote, Cause::Timeout)
    }

    fn error(&self, remote: SocketAddr, cause: Cause) -> ExchangeError {
        match self.state.local.get() {
            Some(&local) => ExchangeError::Read { network: "tcp", local, remote, cause },
            None => ExchangeError::Dial { network: "tcp", remote, cause },
        }
    }
}

/// Opens a connection; the queries ordered meanwhile wait for it.
pub(super) fn open(endpoint: &Arc<Endpoint>, dialling: &Arc<AtomicUsize>) -> Connection {
    let (orders, queue) = mpsc::channel(QUEUE);
    let state = Arc::new(State::default());
    let opened = Instant::now();
    let guard = Dialling::new(dialling);
    tokio::spawn(serve(Arc::clone(endpoint), queue, Arc::clone(&state), guard));
    Connection { orders, state, opened }
}

/// Counts a dial while it lasts.
#[derive(Debug)]
struct Dialling(Arc<AtomicUsize>);

impl Dialling {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Dialling {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn serve(
    endpoint: Arc<Endpoint>,
    mut queue: mpsc::Receiver<Order>,
    state: Arc<State>,
    dialling: Dialling,
) {
    let until = Instant::now() + endpoint.limits.dial;
    let dialled = dial(&endpoint, until).await;
    drop(dialling);
    let error = match dialled {
        Ok((stream, local)) => {
            let _first = state.local.set(local);
            // The time that dialling took is no silence of the peer.
            state.silent_since.store(0, Relaxed);
            let book = Book::new(state, local, endpoint.remote, endpoint.limits);
            return drive(stream, queue, book).await;
        }
        Err(error) => error,
    };
    queue.close();
    while let Some(order) = queue.recv().await {
        // Nobody waits any more: then nobody is to be told.
        let _gone = order.reply.send(Err(error.clone()));
    }
}
