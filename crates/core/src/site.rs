//! The place that answers a query: one zone of one server block on one listener.

use std::sync::{Arc, LazyLock};

/// Where a query was dispatched to; what the labels `server`, `zone` and `view` say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// The listener as metrics name it, for example `dns://127.0.0.20:53` or `dns://:53`.
    pub server: String,
    /// The zone, lower case and fully qualified.
    pub zone: String,
    /// The name of the view; empty without one.
    pub view: String,
    /// The number of this site among those of its server block, from 0: an index into tables
    /// that a plugin makes when it starts.
    pub index: usize,
}

impl Site {
    /// The place of a query that no server block has taken.
    #[must_use]
    pub fn none() -> &'static Arc<Self> {
        static NONE: LazyLock<Arc<Site>> = LazyLock::new(Arc::default);
        &NONE
    }
}
