//! One message in, one reply out: the same for every transport and every driver.

mod panics;
mod pending;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_core::directive::Control;
use dunlin_core::edns::ExtendedError;
use dunlin_core::gate::{self, DropReason, Opcodes, Rejection};
use dunlin_core::metrics::{Counter, DnsMetrics, Metrics, Outcome, SiteSeries};
use dunlin_core::op::ResponseCode;
use dunlin_core::query::Source;
use dunlin_core::site::Site;
use dunlin_core::wire::{CLASS_IN, HEADER_LEN, WireName};
use dunlin_core::{Query, Transport};
use tokio::time::Instant;

pub use self::panics::install_hook;
use self::panics::{CatchPanic, Caught};
use self::pending::{Pending, Permit};
use crate::fit::{bare, fit};
use crate::table::{Place, Table};

/// What all listeners of the process share.
#[derive(Debug)]
pub(crate) struct Shared {
    metrics: DnsMetrics,
    dropped: Vec<(DropReason, [Counter; 2])>,
    trailing: Counter,
    pending: Pending,
    /// What to do about a panic that nobody may survive (`debug`).
    pub(crate) fatal: Control,
}

/// What becomes of a message.
pub(crate) enum Answer {
    /// The reply, or nothing at all.
    Now(Option<Buffer>),
    /// The reply needs somebody else's: the future is to be driven on this thread's runtime.
    Later(Later),
}

/// Whether a reply can be sent at once, as far as is known when its query comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlet {
    /// Nothing stands in the way.
    Free,
    /// As many replies wait as may wait.
    Full,
}

/// A reply in the making, for whoever drives it until its deadline.
pub(crate) struct Later {
    shared: Arc<Shared>,
    serving: Serving,
    echo: Echo,
    _held: Permit,
}

/// A chain at work.
type Serving = Pin<Box<dyn Future<Output = End> + Send>>;

/// What a chain ended in. What all listeners share is left out of it: a count of who holds it
/// would be written to for every query, by every worker.
enum End {
    Reply(Buffer),
    /// A plugin wants nothing sent over this transport.
    Silence(Transport),
    Panic(Box<Panicked>),
}

/// A query on which a plugin panicked.
struct Panicked {
    place: Arc<Place>,
    query: Query,
    caught: Caught,
}

/// No query is worked on longer than this: what a plugin's own deadline should have ended.
const DEADLINE: Duration = Duration::from_secs(6);

impl Shared {
    pub(crate) fn new(metrics: &Metrics, fatal: Control) -> Self {
        Self::within(metrics, fatal, dunlin_os::limits::memory())
    }

    /// For a process that may have this much memory, in octets.
    pub(crate) fn within(metrics: &Metrics, fatal: Control, memory: Option<u64>) -> Self {
        let dropped = metrics.counter(
            "dunlin_dropped_total",
            "Messages that got no reply, by reason and transport.",
            &["reason", "transport"],
        );
        let both = |reason: DropReason| {
            let of = |transport| dropped.with(&[reason.label(), transport]);
            (reason, [of("udp"), of("tcp")])
        };
        Self {
            metrics: DnsMetrics::of(metrics),
            dropped: DropReason::ALL.into_iter().map(both).collect(),
            trailing: metrics
                .counter(
                    "dunlin_queries_with_garbage_total",
                    "Queries with garbage at their end.",
                    &[],
                )
                .with(&[]),
            pending: Pending::new(metrics, memory),
            fatal,
        }
    }

    /// Handles one message. The chain is polled once right here: most replies are ready then.
    pub(crate) fn handle(
        self: &Arc<Self>,
        table: &Table,
        message: &[u8],
        source: Source,
    ) -> Answer {
        self.handle_from(table, message, source, Outlet::Free, Waker::noop())
    }

    /// As [`Shared::handle`], for a message whose reply may not find its way, and for somebody who
    /// polls what has to wait when this waker says so, and not before.
    pub(crate) fn handle_from(
        self: &Arc<Self>,
        table: &Table,
        message: &[u8],
        source: Source,
        outlet: Outlet,
        waker: &Waker,
    ) -> Answer {
        let mut name = WireName::new();
        let accepted =
            gate::accept(message, source.client, source.transport, table.opcodes, &mut name);
        let view = match accepted {
            Ok(view) => view,
            Err(rejection) => return self.reject(rejection, message, source.transport),
        };
        if view.trailing > 0 {
            self.trailing.inc();
        }
        let mut query = Query::new(Buffer::copy_of(message), view, &name, source);
        let found = table.dispatch(&mut query, |place, query| self.admits(place, query));
        let served = query.qclass_code() == CLASS_IN || table.any_class;
        let Some(place) = found.filter(|place| served && !place.chain.is_empty()) else {
            return self.refuse(table, &query);
        };
        query.place(Arc::clone(&place.site));
        if outlet == Outlet::Full {
            query.mark_congested();
        }
        let mut serving: Serving = Box::pin(serve(Arc::clone(place), query));
        let mut context = Context::from_waker(waker);
        if let Poll::Ready(end) = serving.as_mut().poll(&mut context) {
            return Answer::Now(self.conclude(end));
        }
        // The query is out of reach inside the chain now: what may have to be said without it is
        // made from the bytes once more.
        let echo = Echo { message: message.into(), source, opcodes: table.opcodes };
        match self.pending.enter() {
            Some(held) => {
                Answer::Later(Later { shared: Arc::clone(self), serving, echo, _held: held })
            }
            None => Answer::Now(echo.failure("too many queries in work")),
        }
    }

    /// Whether a place takes a query; one whose plugins panic does not.
    fn admits(&self, place: &Place, query: &mut Query) -> bool {
        panics::catch(|| place.admits(query)).unwrap_or_else(|caught| {
            self.report_panic(place, query, &caught);
            false
        })
    }

    fn reject(&self, rejection: Rejection, message: &[u8], transport: Transport) -> Answer {
        if let Rejection::Drop(reason) = rejection {
            self.count_drop(reason, transport);
            return Answer::Now(None);
        }
        let mut reply = Buffer::new();
        rejection.write_reply(message, &mut reply);
        Answer::Now(Some(reply))
    }

    pub(crate) fn count_drop(&self, reason: DropReason, transport: Transport) {
        let known = self.dropped.iter().find(|(known, _)| *known == reason);
        if let Some((_, [udp, tcp])) = known {
            if transport.is_stream() { tcp.inc() } else { udp.inc() }
        }
    }

    /// No server block takes the query: REFUSED, counted under zone `dropped`.
    fn refuse(&self, table: &Table, query: &Query) -> Answer {
        let series = table.dropped.get_or_init(|| self.dropped_series(&table.server));
        series.count(query, &outcome_of(query, ResponseCode::Refused));
        let error = ExtendedError::new(ExtendedError::NOT_AUTHORITATIVE, "no server block");
        Answer::Now(Some(bare(query, ResponseCode::Refused, Some(&error))))
    }

    fn dropped_series(&self, server: &str) -> SiteSeries {
        let site = Site { server: server.into(), zone: "dropped".into(), ..Site::default() };
        SiteSeries::new(&self.metrics, &Arc::new(site))
    }

    /// The reply that an end makes, and what is counted and said about it.
    fn conclude(&self, end: End) -> Option<Buffer> {
        match end {
            End::Reply(reply) => Some(reply),
            End::Silence(transport) => {
                self.count_drop(DropReason::Plugin, transport);
                None
            }
            End::Panic(panicked) => {
                let Panicked { place, query, caught } = *panicked;
                self.report_panic(&place, &query, &caught);
                Some(bare(&query, ResponseCode::ServFail, None))
            }
        }
    }

    fn report_panic(&self, place: &Place, query: &Query, caught: &Caught) {
        self.metrics.panics.with(&[]).inc();
        let server = &place.site.server;
        self.dropped_series(server).count(query, &outcome_of(query, ResponseCode::ServFail));
        let trace =
            if place.stacktrace { format!("\n{}", caught.backtrace) } else { String::new() };
        tracing::error!("Recovered from panic in server: {server:?} {}{trace}", caught.text);
        if place.debug {
            self.fatal.end_with_error(caught.text.clone());
        }
    }
}

/// Of a reply that no plugin made: header and question.
fn outcome_of(query: &Query, rcode: ResponseCode) -> Outcome {
    Outcome {
        query_len: query.len(),
        reply_len: HEADER_LEN + query.question().len(),
        duration: query.received().elapsed(),
        rcode: rcode.into(),
        author: "",
    }
}

/// Not an `async fn`: that would keep each argument twice, and the future is copied to the heap for
/// every query.
#[expect(clippy::manual_async_fn, reason = "see above")]
fn serve(place: Arc<Place>, mut query: Query) -> impl Future<Output = End> + Send {
    async move {
        let outcome = {
            let answering = std::pin::pin!(answer(&place, &mut query));
            CatchPanic(answering).await
        };
        outcome.unwrap_or_else(|caught| End::Panic(Box::new(Panicked { place, query, caught })))
    }
}

/// All that runs code of plugins, or over what they made.
async fn answer(place: &Place, query: &mut Query) -> End {
    place.prepare(query);
    let mut result = place.chain.run(query).await;
    match &mut result {
        Ok(reply) => match fit(query, reply) {
            Ok(Some(message)) => {
                if let Some(watcher) = reply.take_watcher() {
                    watcher.show(query, &message);
                }
                End::Reply(message)
            }
            Ok(None) => End::Silence(query.transport()),
            Err(error) => {
                let server = &place.site.server;
                tracing::error!("a reply in server {server:?} cannot be sent: {error}");
                End::Reply(bare(query, ResponseCode::ServFail, None))
            }
        },
        Err(error) => End::Reply(bare(query, error.rcode(), error.extended_error())),
    }
}

impl Later {
    /// The reply, at the deadline at the latest.
    pub(crate) async fn in_time(mut self) -> Option<Buffer> {
        let deadline = self.deadline();
        let reply = poll_fn(|context| self.poll(context));
        match tokio::time::timeout_at(deadline, reply).await {
            Ok(reply) => reply,
            Err(_elapsed) => self.give_up(),
        }
    }

    /// Goes on with the chain. Not to be called again once it is ready.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Buffer>> {
        self.serving.as_mut().poll(context).map(|end| self.shared.conclude(end))
    }

    /// When to give up.
    pub(crate) fn deadline(&self) -> Instant {
        self.echo.source.received + DEADLINE
    }

    /// The reply of a chain whose time is over.
    pub(crate) fn give_up(self) -> Option<Buffer> {
        let Self { shared, serving, echo, .. } = self;
        shared.pending.count_given_up();
        // What a plugin leaves undone is tidied up by code of its own.
        if let Err(caught) = panics::catch(|| drop(serving)) {
            shared.metrics.panics.with(&[]).inc();
            tracing::error!("panic in a query that was given up: {}", caught.text);
        }
        echo.failure("deadline exceeded")
    }
}

/// A message that was accepted, for a reply that its query can no longer give.
struct Echo {
    message: Box<[u8]>,
    source: Source,
    opcodes: Opcodes,
}

impl Echo {
    /// SERVFAIL that no plugin asked for.
    fn failure(&self, reason: &'static str) -> Option<Buffer> {
        let mut name = WireName::new();
        let Source { client, transport, .. } = self.source;
        let view = gate::accept(&self.message, client, transport, self.opcodes, &mut name).ok()?;
        let query = Query::new(Buffer::copy_of(&self.message), view, &name, self.source);
        let error = ExtendedError::new(ExtendedError::NETWORK_ERROR, reason);
        Some(bare(&query, ResponseCode::ServFail, Some(&error)))
    }
}

/// IPv4 clients of a dual-stack socket are shown as what they are.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
