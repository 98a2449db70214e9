//! Whether a server block takes a query at all: several blocks may share a zone, and each may look at
//! more than the name.

use std::fmt;

use crate::query::Query;

/// The view of a server block (the `view` directive). The blocks of a zone are asked in file order;
/// the first that admits a query takes it.
pub struct View {
    name: String,
    admits: Box<dyn Fn(&Query) -> bool + Send + Sync>,
}

impl View {
    /// `admits` must not wait: it runs before any plugin, where the query was read. What the plugins
    /// of the block tell of the query with `metadata` is known by then.
    pub fn new(
        name: impl Into<String>,
        admits: impl Fn(&Query) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), admits: Box::new(admits) }
    }

    /// What metrics call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server block takes the query.
    #[must_use]
    pub fn admits(&self, query: &Query) -> bool {
        (self.admits)(query)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.name)
    }
}
