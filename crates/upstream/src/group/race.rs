//! Tries at several upstreams at the same time, the first result wins the caller's attention.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A few futures with a number each. Dropping the race drops them.
pub(super) struct Race<'a, T> {
    runners: [Option<Runner<'a, T>>; MAX_RUNNERS],
}

struct Runner<'a, T> {
    number: usize,
    future: Pin<Box<dyn Future<Output = T> + Send + 'a>>,
}

/// Tries of one question at a time.
const MAX_RUNNERS: usize = 3;

impl<'a, T> Race<'a, T> {
    pub(super) fn new() -> Self {
        Self { runners: [const { None }; MAX_RUNNERS] }
    }

    /// Adds one, unless the race is full.
    pub(super) fn add(&mut self, number: usize, future: impl Future<Output = T> + Send + 'a) {
        if let Some(place) = self.runners.iter_mut().find(|place| place.is_none()) {
            *place = Some(Runner { number, future: Box::pin(future) });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runners.iter().all(Option::is_none)
    }

    pub(super) fn is_full(&self) -> bool {
        self.runners.iter().all(Option::is_some)
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.runners.iter().flatten().any(|runner| runner.number == number)
    }

    /// The next result with its number; waits for ever if nothing runs. Cancel-safe: a result is
    /// taken out only when it is returned.
    pub(super) async fn next(&mut self) -> (usize, T) {
        poll_fn(|context| {
            for place in &mut self.runners {
                let Some(Runner { number, future }) = place else { continue };
                if let Poll::Ready(result) = future.as_mut().poll(context) {
                    let number = *number;
                    *place = None;
                    return Poll::Ready((number, result));
                }
            }
            Poll::Pending
        })
        .await
    }
}
