//! What plugins tell the operator: the events of this thread, as the command line prints them.

use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber, span};

/// Collects events for as long as the guard lives.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let journal = Self::default();
        let guard = tracing::subscriber::set_default(journal.clone());
        (journal, guard)
    }

    /// `LEVEL TARGET: TEXT` of the events since the last call whose target is this, or below it.
    pub(crate) fn take(&self, target: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut *self.0.lock()).into_iter().partition(|line| {
            let found = line.split_once(' ').and_then(|(_, rest)| rest.strip_prefix(target));
            found.is_some_and(|rest| rest.starts_with(": ") || rest.starts_with("::"))
        });
        *self.0.lock() = left;
        taken
    }
}

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("plugin/") || target.starts_with("dunlin_engine")
    }

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    // Writing to a `String` cannot fail.
                    _ = write!(self.0, "{value:?}");
                }
            }
        }
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut message = Message(format!("{level} {target}: "));
        event.record(&mut message);
        self.0.lock().push(message.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
