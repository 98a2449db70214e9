//! What *forward* tells of its exchanges with upstreams.

use std::time::SystemTime;

use dunlin_core::Query;
use dunlin_core::tap::{Exchange, Tap};

use super::current::current;
use super::span::{CONNECT, Facts};

/// Makes a span of each exchange.
#[derive(Debug)]
pub(super) struct Connects;

impl Tap for Connects {
    fn wants_messages(&self) -> bool {
        false
    }

    /// An exchange that was given up, because another one was faster, has lasted until now.
    fn exchanged(&self, _: &Query, exchange: &Exchange<'_>) {
        let Some(current) = current() else { return };
        let end = exchange.ended.unwrap_or_else(SystemTime::now);
        current.past(CONNECT, (exchange.sent, end), Facts::Upstream(exchange.upstream));
    }
}
