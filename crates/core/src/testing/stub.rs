//! A plugin from a closure: the rest of a chain that does what the test says.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::error::Result;
use crate::plugin::{Next, Plugin};
use crate::query::Query;
use crate::reply::Reply;

type Answering<'q> = Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'q>>;
type Answer = dyn for<'q> Fn(&'q mut Query) -> Answering<'q> + Send + Sync;

/// The plugin that [`stub`] makes. Clones share the count.
#[derive(Clone)]
pub struct Stub {
    answer: Arc<Answer>,
    asked: Arc<AtomicUsize>,
}

/// A plugin called `stub` that answers with what the closure returns:
/// `stub(|query| Box::pin(async move { Ok(query.reply()) }))`.
pub fn stub(
    answer: impl for<'q> Fn(&'q mut Query) -> Answering<'q> + Send + Sync + 'static,
) -> Stub {
    Stub { answer: Arc::new(answer), asked: Arc::default() }
}

impl Stub {
    /// How many queries reached it.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Stub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stub(asked {} times)", self.asked())
    }
}

#[async_trait]
impl Plugin for Stub {
    fn name(&self) -> &'static str {
        "stub"
    }

    async fn serve(&self, query: &mut Query, _next: Next<'_>) -> Result<Reply> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        (self.answer)(query).await
    }
}
