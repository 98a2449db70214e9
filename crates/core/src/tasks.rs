//! Background work that has an owner, a bound and an end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tasks of one plugin in one generation. When the generation ends, they are told to stop, given
/// a moment, and then forgotten.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    token: CancellationToken,
    permits: Arc<Semaphore>,
}

/// The limit of tasks is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many background tasks")]
pub struct TooManyTasks;

impl Tasks {
    /// A set of at most `limit` tasks at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            tracker: TaskTracker::new(),
            token: CancellationToken::new(),
            permits: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Runs a future on the runtime of this thread until it ends or the generation does.
    ///
    /// # Errors
    /// [`TooManyTasks`] at the limit, or when the set has stopped: the work is not done.
    pub fn spawn<F>(&self, future: F) -> Result<(), TooManyTasks>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let permit = self.permit()?;
        let token = self.token.clone();
        self.tracker.spawn(async move {
            let _held = permit;
            // The token only ends what is waiting; a finished future has done its work.
            let _ended = token.run_until_cancelled(future).await;
        });
        Ok(())
    }

    /// A token that is cancelled when the generation ends, for tasks with an end of their own.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Tells all tasks to stop and waits for them, at most this long.
    pub async fn stop(&self, patience: Duration) {
        self.tracker.close();
        self.token.cancel();
        if tokio::time::timeout(patience, self.tracker.wait()).await.is_err() {
            tracing::warn!(left = self.tracker.len(), "background tasks did not stop in time");
        }
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, TooManyTasks> {
        if self.token.is_cancelled() {
            return Err(TooManyTasks);
        }
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| TooManyTasks)
    }
}
