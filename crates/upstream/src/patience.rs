//! A deadline that costs a timer only if there is something to wait for.
//!
//! Most responses come within a millisecond. A group looks at the exchanges that it drives every
//! now and then anyway, so an exchange sets a timer only when it is looked at and has nothing yet.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// Runs `future` until `until` at the latest, provided that it is polled at least twice before
/// then: the first poll sets no timer.
pub(crate) async fn within<T>(
    until: Instant,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    let mut polled = false;
    let early = poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if std::mem::replace(&mut polled, true) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    match early.await {
        Some(output) => Ok(output),
        // Boxed, so that it takes no room in those that need no timer.
        None => Box::pin(timeout_at(until, future)).await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_future_that_is_looked_at_again_ends_in_time() {
        let start = Instant::now();
        let until = start + Duration::from_secs(2);
        let mut silent = pin!(within(until, std::future::pending::<()>()));
        let look = Duration::from_secs(1);
        assert!(tokio::time::timeout(look, &mut silent).await.is_err());
        assert!(silent.await.is_err());
        assert_eq!(Instant::now(), until);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_ready_is_returned_whenever_it_is_looked_at() {
        let until = Instant::now();
        assert_eq!(within(until, std::future::ready(7)).await, Ok(7));
        assert_eq!(within(until, tokio::task::yield_now()).await, Ok(()));
    }
}
