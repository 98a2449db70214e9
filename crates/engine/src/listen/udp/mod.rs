//! DNS over UDP, by the batch: one receive, all chains polled in place, one send. Replies that
//! had to wait are sent as they come.

mod backlog;
mod door;
#[cfg(test)]
mod tests;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_core::Transport;
use dunlin_core::buffer::Buffer;
use dunlin_core::gate::DropReason;
use dunlin_core::query::Source;
use dunlin_os::batch::{BATCH, Datagram, Family, Inbox, Outbox, Route};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::backlog::Backlog;
use self::door::Door;
use crate::listen::Listener;
use crate::serve::{Answer, Later, Outlet};
use crate::table::Table;

/// One socket of one worker.
struct Endpoint {
    listener: Arc<Listener>,
    socket: Door,
    family: Family,
    /// All replies of a listener that has a send queue (`shed`), in place of what follows.
    backlog: Mutex<Option<Backlog>>,
    /// Replies that had to wait. Only this worker's tasks lock it, one after the other.
    late: Mutex<Outbox>,
    /// Tells the loop that there are some: all that became ready in one turn of the runtime go
    /// out with one call.
    has_late: Notify,
    /// Set when the loop has ended and late replies must see to themselves.
    ended: AtomicBool,
}

/// Clients of a query that waited longer have asked again or given up: answering it would only delay
/// those who still wait. Unbound's default.
const AGE_LIMIT: Duration = Duration::from_millis(1900);

/// Whether a datagram waited for too long; both times are since the Unix epoch.
fn has_expired(arrival: Option<Duration>, now: Duration) -> bool {
    arrival.is_some_and(|arrival| now.saturating_sub(arrival) > AGE_LIMIT)
}

/// More than a receive buffer holds: a client that never ceases must not delay the end.
const LAST_BATCHES: usize = 1024;

/// Serves one socket until the listener is told to stop; then what the kernel still holds is
/// answered too.
pub(crate) async fn serve_udp(listener: Arc<Listener>, socket: UdpSocket) {
    let Ok(family) = Family::of(&socket) else { return };
    let socket = match Door::new(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "a UDP socket cannot be served"),
    };
    let stop = listener.stop.clone();
    let endpoint = Endpoint::new(listener, socket, family);
    let mut inbox = Inbox::new();
    let mut outbox = Outbox::new(family, BATCH);
    loop {
        tokio::select! {
            // Cancel-safe: readiness is not consumed by waiting for it.
            ready = endpoint.socket.readable() => if ready.is_err() { break },
            () = endpoint.has_late.notified() => {
                endpoint.flush_backlog();
                endpoint.flush_late().await;
                continue;
            }
            () = stop.cancelled() => break,
        }
        let more = endpoint.turn(&mut inbox, &mut outbox).await;
        if more {
            // A full batch: let replies that became ready have their turn.
            tokio::task::yield_now().await;
        }
    }
    endpoint.ended.store(true, Relaxed);
    endpoint.flush_backlog();
    endpoint.flush_late().await;
    // Best effort: without it, what comes between the last look and the close is lost.
    let _listens_on = dunlin_os::sockets::stop_receiving(&endpoint.socket);
    // Asked directly: tokio may not know of it yet.
    for _ in 0..LAST_BATCHES {
        let received = inbox.receive_draining(&endpoint.socket);
        if !endpoint.handle_batch(&received, &mut inbox, &mut outbox).await {
            break;
        }
    }
}

impl Endpoint {
    fn new(listener: Arc<Listener>, socket: Door, family: Family) -> Arc<Self> {
        Arc::new(Self {
            listener,
            socket,
            family,
            backlog: Mutex::default(),
            late: Mutex::new(Outbox::new(family, BATCH)),
            has_late: Notify::new(),
            ended: AtomicBool::new(false),
        })
    }

    /// One batch. True if there may be more to read.
    async fn turn(self: &Arc<Self>, inbox: &mut Inbox, outbox: &mut Outbox) -> bool {
        let received = self.socket.read(|socket| inbox.receive_draining(socket));
        self.handle_batch(&received, inbox, outbox).await
    }

    async fn handle_batch(
        self: &Arc<Self>,
        received: &io::Result<usize>,
        inbox: &mut Inbox,
        outbox: &mut Outbox,
    ) -> bool {
        if let Err(error) = received
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(%error, address = %self.listener.address, "receiving failed");
        }
        let count = inbox.len();
        if count > 0 {
            let table = self.listener.table.load();
            match &table.send_queue {
                None => self.handle_each(&table, inbox, outbox),
                Some(queue) => {
                    self.with_backlog(queue, |replies| self.handle_each(&table, inbox, replies));
                    self.flush_backlog();
                }
            }
            drop(table);
            self.send(outbox).await;
        }
        count == BATCH
    }

    fn handle_each(self: &Arc<Self>, table: &Table, inbox: &mut Inbox, outbox: &mut Outbox) {
        let now = Instant::now();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for datagram in inbox.drain() {
            if has_expired(datagram.arrival, time) {
                self.listener.shared.count_drop(DropReason::Expired, Transport::Udp);
                continue;
            }
            self.handle(table, &datagram, now, outbox);
        }
    }

    fn handle(
        self: &Arc<Self>,
        table: &Table,
        datagram: &Datagram<'_>,
        received: Instant,
        outbox: &mut Outbox,
    ) {
        let shared = &self.listener.shared;
        let client = datagram.route.peer;
        if datagram.truncated {
            return shared.count_drop(DropReason::Oversize, Transport::Udp);
        }
        let local = self.local_of(&datagram.route);
        if client == local {
            return shared.count_drop(DropReason::Own, Transport::Udp);
        }
        let source = Source { client, local, transport: Transport::Udp, received };
        // Never full but for a send queue: it has room for a batch.
        let outlet = if outbox.is_full() { Outlet::Full } else { Outlet::Free };
        match shared.handle_from(table, datagram.bytes, source, outlet) {
            Answer::Now(Some(mut reply)) => outbox.push_taken(&mut reply, &datagram.route),
            Answer::Now(None) => {}
            Answer::Later(later) => self.answer_later(later, datagram.route),
        }
    }

    fn local_of(&self, route: &Route) -> std::net::SocketAddr {
        let mut local = self.listener.address;
        if let Some(told) = route.local {
            local.set_ip(told.address);
        }
        local
    }

    fn answer_later(self: &Arc<Self>, later: Later, route: Route) {
        let endpoint = Arc::clone(self);
        self.listener.tasks.spawn(async move {
            if let Some(reply) = later.await
                && endpoint.queues_late(&reply, &route)
            {
                // Boxed, so that what seldom happens takes no room in the task of each query.
                Box::pin(endpoint.flush_late()).await;
            }
        });
    }

    /// Queues a late reply. True if nobody else will send it.
    fn queues_late(self: &Arc<Self>, reply: &Buffer, route: &Route) -> bool {
        if self.queue_late(reply, route) {
            return false;
        }
        let (is_first, is_full) = {
            let mut late = self.late.lock();
            let is_first = late.is_empty();
            late.push(reply, route);
            (is_first, late.len() >= BATCH)
        };
        // The loop may come behind more replies than there is room for.
        if is_full || self.ended.load(Relaxed) {
            return true;
        }
        if is_first {
            self.has_late.notify_one();
        }
        false
    }

    /// Sends the late replies, waiting for room in the send buffer if need be.
    async fn flush_late(&self) {
        while self.late.lock().flush(&self.socket).is_err() {
            if self.socket.room().await.is_err() {
                return self.late.lock().clear();
            }
        }
    }

    /// Sends the batch. The send buffer of a UDP socket is seldom full, and drains by itself.
    async fn send(&self, outbox: &mut Outbox) {
        while outbox.flush(&self.socket).is_err() {
            if self.socket.room().await.is_err() {
                return outbox.clear();
            }
        }
    }
}
