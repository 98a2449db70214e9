//! Those who want to see a reply as it goes out, after everything else was done to it.

use std::fmt;

use super::Reply;
use crate::query::Query;

/// Is shown the message that goes to the client, once; never, if none goes.
pub struct Watcher(Show);

type Show = Box<dyn FnOnce(&Query, &[u8]) + Send + Sync>;

impl Watcher {
    /// Shows the message; whoever sends it does this right before.
    pub fn show(self, query: &Query, message: &[u8]) {
        (self.0)(query, message);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl Reply {
    /// Lets somebody see the message as it goes to the client: with its own OPT, and cut to what the
    /// client takes. Those who ask first see it first. It must not block.
    pub fn watch(&mut self, watcher: impl FnOnce(&Query, &[u8]) + Send + Sync + 'static) {
        let watcher: Show = match self.take_watcher() {
            None => Box::new(watcher),
            Some(Watcher(first)) => Box::new(move |query, message| {
                first(query, message);
                watcher(query, message);
            }),
        };
        self.0.watcher = Some(Watcher(watcher));
    }

    /// Who wants to see the message, for whoever sends it.
    pub fn take_watcher(&mut self) -> Option<Watcher> {
        self.0.watcher.take()
    }
}
