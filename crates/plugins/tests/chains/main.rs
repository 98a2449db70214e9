//! Several plugins in one chain, in the order of the registry, in front of a scripted upstream: what
//! each of them says about a query that others answer. Plugins by themselves are tested beside their
//! code.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod dispatch;
mod edns;
#[cfg(feature = "dnstap")]
#[path = "../../src/dnstap/fake.rs"]
#[expect(dead_code, reason = "collectors here are simple")]
mod fake_collector;
mod files;
#[cfg(feature = "geoip")]
#[path = "../../src/geoip/fixture.rs"]
#[expect(dead_code, reason = "records here are small")]
mod fixture;
mod journal;
mod kit;
mod loops;
mod manuals;
mod observers;
mod overload;
mod refreshes;
mod rewrites;
mod shapes;
#[cfg(feature = "dnstap")]
mod taps;
#[cfg(feature = "trace")]
mod traces;
mod views;
