//! Tries at several upstreams at the same time, the first result wins the caller's attention.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A few futures with a number each. Dropping the race drops them.
pub(super) struct Race<'a, T> {
    runners: Vec<Runner<'a, T>>,
}

struct Runner<'a, T> {
    number: usize,
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

/// Tries of one question at a time.
const MAX_RUNNERS: usize = 3;

impl<'a, T> Race<'a, T> {
    pub(super) fn new() -> Self {
        Self { runners: Vec::with_capacity(1) }
    }

    pub(super) fn add(&mut self, number: usize, future: impl Future<Output = T> + Send + 'a) {
        self.runners.push(Runner { number, future: Box::pin(future) });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runners.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.runners.len() >= MAX_RUNNERS
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.runners.iter().any(|runner| runner.number == number)
    }

    /// The next result with its number; waits for ever if nothing runs. Cancel-safe: a result is
    /// taken out only when it is returned.
    pub(super) async fn next(&mut self) -> (usize, T) {
        poll_fn(|context| {
            for (index, runner) in self.runners.iter_mut().enumerate() {
                if let Poll::Ready(result) = runner.future.as_mut().poll(context) {
                    let number = runner.number;
                    drop(self.runners.swap_remove(index));
                    return Poll::Ready((number, result));
                }
            }
            Poll::Pending
        })
        .await
    }
}
