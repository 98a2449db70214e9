//! What plugins tell the operator: the events of this thread, as the command line prints them.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

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

    /// `LEVEL TARGET: TEXT` of the events of this plugin since the last call.
    pub(crate) fn take(&self, target: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut *self.0.lock().unwrap())
            .into_iter()
            .partition(|line| line.contains(&format!(" {target}: ")));
        *self.0.lock().unwrap() = left;
        taken
    }
}

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("plugin/")
    }

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                if field.name() == "message" {
                    write!(self.0, "{value:?}").unwrap();
                }
            }
        }
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut message = Message(format!("{level} {target}: "));
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
