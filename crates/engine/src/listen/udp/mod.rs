//! DNS over UDP, by the batch: one receive, all chains polled in place, one send. Replies that
//! had to wait are sent as they come, by the batch too.

mod backlog;
mod door;
mod late;
#[cfg(test)]
mod tests;

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_core::Transport;
use dunlin_core::gate::DropReason;
use dunlin_core::query::Source;
use dunlin_os::batch::{BATCH, Datagram, Family, Inbox, Outbox, Route};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::backlog::Backlog;
use self::door::Door;
use self::late::Late;
use crate::listen::Listener;
use crate::serve::{Answer, Outlet};
use crate::table::Table;

/// One socket of one worker.
struct Endpoint {
    listener: Arc<Listener>,
    socket: Door,
    family: Family,
    /// All replies of a listener that has a send queue (`shed`), in place of an outbox.
    backlog: Mutex<Option<Backlog>>,
}

/// What the loop of a socket works with.
struct Desk {
    inbox: Inbox,
    outbox: Outbox,
    late: Late,
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
    let (inbox, outbox) = (Inbox::new(), Outbox::new(family, BATCH));
    let mut desk = Desk { inbox, outbox, late: Late::new() };
    loop {
        let more = tokio::select! {
            // Cancel-safe: readiness is not consumed by waiting for it.
            ready = endpoint.socket.readable() => match ready {
                Ok(()) => endpoint.turn(&mut desk).await,
                Err(_ended) => break,
            },
            () = desk.late.wait() => endpoint.advance(&mut desk).await,
            () = stop.cancelled() => break,
        };
        if more {
            // Let the others of this worker have their turn.
            tokio::task::yield_now().await;
        }
    }
    endpoint.flush_backlog();
    // Best effort: without it, what comes between the last look and the close is lost.
    let _listens_on = dunlin_os::sockets::stop_receiving(&endpoint.socket);
    // Asked directly: tokio may not know of it yet.
    for _ in 0..LAST_BATCHES {
        let received = desk.inbox.receive_draining(&endpoint.socket);
        if !endpoint.handle_batch(&received, &mut desk).await {
            break;
        }
    }
    while desk.late.is_waiting() {
        desk.late.wait().await;
        if endpoint.advance(&mut desk).await {
            tokio::task::yield_now().await;
        }
    }
}

impl Endpoint {
    fn new(listener: Arc<Listener>, socket: Door, family: Family) -> Arc<Self> {
        Arc::new(Self { listener, socket, family, backlog: Mutex::default() })
    }

    /// One batch. True if there may be more to read.
    async fn turn(self: &Arc<Self>, desk: &mut Desk) -> bool {
        let received = self.socket.read(|socket| desk.inbox.receive_draining(socket));
        self.handle_batch(&received, desk).await
    }

    async fn handle_batch(self: &Arc<Self>, received: &io::Result<usize>, desk: &mut Desk) -> bool {
        if let Err(error) = received
            && error.kind() != io::ErrorKind::WouldBlock
        {
            tracing::debug!(%error, address = %self.listener.address, "receiving failed");
        }
        let Desk { inbox, outbox, late } = desk;
        let count = inbox.len();
        if count > 0 {
            self.reply(outbox, |table, outbox| self.handle_each(table, inbox, late, outbox)).await;
        }
        count == BATCH
    }

    /// Goes on with the replies that had to wait. True if there are more.
    async fn advance(self: &Arc<Self>, desk: &mut Desk) -> bool {
        let Desk { outbox, late, .. } = desk;
        let mut more = false;
        self.reply(outbox, |_table, outbox| {
            more = late.advance(BATCH, |mut reply, route| outbox.push_taken(&mut reply, route));
        })
        .await;
        more
    }

    /// Sends the replies that `work` makes.
    async fn reply(self: &Arc<Self>, outbox: &mut Outbox, work: impl FnOnce(&Table, &mut Outbox)) {
        // Each of the many chains of a batch may do as much as one alone.
        tokio::task::unconstrained(async {
            let table = self.listener.table.load();
            match &table.send_queue {
                None => work(&table, outbox),
                Some(queue) => {
                    self.with_backlog(queue, |replies| work(&table, replies));
                    self.flush_backlog();
                }
            }
        })
        .await;
        self.send(outbox).await;
    }

    fn handle_each(&self, table: &Table, inbox: &mut Inbox, late: &mut Late, outbox: &mut Outbox) {
        let now = Instant::now();
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for datagram in inbox.drain() {
            if has_expired(datagram.arrival, time) {
                self.listener.shared.count_drop(DropReason::Expired, Transport::Udp);
                continue;
            }
            self.handle(table, &datagram, now, late, outbox);
        }
    }

    fn handle(
        &self,
        table: &Table,
        datagram: &Datagram<'_>,
        received: Instant,
        late: &mut Late,
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
        let waker = late.next_waker();
        match shared.handle_from(table, datagram.bytes, source, outlet, waker) {
            Answer::Now(Some(mut reply)) => outbox.push_taken(&mut reply, &datagram.route),
            Answer::Now(None) => {}
            Answer::Later(later) => late.keep(later, datagram.route),
        }
    }

    fn local_of(&self, route: &Route) -> std::net::SocketAddr {
        let mut local = self.listener.address;
        if let Some(told) = route.local {
            local.set_ip(told.address);
        }
        local
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
