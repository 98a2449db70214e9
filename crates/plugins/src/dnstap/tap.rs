//! One line of the directive: what it says about a message, and whom it tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use dunlin_core::metrics::{Counter, Metrics};
use dunlin_core::replacer::{Event, Format};
use dunlin_core::tap::Exchange;
use dunlin_core::{Query, tap};

use super::choice::{Choice, Chooser};
use super::outlet::{Outlet, Reason};
use super::record::{Kind, Message, Sender, encode};

/// What records of a line say beside their message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether messages are part of them.
    pub(super) full: bool,
    pub(super) identity: String,
    pub(super) version: String,
    pub(super) extra: Option<Format>,
}

/// A line at work.
#[derive(Debug)]
pub(super) struct Tap {
    style: Style,
    chooser: Chooser,
    outlet: Arc<Outlet>,
    /// In the order of [`Kind::ALL`].
    records: [Counter; 4],
}

impl Tap {
    pub(super) fn new(
        style: Style,
        choice: Choice,
        outlet: Arc<Outlet>,
        metrics: &Metrics,
        endpoint: &str,
    ) -> Self {
        let records = metrics.counter(
            "dunlin_dnstap_records_total",
            "Records made, by type.",
            &["endpoint", "type"],
        );
        let records = Kind::ALL.map(|kind| records.with(&[endpoint, kind.label()]));
        Self { style, chooser: Chooser::new(choice), outlet, records }
    }

    /// Whether a record would be of no use to anybody.
    pub(super) fn is_idle(&self) -> bool {
        !self.outlet.is_open() || self.outlet.discards()
    }

    /// Whether records of this kind are made at all.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.chooser.has(kind)
    }

    /// Whether a record of this kind is made of this query.
    pub(super) fn takes(&self, query: &Query, kind: Kind) -> bool {
        self.chooser.takes(query, kind)
    }

    /// Counts a record that was not made because it would have been thrown away.
    pub(super) fn lose(&self, query: &Query, kind: Kind) {
        if self.outlet.is_open() && self.takes(query, kind) {
            self.count(kind);
            self.outlet.numbers.drop_one(Reason::Unconnected);
        }
    }

    fn count(&self, kind: Kind) {
        let counters = Kind::ALL.iter().zip(&self.records);
        counters.filter(|(known, _)| **known == kind).for_each(|(_, counter)| counter.inc());
    }

    pub(super) fn client_query(&self, query: &Query, asked: SystemTime) {
        self.tell(query, &Message { query: query.as_bytes(), ..from_client(query, asked) });
    }

    pub(super) fn client_response(
        &self,
        query: &Query,
        response: &[u8],
        (asked, answered): (SystemTime, SystemTime),
    ) {
        let message = Message {
            kind: Kind::ClientResponse,
            response_time: Some(answered),
            response,
            ..from_client(query, asked)
        };
        self.tell(query, &message);
    }

    fn tell(&self, query: &Query, message: &Message<'_>) {
        if self.is_idle() {
            return self.lose(query, message.kind);
        }
        if !self.takes(query, message.kind) {
            return;
        }
        let mut extra = Vec::new();
        if let Some(format) = &self.style.extra {
            format.append(&Event { query, outcome: None, duration: None }, &mut extra);
        }
        let sender = Sender {
            identity: self.style.identity.as_bytes(),
            version: self.style.version.as_bytes(),
            extra: &extra,
        };
        let mut message = *message;
        if !self.style.full {
            (message.query, message.response) = (&[], &[]);
        }
        self.outlet.send(encode(&sender, &message));
        self.count(message.kind);
    }
}

impl tap::Tap for Tap {
    fn wants_messages(&self) -> bool {
        self.style.full && !self.is_idle()
    }

    fn exchanged(&self, query: &Query, exchange: &Exchange<'_>) {
        let sent = Message {
            kind: Kind::ForwarderQuery,
            transport: exchange.transport,
            query_address: exchange.local,
            response_address: Some(exchange.upstream),
            query_time: exchange.sent,
            response_time: None,
            query: exchange.query,
            response: &[],
        };
        self.tell(query, &sent);
        if exchange.received.is_some() {
            let received = Message {
                kind: Kind::ForwarderResponse,
                response_time: exchange.received,
                query: &[],
                response: exchange.response,
                ..sent
            };
            self.tell(query, &received);
        }
    }
}

fn from_client(query: &Query, asked: SystemTime) -> Message<'static> {
    let client: SocketAddr = query.client();
    Message {
        kind: Kind::ClientQuery,
        transport: query.transport(),
        query_address: Some(client),
        response_address: None,
        query_time: asked,
        response_time: None,
        query: &[],
        response: &[],
    }
}
