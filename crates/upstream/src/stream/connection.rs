//! The handle of a connection, and the task behind it: dial, then serve ([`super::driver`]).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use dunlin_core::buffer::Buffer;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Endpoint;
use super::book::Book;
use super::dial::dial;
use super::driver::drive;
use crate::ask::Ask;
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
    /// Since when queries go out and nothing comes back: milliseconds on the clock of the pool, and
    /// one more; 0 if something came since.
    silent_since: AtomicU64,
    /// Our address, once the connection stands.
    local: OnceLock<SocketAddr>,
}

impl State {
    /// A query goes out, at this time in milliseconds.
    pub(super) fn asked(&self, now: u64) {
        let stamp = now.saturating_add(1);
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
    /// The query; its ID is chosen by the task.
    pub(crate) ask: Ask,
    /// Where the response goes.
    pub(crate) reply: oneshot::Sender<Result<Buffer, ExchangeError>>,
}

/// Queries waiting to be written; beyond that the upstream is busy.
const QUEUE: usize = 1024;

/// A connection on which nothing came for so many milliseconds, though somebody asked, is not trusted
/// with another query: its peer may have gone without a word (requirements.md P-07).
const MAX_SILENCE: u64 = 1000;

impl Connection {
    /// Hands a query to the task.
    pub(super) fn order(&self, order: Order) -> Result<(), TrySendError<Order>> {
        self.orders.try_send(order)
    }

    /// Whether queries go out and nothing comes back; `now` in milliseconds.
    pub(super) fn is_silent(&self, now: u64) -> bool {
        let stamp = self.state.silent_since.load(Relaxed);
        let silent = stamp != 0 && now.saturating_sub(stamp - 1) >= MAX_SILENCE;
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
pub(super) fn open(
    endpoint: &Arc<Endpoint>,
    dialling: &Arc<AtomicUsize>,
    opened: Instant,
) -> Connection {
    let (orders, queue) = mpsc::channel(QUEUE);
    let state = Arc::new(State::default());
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
