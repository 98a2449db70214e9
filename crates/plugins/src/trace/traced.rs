//! A plugin whose work is a span, if it is part of one.

use std::future::Future;
use std::pin::Pin;

use dunlin_core::{Next, Plugin, Query, Reply, Result};

use super::current::current;

/// Any plugin of a server block with *trace*.
pub(super) struct Traced(pub(super) Box<dyn Plugin>);

impl Plugin for Traced {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    /// On the way of a query that is traced every plugin has its span.
    fn ignores(&self, query: &Query) -> bool {
        current().is_none() && self.0.ignores(query)
    }

    fn describe(&self, query: &Query) {
        self.0.describe(query);
    }

    fn asks_upstreams(&self, query: &Query) -> bool {
        self.0.asks_upstreams(query)
    }

    /// Written without `async`: queries that are not traced, most of them, get the plugin's own future
    /// and not one more around it.
    fn serve<'s, 'q, 'n, 'f>(
        &'s self,
        query: &'q mut Query,
        next: Next<'n>,
    ) -> Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'f>>
    where
        's: 'f,
        'q: 'f,
        'n: 'f,
        Self: 'f,
    {
        let Some(current) = current() else { return self.0.serve(query, next) };
        let span = current.child(self.name());
        Box::pin(async move { span.scope(|| self.0.serve(query, next)).await })
    }
}
