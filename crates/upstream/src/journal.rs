//! What happened to one question on the wire, send by send, for somebody who watches. Without a
//! watcher there is no journal, and nothing is paid for it.

use std::net::SocketAddr;
use std::time::SystemTime;

use dunlin_core::Transport;
use parking_lot::Mutex;

use crate::response::Response;

/// The sends of one question, in order. Those that lost a race stay without a response.
#[derive(Debug, Default)]
pub struct Journal {
    sends: Mutex<Vec<Sent>>,
    keeps_messages: bool,
}

/// One send.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The upstream.
    pub remote: SocketAddr,
    /// Our end; `None` if there was none when the exchange ended.
    pub local: Option<SocketAddr>,
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// When.
    pub at: SystemTime,
    /// The message, with ID 0; empty unless messages are kept.
    pub query: Box<[u8]>,
    /// When the response came.
    pub received: Option<SystemTime>,
    /// When it was over, with a response or a failure; `None` if it was given up.
    pub ended: Option<SystemTime>,
    /// The response; empty unless messages are kept.
    pub response: Box<[u8]>,
}

impl Journal {
    /// An empty one; it keeps copies of messages on request only.
    #[must_use]
    pub fn new(keeps_messages: bool) -> Self {
        Self { sends: Mutex::default(), keeps_messages }
    }

    /// What was sent so far.
    #[must_use]
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sends.lock())
    }

    pub(crate) fn begin(
        &self,
        (local, remote): (Option<SocketAddr>, SocketAddr),
        transport: Transport,
        query: &[u8],
    ) -> usize {
        let query = if self.keeps_messages { query.into() } else { Box::default() };
        let at = SystemTime::now();
        let response = Box::default();
        let (received, ended) = (None, None);
        let sent = Sent { remote, local, transport, at, query, received, ended, response };
        let mut sends = self.sends.lock();
        sends.push(sent);
        sends.len() - 1
    }

    pub(crate) fn end(&self, entry: usize, local: Option<SocketAddr>, response: Option<&Response>) {
        let mut sends = self.sends.lock();
        let Some(sent) = sends.get_mut(entry) else { return };
        sent.local = sent.local.or(local);
        sent.ended = Some(SystemTime::now());
        let Some(response) = response else { return };
        sent.received = sent.ended;
        if self.keeps_messages {
            sent.response = response.bytes.as_slice().into();
        }
    }
}
