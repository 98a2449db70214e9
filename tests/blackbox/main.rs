//! The black box: the real binary, real sockets of 127.0.0.0/8, fake upstreams. Nothing in here knows
//! how the server works inside; what is tested is what an operator or a client can see.
//!
//! Each file is one topic; rows stand in the order of the specification that they come from.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so")]

mod banner;
mod check;
mod command_line;
#[cfg(feature = "dnstap")]
mod dnstap;
mod examples;
mod explain;
mod format;
mod kit;
mod node_cache;
mod node_local;
mod pages;
mod queries;
mod reload;
mod shutdown;
mod sockets;
mod start;
mod tracing;
mod views;
