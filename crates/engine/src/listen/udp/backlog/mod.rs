//! The send queue of a socket (`shed`): what the kernel does not take waits here, the newest in front,
//! while the socket goes on reading. One task at a time waits for room and sends.

#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::sync::Arc;

use dunlin_core::metrics::Counter;
use dunlin_os::batch::{Family, Outbox};

use super::Endpoint;
use crate::table::SendQueue;

/// Replies of one socket that are to be sent.
pub(super) struct Backlog {
    replies: Outbox,
    dropped: Counter,
    /// How many lost replies have been counted.
    counted: u64,
    /// Whether a task waits for room and sends then.
    has_writer: bool,
}

impl Backlog {
    fn new(family: Family, queue: &SendQueue) -> Self {
        let replies = Outbox::newest_first(family, queue.depth);
        Self { replies, dropped: queue.dropped.clone(), counted: 0, has_writer: false }
    }

    /// True if nothing is left.
    fn flush(&mut self, socket: &impl AsFd) -> bool {
        let is_done = self.replies.flush(socket).is_ok();
        self.count();
        is_done
    }

    fn clear(&mut self) {
        self.replies.clear();
        self.count();
    }

    fn count(&mut self) {
        let tally = self.replies.tally();
        let lost = tally.dropped + tally.failed;
        self.dropped.add(lost - self.counted);
        self.counted = lost;
    }
}

/// What could not be sent before the worker ended.
impl Drop for Backlog {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Endpoint {
    /// Lets `work` add replies to the backlog, which is made if there is none yet.
    pub(super) fn with_backlog<T>(
        &self,
        queue: &SendQueue,
        work: impl FnOnce(&mut Outbox) -> T,
    ) -> T {
        let mut backlog = self.backlog.lock();
        let backlog = backlog.get_or_insert_with(|| Backlog::new(self.family, queue));
        let done = work(&mut backlog.replies);
        backlog.count();
        done
    }

    /// Sends what the kernel takes, and leaves the rest to a writer. Never waits.
    pub(super) fn flush_backlog(self: &Arc<Self>) {
        let mut backlog = self.backlog.lock();
        let Some(backlog) = backlog.as_mut().filter(|backlog| !backlog.has_writer) else { return };
        if backlog.flush(&self.socket) {
            return;
        }
        backlog.has_writer = true;
        let endpoint = Arc::clone(self);
        // Tracked: a listener that closes waits until all is sent.
        self.listener.tasks.spawn(async move { while endpoint.write_backlog().await {} });
    }

    /// Waits for room and sends. True if something is left.
    async fn write_backlog(&self) -> bool {
        let is_open = self.socket.room().await.is_ok();
        let mut backlog = self.backlog.lock();
        let Some(backlog) = backlog.as_mut() else { return false };
        if !is_open {
            backlog.clear();
        }
        backlog.has_writer = !backlog.flush(&self.socket);
        backlog.has_writer
    }
}
