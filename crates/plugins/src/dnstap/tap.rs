//! One line of the directive: what it says about a message, and whom it tells.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use dunlin_core::metrics::{Counter, Metrics};
use dunlin_core::replacer::{Event, Format};
use dunlin_core::tap::Exchange;
use dunlin_core::wire::{HEADER_LEN, write_u16};
use dunlin_core::{Query, Reply, tap};

use super::outlet::Outlet;
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
    outlet: Arc<Outlet>,
    /// In the order of [`Kind::ALL`].
    records: [Counter; 4],
}

impl Tap {
    pub(super) fn new(
        style: Style,
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
        Self { style, outlet, records }
    }

    pub(super) fn client_query(&self, query: &Query, asked: SystemTime) {
        self.tell(query, &Message { query: query.as_bytes(), ..from_client(query, asked) });
    }

    pub(super) fn client_response(
        &self,
        query: &Query,
        reply: &mut Reply,
        (asked, answered): (SystemTime, SystemTime),
    ) {
        let response = match reply.wire() {
            Ok((bytes, summary)) if self.style.full => {
                for_client(query, bytes, summary.question_end)
            }
            // What does not encode is not sent either.
            Err(_) => return,
            Ok(_) => Vec::new(),
        };
        let message = Message {
            kind: Kind::ClientResponse,
            response_time: Some(answered),
            response: &response,
            ..from_client(query, asked)
        };
        self.tell(query, &message);
    }

    fn tell(&self, query: &Query, message: &Message<'_>) {
        if !self.outlet.is_open() {
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
        let counters = Kind::ALL.iter().zip(&self.records);
        counters.filter(|(kind, _)| **kind == message.kind).for_each(|(_, counter)| counter.inc());
    }
}

impl tap::Tap for Tap {
    fn wants_messages(&self) -> bool {
        self.style.full
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

/// The reply with ID and question as this client is going to see them; what fits it to the client's
/// size happens further out.
fn for_client(query: &Query, bytes: &[u8], question_end: usize) -> Vec<u8> {
    let mut reply = bytes.to_vec();
    write_u16(&mut reply, 0, query.id());
    let asked = query.question();
    if let Some(question) = reply.get_mut(HEADER_LEN..question_end)
        && question.eq_ignore_ascii_case(asked)
    {
        question.copy_from_slice(asked);
    }
    reply
}
