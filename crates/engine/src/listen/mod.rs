//! Our own listeners: sockets of every worker, and what they do with messages.

pub(crate) mod connections;
mod tcp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::tcp::{Limits, serve_tcp};
pub(crate) use self::udp::serve_udp;
use crate::serve::Shared;
use crate::table::Table;

/// An address that we listen on, for as long as some generation wants it.
#[derive(Debug)]
pub(crate) struct Listener {
    /// What it serves now.
    pub(crate) table: ArcSwap<Table>,
    /// Where it really listens.
    pub(crate) address: SocketAddr,
    /// How many pairs of sockets it has.
    pub(crate) sockets: usize,
    /// What all listeners share.
    pub(crate) shared: Arc<Shared>,
    /// Cancelled when nothing new is to be read.
    pub(crate) stop: CancellationToken,
    /// Everything that still owes a reply, or still reads.
    pub(crate) tasks: TaskTracker,
}

impl Listener {
    /// Lets it end: nothing new is read, what is there is answered.
    pub(crate) fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
    }
}
