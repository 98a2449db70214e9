//! A query on its way through the chain.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use tokio::time::Instant;

use crate::buffer::Buffer;
use crate::change::Change;
use crate::edns::{Edns, EdnsOptions, MIN_UDP_SIZE, OUR_UDP_SIZE, options, travels_upstream};
use crate::error::Result;
use crate::gate::View;
use crate::metadata::Metadata;
use crate::reply::Reply;
use crate::site::Site;
use crate::transport::Transport;
use crate::wire::{Flags, HEADER_LEN, MAX_MESSAGE_LEN, WireName, types};

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

    /// The same question from the same client for work that goes on after the reply was sent,
    /// with a metadata store of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            bytes: Buffer::copy_of(&self.bytes),
            view: self.view.clone(),
            source: self.source,
            site: self.site.clone(),
            metadata: self.metadata.as_ref().map(|known| Box::new(known.emptied())),
            our_size: self.our_size,
            reply_options: Vec::new(),
            depth: self.depth,
            lookups: OnceLock::new(),
            options_are_ours: self.options_are_ours,
            is_congested: false,
            name: OnceLock::new(),
            message: OnceLock::new(),
        }
    }

    /// As [`Query::duplicate`], but as if it had come over TCP, so that nothing is truncated.
    #[must_use]
    pub fn duplicate_over_tcp(&self) -> Self {
        let mut query = self.duplicate();
        query.source.transport = Transport::Tcp;
        query
    }

    /// A change of this query, to be filled and then made with [`Query::changed`].
    #[must_use]
    pub fn change(&self) -> Change {
        Change::of(self)
    }

    /// The query that plugins further down are to see in place of this one. The metadata goes along;
    /// [`Query::take_back`] brings it home. The reply to it has the other question.
    ///
    /// # Errors
    /// A question that no client may ask either; what was to change is to blame.
    pub fn changed(&mut self, change: &Change) -> Result<Self> {
        let (bytes, view, name) = change.pass(self)?;
        let mut query = Self::new(bytes, view, &name, self.source);
        query.view.flags = self.view.flags;
        query.site.clone_from(&self.site);
        query.our_size = self.our_size;
        query.depth = self.depth;
        query.lookups = self.lookups.clone();
        query.options_are_ours = self.options_are_ours || change.options.is_some();
        query.is_congested = self.is_congested;
        query.metadata = self.metadata.take();
        Ok(query)
    }

    /// Ends a change: what plugins have told each other about the other query holds for this one, and
    /// so do the options that they want in the reply.
    pub fn take_back(&mut self, mut changed: Self) {
        self.reply_options.append(&mut changed.reply_options);
        self.metadata = changed.metadata;
    }

    /// A query of ours on behalf of this one, for another name in class IN.
    ///
    /// # Errors
    /// As for [`Query::changed`].
    pub(crate) fn nested(&self, name: &[u8], qtype: u16) -> Result<Self> {
        let (bytes, view, name) = Change::ask(name, qtype).pass(self)?;
        let mut query = Self::new(bytes, view, &name, self.source);
        query.view.flags = self.view.flags;
        query.site.clone_from(&self.site);
        query.our_size = self.our_size;
        query.depth = self.depth.saturating_add(1);
        query.lookups = Arc::clone(self.lookups.get_or_init(Arc::default)).into();
        query.options_are_ours = self.options_are_ours;
        Ok(query)
    }

    /// How many lookups of plugins led to this query; 0 for a client's.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// Counts one more lookup for the client's query, and says how many there were before.
    pub(crate) fn count_lookup(&self) -> u32 {
        self.lookups.get_or_init(Arc::default).fetch_add(1, Ordering::Relaxed)
    }

    /// The message ID.
    #[must_use]
    pub fn id(&self) -> u16 {
        self.view.id
    }

    /// The header flags.
    #[must_use]
    pub fn flags(&self) -> Flags {
        self.view.flags
    }

    /// QNAME in wire form, lower case, uncompressed.
    #[must_use]
    pub fn qname(&self) -> &[u8] {
        self.bytes.get(self.view.end..).unwrap_or_default()
    }

    /// QNAME in wire form as the client spelled it.
    #[must_use]
    pub fn qname_as_sent(&self) -> &[u8] {
        let end = HEADER_LEN + usize::from(self.view.qname_len);
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// The question section as sent: QNAME, QTYPE, QCLASS.
    #[must_use]
    pub fn question(&self) -> &[u8] {
        let end = HEADER_LEN + usize::from(self.view.qname_len) + 4;
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// QNAME as the client spelled it.
    pub fn name(&self) -> &Name {
        self.name.get_or_init(|| {
            let mut decoder = BinDecoder::new(self.qname_as_sent());
            Box::new(Name::read(&mut decoder).unwrap_or_else(|_| Name::root()))
        })
    }

    /// QTYPE.
    #[must_use]
    pub fn qtype(&self) -> RecordType {
        RecordType::from(self.view.qtype)
    }

    /// QTYPE as a number.
    #[must_use]
    pub fn qtype_code(&self) -> u16 {
        self.view.qtype
    }

    /// QCLASS.
    #[must_use]
    pub fn qclass(&self) -> DNSClass {
        DNSClass::from(self.view.qclass)
    }

    /// QCLASS as a number.
    #[must_use]
    pub fn qclass_code(&self) -> u16 {
        self.view.qclass
    }

    /// The OPT record.
    #[must_use]
    pub fn edns(&self) -> Option<&Edns> {
        self.view.edns.as_ref()
    }

    /// The EDNS options, in order.
    #[must_use]
    pub fn edns_options(&self) -> EdnsOptions<'_> {
        let range = self.view.edns.as_ref().map(|edns| edns.options.clone()).unwrap_or_default();
        EdnsOptions(self.bytes.get(range).unwrap_or_default())
    }

    /// Whether the client wants DNSSEC records (the DO flag).
    #[must_use]
    pub fn dnssec_ok(&self) -> bool {
        self.view.edns.as_ref().is_some_and(|edns| edns.dnssec_ok)
    }

    /// Octets that the client can take: 65,535 over a stream, else its UDP payload size, 512 at
    /// least.
    #[must_use]
    pub fn max_size(&self) -> usize {
        if self.source.transport.is_stream() {
            return MAX_MESSAGE_LEN;
        }
        usize::from(self.view.edns.as_ref().map_or(0, |edns| edns.udp_size).max(MIN_UDP_SIZE))
    }

    /// The length of the message in octets.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a message is never empty")]
    pub fn len(&self) -> usize {
        self.view.end
    }

    /// The message as received, trailing octets stripped.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.view.end).unwrap_or_default()
    }

    /// The message in full; `None` if something in it that the gate ignores does not decode.
    pub fn message(&self) -> Option<&Message> {
        self.message
            .get_or_init(|| Message::from_vec(self.as_bytes()).ok().map(Box::new))
            .as_deref()
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

    /// Appends the query as it goes to an upstream, with ID 0: re-made from what the gate
    /// understood, never copied. RD, AD and CD are kept; OPT is rebuilt with our own size; options
    /// that belong to one hop (RFC 6891 §6.2.6) stay behind.
    pub fn append_for_upstream(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kept = Flags::RD | Flags::AD | Flags::CD | Flags::OPCODE;
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&(self.view.flags.0 & kept).to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.view.edns.is_some())]);
        out.extend_from_slice(self.question());
        if self.view.edns.is_none() {
            return;
        }
        out.extend_from_slice(&[0, 0, types::OPT.to_be_bytes()[1]]);
        out.extend_from_slice(&self.our_size.to_be_bytes());
        out.extend_from_slice(&[0, 0, if self.dnssec_ok() { 0x80 } else { 0 }, 0, 0, 0]);
        let length_at = out.len() - 2;
        let mut has_subnet = false;
        for (code, data) in self.edns_options() {
            // Of an option that may stand once, the first counts.
            let is_repeated = code == options::CLIENT_SUBNET && has_subnet;
            has_subnet |= code == options::CLIENT_SUBNET;
            if !is_repeated && (self.options_are_ours || travels_upstream(code, data)) {
                let length = u16::try_from(data.len()).unwrap_or(0);
                out.extend_from_slice(&code.to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(data);
            }
        }
        let length = u16::try_from(out.len() - length_at - 2).unwrap_or(0);
        crate::wire::write_u16(out, length_at, length);
        debug_assert!(start <= length_at);
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

#[cfg(test)]
mod tests {
    use hickory_proto::serialize::binary::BinEncodable;

    use super::*;
    use crate::testing::query;

    #[test]
    fn names_come_in_the_clients_spelling_and_in_lower_case() {
        let query = query("wWw.eXample.ORG", RecordType::AAAA).class(3).build();
        assert_eq!(query.name().to_string(), "wWw.eXample.ORG.");
        assert_eq!(query.name().to_bytes().unwrap(), query.qname_as_sent());
        assert_eq!(query.qname_as_sent(), b"\x03wWw\x07eXample\x03ORG\x00");
        assert_eq!(query.qname(), b"\x03www\x07example\x03org\x00");
        assert_eq!(query.question(), b"\x03wWw\x07eXample\x03ORG\x00\x00\x1c\x00\x03");
        assert_eq!((query.qtype(), query.qtype_code()), (RecordType::AAAA, 28));
        assert_eq!((query.qclass(), query.qclass_code()), (DNSClass::CH, 3));
    }

    #[test]
    fn a_duplicate_asks_the_same_with_metadata_of_its_own() {
        let site = Arc::new(Site { zone: "org.".into(), ..Site::default() });
        let mut first = query("A.org", RecordType::A).dnssec_ok().at(Arc::clone(&site)).build();
        first.attach_metadata(Metadata::default());
        first.metadata().unwrap().set("a/b", "1");
        first.set_flag(Flags::AD, true);
        for (copy, transport) in
            [(first.duplicate(), Transport::Udp), (first.duplicate_over_tcp(), Transport::Tcp)]
        {
            assert_eq!(copy.as_bytes(), first.as_bytes());
            assert_eq!((copy.id(), copy.flags()), (first.id(), first.flags()));
            assert_eq!((copy.question(), copy.qname()), (first.question(), first.qname()));
            assert_eq!((copy.client(), copy.transport()), (first.client(), transport));
            assert_eq!(copy.edns(), first.edns());
            assert!(Arc::ptr_eq(copy.site(), &site));
            assert_eq!(copy.metadata().unwrap().get("a/b"), None);
        }
        assert_eq!(first.duplicate_over_tcp().max_size(), MAX_MESSAGE_LEN);
        assert!(query("a", RecordType::A).build().duplicate().metadata().is_none());
    }

    #[test]
    fn upstreams_get_the_flags_that_plugins_set() {
        let mut query = query("a", RecordType::A).id(9).build();
        query.set_flag(Flags::RD, false);
        query.set_flag(Flags::AD | Flags::CD | Flags::TC, true);
        let mut out = b"before".to_vec();
        query.append_for_upstream(&mut out);
        assert_eq!(out, b"before\0\0\0\x30\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
    }

    #[test]
    fn a_capped_size_is_seen_by_all_who_look() {
        let table = [(700, 4096, 700), (700, 600, 600), (4096, 65_535, 4096), (1232, 100, 100)];
        for (cap, sent, seen) in table {
            let mut query = query("a", RecordType::A).edns(sent).option(9, b"xy").build();
            query.cap_udp_size(cap);
            let announced = seen.max(MIN_UDP_SIZE);
            assert_eq!((query.edns().unwrap().udp_size, query.our_udp_size()), (seen, announced));
            assert_eq!(query.max_size(), usize::from(announced));
            assert_eq!(
                query.message().unwrap().edns.as_ref().unwrap().max_payload(),
                seen.max(512)
            );
            assert_eq!(query.edns_options().next(), Some((9, &b"xy"[..])));
            let mut out = Vec::new();
            query.duplicate().append_for_upstream(&mut out);
            assert_eq!(
                crate::wire::read_u16(&out, 12 + query.question().len() + 3),
                Some(announced)
            );
        }
        let mut without = query("a", RecordType::A).build();
        without.cap_udp_size(600);
        assert_eq!((without.edns(), without.our_udp_size()), (None, OUR_UDP_SIZE));
    }

    #[test]
    fn options_for_the_reply_are_those_of_one_query() {
        let mut query = query("a", RecordType::A).edns(4096).build();
        query.add_reply_option(3, b"ns1");
        query.add_reply_option(65_001, b"");
        assert_eq!(query.reply_options(), b"\x00\x03\x00\x03ns1\xfd\xe9\x00\x00");
        assert!(query.duplicate().reply_options().is_empty());
    }

    #[test]
    fn options_are_read_in_order_and_the_message_in_full() {
        let query =
            query("a", RecordType::A).edns(4096).option(3, b"").option(65_001, b"x").build();
        let options: Vec<(u16, &[u8])> = query.edns_options().collect();
        assert_eq!(options, [(3, &b""[..]), (65_001, b"x")]);
        assert_eq!(query.message().unwrap().edns.as_ref().unwrap().max_payload(), 4096);
        assert_eq!(query.len(), query.as_bytes().len());
    }
}
