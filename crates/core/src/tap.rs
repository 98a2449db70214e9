//! Exchanges with upstreams for those who watch them: what *forward* tells *dnstap*.
//!
//! A plugin that watches puts a [`Tap`] into [`Parts::taps`](crate::directive::Parts::taps) of its
//! server block; plugins further down the chain that ask upstreams take them from there in their
//! setup, and do nothing if there are none.

use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

use crate::query::Query;
use crate::transport::Transport;

/// Somebody who wants to know of exchanges with upstreams.
pub trait Tap: fmt::Debug + Send + Sync + 'static {
    /// Whether messages are of use. Copying them costs.
    fn wants_messages(&self) -> bool;

    /// One query to an upstream, and its response if one came. It must not block.
    fn exchanged(&self, query: &Query, exchange: &Exchange<'_>);
}

/// A query that went to an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The upstream.
    pub upstream: SocketAddr,
    /// Our end; `None` if there was none yet when the exchange failed.
    pub local: Option<SocketAddr>,
    /// How the query went.
    pub transport: Transport,
    /// When it went.
    pub sent: SystemTime,
    /// The message; empty if nobody wanted it.
    pub query: &'a [u8],
    /// When the response came; `None` if none did.
    pub received: Option<SystemTime>,
    /// When it was over, with a response or a failure; `None` if it was given up.
    pub ended: Option<SystemTime>,
    /// The message; empty if there is none, or nobody wanted it.
    pub response: &'a [u8],
}
