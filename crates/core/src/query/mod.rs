//! A query on its way through the chain.

mod asked;
mod derived;
#[cfg(test)]
mod tests;
mod upstream;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;
use tokio::time::Instant;

use crate::buffer::Buffer;
use crate::edns::{MIN_UDP_SIZE, OUR_UDP_SIZE};
use crate::gate::View;
use crate::metadata::Metadata;
use crate::reply::Reply;
use crate::site::Site;
use crate::transport::Transport;
use crate::wire::WireName;

/// What we were asked, by whom, and how. It is made from bytes that passed the gate; what costs
/// (names, records) is decoded when somebody asks for it.
pub struct Query {
    /// The message without trailing octets, then QNAME in lower case.
    bytes: Buffer,
    view: View,
    source: Source,
    /// `None` until a server block takes the query.
    site: Option<Arc<Site>>,
    metadata: Option<Box<Metadata>>,
    our_size: u16,
    reply_options: Vec<u8>,
    name: OnceLock<Box<Name>>,
    /// Lookups that led to this query.
    depth: u8,
    /// Lookups for the client's query so far, once there was one.
    lookups: OnceLock<Arc<AtomicU32>>,
    /// Whether the EDNS options are those of a plugin, which all travel upstream.
    options_are_ours: bool,
    is_congested: bool,
    message: OnceLock<Option<Box<Message>>>,
}

/// Where a query came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The client; IPv4 is never shown as mapped IPv6.
    pub client: SocketAddr,
    /// The address of ours that was asked.
    pub local: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// When it was read from its socket.
    pub received: Instant,
}

impl Query {
    /// Takes over the bytes that the gate has seen: `view` and `name` are what it returned.
    #[must_use]
    pub fn new(mut bytes: Buffer, view: View, name: &WireName, source: Source) -> Self {
        bytes.truncate(view.end);
        bytes.extend_from_slice(name.as_bytes());
        Self {
            bytes,
            view,
            source,
            site: None,
            metadata: None,
            our_size: OUR_UDP_SIZE,
            reply_options: Vec::new(),
            depth: 0,
            lookups: OnceLock::new(),
            options_are_ours: false,
            is_congested: false,
            name: OnceLock::new(),
            message: OnceLock::new(),
        }
    }

    /// Says which server block answers; the engine does this before the chain runs.
    pub fn place(&mut self, site: Arc<Site>) {
        self.site = Some(site);
    }

    /// Says that the way back to the client is congested; the engine does this where a listener has a
    /// [`SendQueue`](crate::directive::SendQueue).
    pub fn mark_congested(&mut self) {
        self.is_congested = true;
    }

    /// Whether as many replies wait to be sent as may wait, so that a reply to this query would cost
    /// another one its place. Never so for our own queries on behalf of a client.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.is_congested
    }

    /// Gives the query a metadata store; the engine does this for blocks with `metadata`.
    pub fn attach_metadata(&mut self, metadata: Metadata) {
        self.metadata = Some(Box::new(metadata));
    }

    /// Takes the metadata store away: the block that takes the query has none.
    pub fn detach_metadata(&mut self) {
        self.metadata = None;
    }

    /// Sets or clears flags of the query as plugins and upstreams further down see it, for
    /// example AD (RFC 6840 §5.7). What the client sent is in the reply's hands already.
    pub fn set_flag(&mut self, mask: u16, on: bool) {
        self.view.flags = self.view.flags.with(mask, on);
    }

    /// Lets the client take no more octets over UDP than `size`, and announces what is left of its
    /// own size, in place of [`OUR_UDP_SIZE`], to the client and to upstreams. Nothing happens to a
    /// query without OPT.
    pub fn cap_udp_size(&mut self, size: u16) {
        let Some(edns) = &mut self.view.edns else { return };
        edns.udp_size = edns.udp_size.min(size);
        self.our_size = edns.udp_size.max(MIN_UDP_SIZE);
        // The class of the OPT record: it stands before the TTL, RDLENGTH and the options.
        crate::wire::write_u16(
            &mut self.bytes,
            edns.options.start.saturating_sub(8),
            edns.udp_size,
        );
    }

    /// Octets that we announce and never exceed over UDP.
    #[must_use]
    pub fn our_udp_size(&self) -> u16 {
        self.our_size
    }

    /// Adds an EDNS option to whatever reply this query gets. It is left out if the client sent no
    /// OPT, or if its size has no room for it.
    pub fn add_reply_option(&mut self, code: u16, data: &[u8]) {
        let Ok(length) = u16::try_from(data.len()) else { return };
        self.reply_options.extend_from_slice(&code.to_be_bytes());
        self.reply_options.extend_from_slice(&length.to_be_bytes());
        self.reply_options.extend_from_slice(data);
    }

    /// The options that plugins have added for the reply, as they stand in an OPT record.
    #[must_use]
    pub fn reply_options(&self) -> &[u8] {
        &self.reply_options
    }

    /// The client's address; IPv4 is never shown as mapped IPv6.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.source.client
    }

    /// The address of ours that was asked.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.source.local
    }

    /// How the query came.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.source.transport
    }

    /// When the query was read from its socket.
    #[must_use]
    pub fn received(&self) -> Instant {
        self.source.received
    }

    /// The listener, server block and zone that answer.
    #[must_use]
    pub fn site(&self) -> &Arc<Site> {
        self.site.as_ref().unwrap_or_else(|| Site::none())
    }

    /// The metadata of this query; `None` without the `metadata` directive.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    /// An empty NOERROR reply to fill.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply::to(self)
    }

    /// An empty reply with this rcode.
    #[must_use]
    pub fn error(&self, rcode: ResponseCode) -> Reply {
        Reply::to(self).with_rcode(rcode)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("id", &self.view.id)
            .field("qname", &crate::wire::Presentation(self.qname_as_sent()).to_string())
            .field("qtype", &self.qtype())
            .field("client", &self.source.client)
            .field("transport", &self.source.transport)
            .finish_non_exhaustive()
    }
}
