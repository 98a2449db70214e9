//! The server around the plugins: it listens, hands each query to the chain of the right server
//! block, fits the reply, and builds, swaps and drains *generations*, each made whole from one
//! configuration text. It knows no plugin, no command line and no way to end the process: a
//! registry of directives goes in, an exit status comes out.
#![forbid(unsafe_code)]

mod config;
mod controller;
mod explain;
mod fit;
mod generation;
mod hickory;
mod http;
mod listen;
mod reload;
mod serve;
mod signals;
mod table;
#[cfg(test)]
mod testing;
mod texts;
mod workers;

pub use dunlin_os::heap::Heap;

pub use self::config::{Held, Origin, Setup, check};
pub use self::controller::{Driver, Extras, Nudge, Options, Started, run};
pub use self::explain::{
    Candidate, Exchanged, Explainer, Explanation, Outcome, Question, Sent, Step, Upstreams,
    ViewAsked,
};
pub use self::hickory::Embedded;
pub use self::serve::install_hook;
pub use self::signals::Signals;

/// How many workers a server has by default: our share of the CPUs, rounded up.
#[must_use]
pub fn worker_count() -> usize {
    dunlin_os::limits::worker_count()
}

/// Settings of the process that want to be made before its heap grows: small pages, so that an
/// idle server stays small. Without them it works just as well.
pub fn prepare_process() {
    // An old kernel does not know the option; nothing depends on it.
    let _unknown = dunlin_os::process::disable_huge_pages();
}
