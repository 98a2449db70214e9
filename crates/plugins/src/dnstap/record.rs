//! A record as octets: the protocol buffers of `dnstap.proto`.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_core::Transport;
use dunlin_core::protobuf::{fixed32, number, octets};

/// What a record is about; the numbers are those of `Message.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ClientQuery = 5,
    ClientResponse = 6,
    ForwarderQuery = 7,
    ForwarderResponse = 8,
}

impl Kind {
    pub(super) const ALL: [Self; 4] =
        [Self::ClientQuery, Self::ClientResponse, Self::ForwarderQuery, Self::ForwarderResponse];

    /// The name in `dnstap.proto`, as a label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::ClientQuery => "client_query",
            Self::ClientResponse => "client_response",
            Self::ForwarderQuery => "forwarder_query",
            Self::ForwarderResponse => "forwarder_response",
        }
    }
}

/// What is said of one message. Empty messages are left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) kind: Kind,
    pub(super) transport: Transport,
    pub(super) query_address: Option<SocketAddr>,
    pub(super) response_address: Option<SocketAddr>,
    pub(super) query_time: SystemTime,
    pub(super) response_time: Option<SystemTime>,
    pub(super) query: &'a [u8],
    pub(super) response: &'a [u8],
}

/// Who says it. Empty texts are left out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) identity: &'a [u8],
    pub(super) version: &'a [u8],
    pub(super) extra: &'a [u8],
}

/// The record, without the length in front that makes it a frame.
pub(super) fn encode(sender: &Sender<'_>, message: &Message<'_>) -> Vec<u8> {
    let texts = sender.identity.len() + sender.version.len() + sender.extra.len();
    let payload = message.query.len() + message.response.len();
    let mut inner = Vec::with_capacity(payload + OVERHEAD);
    append_message(message, &mut inner);
    let mut out = Vec::with_capacity(texts + inner.len() + OVERHEAD);
    for (field, text) in [(1, sender.identity), (2, sender.version), (3, sender.extra)] {
        octets(&mut out, field, text);
    }
    octets(&mut out, 14, &inner);
    number(&mut out, 15, TYPE_MESSAGE);
    out
}

/// More than all fields with a length of their own need.
const OVERHEAD: usize = 96;
const TYPE_MESSAGE: u64 = 1;

fn append_message(message: &Message<'_>, out: &mut Vec<u8>) {
    number(out, 1, message.kind as u64);
    if let Some(address) = message.query_address.or(message.response_address) {
        number(out, 2, if address.ip().to_canonical().is_ipv4() { INET } else { INET6 });
    }
    number(out, 3, protocol(message.transport));
    address(out, 4, message.query_address);
    address(out, 5, message.response_address);
    port(out, 6, message.query_address);
    port(out, 7, message.response_address);
    time(out, (8, 9), Some(message.query_time));
    octets(out, 10, message.query);
    time(out, (12, 13), message.response_time);
    octets(out, 14, message.response);
}

const INET: u64 = 1;
const INET6: u64 = 2;

/// `SocketProtocol`. CoreDNS knows UDP and TCP only.
fn protocol(transport: Transport) -> u64 {
    match transport {
        Transport::Udp => 1,
        Transport::Tls => 3,
        _ => 2,
    }
}

fn address(out: &mut Vec<u8>, field: u32, address: Option<SocketAddr>) {
    match address.map(|address| address.ip().to_canonical()) {
        Some(IpAddr::V4(v4)) => octets(out, field, &v4.octets()),
        Some(IpAddr::V6(v6)) => octets(out, field, &v6.octets()),
        None => {}
    }
}

fn port(out: &mut Vec<u8>, field: u32, address: Option<SocketAddr>) {
    if let Some(address) = address {
        number(out, field, address.port().into());
    }
}

/// Seconds since 1970, and nanoseconds.
fn time(out: &mut Vec<u8>, (seconds, nanoseconds): (u32, u32), time: Option<SystemTime>) {
    let Some(time) = time else { return };
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    number(out, seconds, since.as_secs());
    fixed32(out, nanoseconds, since.subsec_nanos());
}
