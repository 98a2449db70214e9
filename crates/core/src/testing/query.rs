//! Queries as clients send them, made for tests.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use tokio::time::Instant;

use crate::buffer::Buffer;
use crate::error::Result;
use crate::gate::{self, Opcodes};
use crate::plugin::{Chain, Plugin};
use crate::query::{Query, Source};
use crate::reply::Reply;
use crate::site::Site;
use crate::transport::Transport;
use crate::wire::{Flags, WireName};

/// A query in the making.
#[derive(Debug, Clone)]
pub struct TestQuery {
    name: Name,
    qtype: u16,
    class: u16,
    id: u16,
    flags: u16,
    client: SocketAddr,
    transport: Transport,
    edns: Option<(u16, bool)>,
    options: Vec<u8>,
    site: Arc<Site>,
    congested: bool,
}

/// A query for a name and a type, from 127.0.0.1 over UDP, RD set, without EDNS. The name keeps
/// its letter case.
#[must_use]
pub fn query(name: &str, qtype: RecordType) -> TestQuery {
    TestQuery {
        name: Name::from_ascii(name).expect("a domain name"),
        qtype: qtype.into(),
        class: 1,
        id: 4660,
        flags: Flags::RD,
        client: "127.0.0.1:40000".parse().expect("an address"),
        transport: Transport::Udp,
        edns: None,
        options: Vec::new(),
        site: Arc::clone(Site::none()),
        congested: false,
    }
}

impl TestQuery {
    /// The client, `IP:PORT`.
    #[must_use]
    pub fn from(mut self, client: &str) -> Self {
        self.client = client.parse().expect("an address");
        self
    }

    /// Over TCP.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self
    }

    /// The message ID.
    #[must_use]
    pub fn id(mut self, id: u16) -> Self {
        self.id = id;
        self
    }

    /// The class as a number.
    #[must_use]
    pub fn class(mut self, class: u16) -> Self {
        self.class = class;
        self
    }

    /// Sets or clears header flags: `Flags::CD` and the like.
    #[must_use]
    pub fn flag(mut self, mask: u16, on: bool) -> Self {
        self.flags = Flags(self.flags).with(mask, on).0;
        self
    }

    /// The opcode.
    #[must_use]
    pub fn opcode(mut self, opcode: u8) -> Self {
        self.flags = (self.flags & !Flags::OPCODE) | u16::from(opcode) << 11;
        self
    }

    /// With an OPT that announces this UDP payload size.
    #[must_use]
    pub fn edns(mut self, udp_size: u16) -> Self {
        self.edns = Some((udp_size, self.edns.is_some_and(|(_, dnssec_ok)| dnssec_ok)));
        self
    }

    /// With an OPT that has DO set.
    #[must_use]
    pub fn dnssec_ok(mut self) -> Self {
        self.edns = Some((self.edns.map_or(1232, |(size, _)| size), true));
        self
    }

    /// With an EDNS option.
    #[must_use]
    pub fn option(mut self, code: u16, data: &[u8]) -> Self {
        self.edns.get_or_insert((1232, false));
        self.options.extend_from_slice(&code.to_be_bytes());
        self.options.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
        self.options.extend_from_slice(data);
        self
    }

    /// At this place.
    #[must_use]
    pub fn at(mut self, site: Arc<Site>) -> Self {
        self.site = site;
        self
    }

    /// From a socket whose replies wait in a full queue.
    #[must_use]
    pub fn congested(mut self) -> Self {
        self.congested = true;
        self
    }

    /// The bytes that a client would send.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.flags.to_be_bytes());
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        bytes.extend_from_slice(&self.name.to_bytes().expect("a name"));
        bytes.extend_from_slice(&self.qtype.to_be_bytes());
        bytes.extend_from_slice(&self.class.to_be_bytes());
        if let Some((size, dnssec_ok)) = self.edns {
            bytes.extend_from_slice(&[0, 0, 41]);
            bytes.extend_from_slice(&size.to_be_bytes());
            bytes.extend_from_slice(&[0, 0, if dnssec_ok { 0x80 } else { 0 }, 0]);
            let length = u16::try_from(self.options.len()).expect("short");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&self.options);
        }
        bytes
    }

    /// The query as the gate lets it pass.
    #[must_use]
    pub fn build(&self) -> Query {
        let bytes = self.to_bytes();
        let mut name = WireName::new();
        let opcodes = Opcodes::default().with(4).with(5);
        let view = gate::accept(&bytes, self.client, self.transport, opcodes, &mut name)
            .expect("a query that the gate accepts");
        let source = Source {
            client: self.client,
            local: "127.0.0.1:53".parse().expect("an address"),
            transport: self.transport,
            received: Instant::now(),
        };
        let mut query = Query::new(Buffer::from(bytes), view, &name, source);
        query.place(Arc::clone(&self.site));
        if self.congested {
            query.mark_congested();
        }
        query
    }

    /// Asks a single plugin.
    ///
    /// # Errors
    /// What the plugin says.
    pub async fn run(self, plugin: impl Plugin) -> Result<Reply> {
        self.through(vec![Box::new(plugin)]).await
    }

    /// Asks a chain of plugins.
    ///
    /// # Errors
    /// What the chain says.
    pub async fn through(self, plugins: Vec<Box<dyn Plugin>>) -> Result<Reply> {
        Chain::new(plugins).run(&mut self.build()).await
    }
}
