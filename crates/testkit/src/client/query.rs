//! Ordinary queries, and the options they can have.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, RecordType};

use super::{Response, Tcp, Udp, decode};
use crate::{records, wait};

/// A query message: RD set, no EDNS, a random id.
#[track_caller]
pub fn query(name: &str, kind: RecordType) -> QueryBuilder {
    let id = u16::try_from(RandomState::new().hash_one(name) & 0xffff).expect("16 bits");
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(records::name(name), kind));
    QueryBuilder { message }
}

/// A query message in the making; see [`query`].
#[derive(Clone, Debug)]
pub struct QueryBuilder {
    message: Message,
}

impl QueryBuilder {
    /// The message encoded.
    pub fn encode(&self) -> Vec<u8> {
        self.message.to_vec().expect("a message that can be encoded")
    }

    /// The message itself.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Any change to the message.
    #[must_use]
    pub fn edit(mut self, edit: impl FnOnce(&mut Message)) -> Self {
        edit(&mut self.message);
        self
    }
}

/// A query and how to send it; see [`ask`](super::ask).
#[derive(Clone, Debug)]
#[must_use]
pub struct Ask {
    server: SocketAddr,
    source: Option<IpAddr>,
    query: QueryBuilder,
    over: Over,
}

#[derive(Clone, Copy, Debug)]
enum Over {
    Udp,
    Tcp,
}

impl Ask {
    pub(super) fn new(server: SocketAddr, query: QueryBuilder) -> Self {
        Self { server, source: None, query, over: Over::Udp }
    }

    /// Over a TCP connection of its own.
    pub fn tcp(mut self) -> Self {
        self.over = Over::Tcp;
        self
    }

    /// From this address; UDP only.
    pub fn from(mut self, source: IpAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// With EDNS and this UDP payload size.
    pub fn edns(self, size: u16) -> Self {
        self.edit_edns(|edns| {
            edns.set_max_payload(size);
        })
    }

    /// With EDNS, 1232 bytes unless told otherwise, and DO set.
    pub fn dnssec_ok(self) -> Self {
        self.edit_edns(|edns| {
            edns.set_dnssec_ok(true);
        })
    }

    /// With EDNS and an option of these bytes.
    pub fn option(self, code: u16, data: &[u8]) -> Self {
        self.edit_edns(|edns| edns.options_mut().insert(EdnsOption::Unknown(code, data.to_vec())))
    }

    /// CD set.
    pub fn checking_disabled(self) -> Self {
        self.edit(|message| message.metadata.checking_disabled = true)
    }

    /// AD set: the client understands AD (RFC 6840 §5.7).
    pub fn authentic_data(self) -> Self {
        self.edit(|message| message.metadata.authentic_data = true)
    }

    /// RD cleared.
    pub fn no_recursion(self) -> Self {
        self.edit(|message| message.metadata.recursion_desired = false)
    }

    /// In another class than IN.
    pub fn class(self, class: DNSClass) -> Self {
        self.edit(|message| {
            for query in &mut message.queries {
                query.set_query_class(class);
            }
        })
    }

    /// With this id.
    pub fn id(self, id: u16) -> Self {
        self.edit(|message| message.metadata.id = id)
    }

    /// Any change to the message.
    pub fn edit(mut self, edit: impl FnOnce(&mut Message)) -> Self {
        self.query = self.query.edit(edit);
        self
    }

    /// Sends the query and waits for the response.
    ///
    /// # Panics
    ///
    /// If there is none, or if it cannot be decoded or has another id.
    #[track_caller]
    pub fn send(self) -> Response {
        let (server, question) =
            (self.server, self.query.message.queries.first().map(ToString::to_string));
        self.try_send().unwrap_or_else(|error| panic!("{server} asked for {question:?}: {error}"))
    }

    /// As [`send`](Self::send), when failure may be expected.
    ///
    /// # Errors
    ///
    /// What the socket says; `InvalidData` for a response that cannot be decoded or has another id.
    pub fn try_send(self) -> io::Result<Response> {
        let start = wait::now();
        let bytes = self.exchange(&self.query.encode())?;
        let elapsed = start.elapsed();
        let message = decode(&bytes)?;
        if message.metadata.id != self.query.message.metadata.id {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a response with another id"));
        }
        Ok(Response { message, bytes, elapsed })
    }

    fn exchange(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match (self.over, self.source) {
            (Over::Tcp, _) => super::tcp_exchange(self.server, bytes),
            (Over::Udp, None) => super::udp_exchange(self.server, bytes),
            (Over::Udp, Some(source)) => {
                let socket = Udp::between(source, self.server)?;
                socket.send(bytes)?;
                socket.receive()
            }
        }
    }

    fn edit_edns(self, edit: impl FnOnce(&mut Edns)) -> Self {
        self.edit(|message| {
            let mut edns = message.edns.take().unwrap_or_else(|| {
                let mut edns = Edns::new();
                edns.set_max_payload(1232);
                edns
            });
            edit(&mut edns);
            message.edns = Some(edns);
        })
    }
}

impl Tcp {
    /// Sends all queries at once and returns the responses in the order in which they come.
    ///
    /// # Errors
    ///
    /// What the connection says, `UnexpectedEof` when it is closed before all are there.
    pub fn pipeline(&mut self, queries: &[QueryBuilder]) -> io::Result<Vec<Message>> {
        let framed: Vec<_> =
            queries.iter().flat_map(|query| Self::framed(&query.encode())).collect();
        self.send_unframed(&framed)?;
        queries.iter().map(|_| self.receive_message()).collect()
    }
}
