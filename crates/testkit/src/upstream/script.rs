//! What a test says: for a query as it came, what is to be done about it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::Reply;
use crate::records;

/// A query as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its bytes, without the length prefix of TCP.
    pub bytes: Vec<u8>,
    /// The same decoded, if it can be.
    pub message: Option<Message>,
    /// How it came.
    pub transport: Transport,
    /// Who sent it, and from which port.
    pub client: SocketAddr,
    /// By which connection, counted from 1; 0 for UDP.
    pub connection: u64,
}

impl Asked {
    /// The name asked for, lower case with a final dot; empty if it is not a query.
    pub fn name(&self) -> String {
        self.question().map(|query| records::key(query.name())).unwrap_or_default()
    }

    /// The name in the spelling it was asked; empty if it is not a query.
    pub fn spelling(&self) -> String {
        self.question().map(|query| query.name().to_string()).unwrap_or_default()
    }

    /// The type asked for, if it is a query.
    pub fn kind(&self) -> Option<RecordType> {
        self.question().map(hickory_proto::op::Query::query_type)
    }

    /// The id, if there are bytes enough.
    pub fn id(&self) -> Option<u16> {
        self.bytes.first_chunk().map(|id| u16::from_be_bytes(*id))
    }

    fn question(&self) -> Option<&hickory_proto::op::Query> {
        self.message.as_ref()?.queries.first()
    }
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A datagram.
    Udp,
    /// A TCP connection.
    Tcp,
    /// A TLS connection.
    Tls,
}

/// One step of what is done about a query; they are done in order, and an empty list is silence.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends a message made for the query.
    Reply(Reply),
    /// Sends a message of these bytes, with a length prefix over TCP and TLS.
    Raw(Vec<u8>),
    /// Writes these bytes as they are; over UDP as a datagram.
    Unframed(Vec<u8>),
    /// Lets time pass before the next step, real time.
    Wait(Duration),
    /// Closes the connection when the steps before are done. Nothing over UDP.
    Close,
    /// Resets the connection: RST instead of FIN. Nothing over UDP.
    Reset,
}

impl From<Reply> for Action {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// What [`Upstream::on`](super::Upstream::on) takes: a [`Reply`], an [`Action`], a list of actions
/// (empty: silence), a closure `|asked: &Asked| vec![…]`, or several [`InTurn`].
///
/// A closure's argument needs its type written out.
pub trait Behave: Send + Sync {
    /// What to do about this query.
    fn actions(&self, asked: &Asked) -> Vec<Action>;
}

impl<F: Fn(&Asked) -> Vec<Action> + Send + Sync> Behave for F {
    fn actions(&self, asked: &Asked) -> Vec<Action> {
        self(asked)
    }
}

impl Behave for Vec<Action> {
    fn actions(&self, _asked: &Asked) -> Vec<Action> {
        self.clone()
    }
}

impl Behave for Action {
    fn actions(&self, _asked: &Asked) -> Vec<Action> {
        vec![self.clone()]
    }
}

impl Behave for Reply {
    fn actions(&self, _asked: &Asked) -> Vec<Action> {
        vec![self.clone().into()]
    }
}

/// One list of actions for each query, in turn; the last one stays.
#[derive(Debug)]
pub struct InTurn {
    lists: Vec<Vec<Action>>,
    next: AtomicUsize,
}

impl InTurn {
    /// At least one list.
    pub fn new(lists: impl IntoIterator<Item = Vec<Action>>) -> Self {
        Self { lists: lists.into_iter().collect(), next: AtomicUsize::new(0) }
    }
}

impl Behave for InTurn {
    fn actions(&self, _asked: &Asked) -> Vec<Action> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.lists.get(turn).or_else(|| self.lists.last()).cloned().unwrap_or_default()
    }
}

impl Display for Transport {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}
