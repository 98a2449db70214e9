//! What black-box tests of Dunlin, and of plugins by others, are made of: scripted [`upstream`] servers,
//! a DNS [`client`] that can say anything, a [`collector`] of what is posted over HTTP, the server under
//! test as a [`process`], certificates, and [`wait`]s on conditions.
//!
//! The kit fails a test by panicking with what it knows; that is the only error handling here, unless a
//! function returns a `Result` because a failure may be what a test expects. Nothing in it judges elapsed time,
//! and only the pace of a [`load`] is a fixed time: everything waits for a condition, at most [`wait::DEADLINE`].
//! All is blocking, or runs in threads of its own, so that it serves tests with and without a runtime,
//! and with a paused clock.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test kit fails by panicking"
)]

pub mod client;
pub mod collector;
pub mod http;
pub mod load;
pub mod metrics;
pub mod network;
pub mod ports;
pub mod process;
pub mod records;
pub mod tls;
pub mod upstream;
pub mod wait;
