//! Which worker thread this is. Workers own cells of every metric and a log buffer, so that the
//! query path shares no cache line and takes no lock.

use std::cell::Cell;

thread_local! {
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Declares this thread to be worker `index`, from 0. The engine calls it once a thread, before
/// the thread serves anything; no two live threads may have the same index.
pub fn enter(index: usize) {
    WORKER.set(Some(index));
}

/// The index of this worker; `None` on every other thread.
#[must_use]
pub fn current() -> Option<usize> {
    WORKER.get()
}
