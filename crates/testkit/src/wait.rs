//! Waiting for a condition, with one generous deadline instead of many guessed ones.
//!
//! The clock is the real one, even in a runtime whose clock is paused: what is waited for here happens
//! in other threads and processes.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// How long everything in this crate waits before it gives up: never reached unless something is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Returns as soon as `condition` holds.
///
/// # Panics
///
/// With `what` if it does not within [`DEADLINE`].
#[track_caller]
pub fn until(what: impl Display, mut condition: impl FnMut() -> bool) {
    some(what, || condition().then_some(()));
}

/// Returns what `look` finds as soon as it finds something.
///
/// # Panics
///
/// With `what` if it finds nothing within [`DEADLINE`].
#[track_caller]
pub fn some<T>(what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for: {what}");
        pause();
    }
}

/// Returns how long it takes until `condition` holds, looking without a pause. What is found is for
/// people to read, or for a bound so wide that only a fault exceeds it.
///
/// # Panics
///
/// With `what` if it does not within [`DEADLINE`].
#[track_caller]
pub fn measure(what: impl Display, mut condition: impl FnMut() -> bool) -> Duration {
    let start = now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for: {what}");
    }
    start.elapsed()
}

/// Does something so many times, once each `pause`, and at once if it is late.
pub fn paced(pause: Duration, times: u32, mut work: impl FnMut(u32)) {
    let start = now();
    for number in 0..times {
        sleep((pause * number).saturating_sub(start.elapsed()));
        work(number);
    }
}

/// As [`until`], between polls leaving the thread to other tasks of its tokio runtime.
///
/// # Panics
///
/// With `what` if the condition does not hold within [`DEADLINE`] of real time.
pub async fn until_async(what: impl Display, mut condition: impl AsyncFnMut() -> bool) {
    let start = now();
    while !condition().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain for: {what}");
        tokio::task::yield_now().await;
        tokio::time::sleep(PAUSE).await;
    }
}

fn pause() {
    sleep(PAUSE);
}

#[allow(
    clippy::disallowed_methods,
    reason = "the pause between two polls of a condition, or the pace of a load"
)]
pub(crate) fn sleep(time: Duration) {
    thread::sleep(time);
}

#[allow(clippy::disallowed_methods, reason = "a paused clock must not shorten the deadline")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::{some, until, until_async};

    #[test]
    fn polls_until_the_condition_holds() {
        let mut polls = 0;
        until("three polls", || {
            polls += 1;
            polls == 3
        });
        assert_eq!((polls, some("seven", || Some(7))), (3, 7));
    }

    #[tokio::test]
    async fn polls_an_async_condition() {
        let mut polls = 0;
        until_async("three polls", async || {
            polls += 1;
            polls == 3
        })
        .await;
        assert_eq!(polls, 3);
    }
}
