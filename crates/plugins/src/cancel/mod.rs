#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use dunlin_core::edns::ExtendedError;
use dunlin_core::metrics::Counter;
use dunlin_core::{Error, Next, Plugin, Query, Reply, Result, async_trait};
use tokio::time::timeout_at;

pub use self::setup::ENTRY;

/// Gives up on queries that take too long.
#[derive(Debug)]
struct Cancel {
    patience: Duration,
    cancelled: Counter,
}

#[async_trait]
impl Plugin for Cancel {
    fn name(&self) -> &'static str {
        "cancel"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let deadline = query.received() + self.patience;
        let mut serving = pin!(next.run(query));
        // Most replies are there at once, and need no timer.
        let at_once = poll_fn(|context| match serving.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(result) = at_once.await {
            return result;
        }
        match timeout_at(deadline, serving).await {
            Ok(result) => result,
            Err(_elapsed) => {
                self.cancelled.inc();
                let reason = ExtendedError::new(ExtendedError::NETWORK_ERROR, "deadline exceeded");
                Err(Error::new("plugin/cancel: deadline exceeded").with_extended_error(reason))
            }
        }
    }
}
