//! One try at one upstream: the query, and what the answer may make necessary there and then, TCP
//! after truncation, a fresh connection after a stale one, a query without EDNS for an upstream that
//! knows none.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use dunlin_core::metrics::Gauge;
use dunlin_core::wire::Flags;
use tokio::time::Instant;

use super::{Exchange, Time, Upstream, Via};
use crate::ask::Ask;
use crate::error::ExchangeError;
use crate::response::Response;

/// Sends of one question (security.md RF-05).
#[derive(Debug)]
pub(super) struct Sends {
    /// Over UDP, to the first upstream.
    to_first: AtomicU8,
    /// To the others: most groups have one upstream, and nothing is allocated for them.
    to_others: Box<[AtomicU8]>,
    in_all: AtomicU8,
    limit: u8,
}

/// Sends over UDP to one upstream.
const MAX_UDP_SENDS: u8 = 3;

impl Sends {
    pub(super) fn new(upstreams: usize) -> Self {
        let limit = u8::try_from(2 * upstreams + 1).unwrap_or(u8::MAX);
        let to_others = (1..upstreams).map(|_| AtomicU8::new(0)).collect();
        Self { to_first: AtomicU8::new(0), to_others, in_all: AtomicU8::new(0), limit }
    }

    /// Whether all are used up.
    pub(super) fn are_spent(&self) -> bool {
        self.in_all.load(Relaxed) >= self.limit
    }

    fn over_udp(&self, upstream: usize) -> Option<&AtomicU8> {
        upstream.checked_sub(1).map_or(Some(&self.to_first), |other| self.to_others.get(other))
    }

    fn take(&self, upstream: usize, via: Via) -> bool {
        let below = |limit| move |sent: u8| (sent < limit).then_some(sent + 1);
        if via == Via::Udp {
            let Some(sent) = self.over_udp(upstream) else { return false };
            if sent.fetch_update(Relaxed, Relaxed, below(MAX_UDP_SENDS)).is_err() {
                return false;
            }
        }
        self.in_all.fetch_update(Relaxed, Relaxed, below(self.limit)).is_ok()
    }
}

/// The times of one try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the question.
    pub(super) deadline: Instant,
    /// For one send.
    pub(super) read_timeout: Duration,
}

impl Patience {
    fn from(self, now: Instant) -> Time {
        Time { now, until: self.deadline.min(now + self.read_timeout) }
    }
}

/// Tries `upstream`, which has this `index` among its group, from `now` on.
pub(super) async fn attempt<E: Exchange>(
    upstream: &Upstream<E>,
    index: usize,
    ask: &Ask,
    via: Via,
    sends: &Sends,
    patience: Patience,
    now: Instant,
) -> Result<Response, ExchangeError> {
    let _held = enter(upstream)?;
    let mut time = patience.from(now);
    // What seldom is there is boxed: the future is copied to the heap whole.
    let mut plain: Option<Box<Ask>> = None;
    let mut via =
        if upstream.exchange.needs_stream() && via == Via::Udp { Via::Stream } else { via };
    let mut truncated: Option<Box<Response>> = None;
    let mut last_error: Option<Box<ExchangeError>> = None;
    while sends.take(index, via) {
        let ask = plain.as_deref().unwrap_or(ask);
        match upstream.exchange.exchange(ask, via, time).await {
            Ok(response) => {
                let took = Instant::now().saturating_duration_since(time.now);
                upstream.metrics.exchanged(response.rcode(), took);
                upstream.health.succeeded(Some(took));
                if response.is_truncated() && via == Via::Udp {
                    truncated = Some(Box::new(response));
                    via = Via::Stream;
                } else if refuses_edns(ask, &response) {
                    plain = ask.without_opt().map(Box::new);
                } else {
                    return Ok(response);
                }
            }
            Err(ExchangeError::Stale(error)) if via == Via::Stream => {
                via = Via::FreshStream;
                last_error = Some(error);
            }
            Err(error @ ExchangeError::Flooded { .. }) => {
                upstream.tell_of_flood();
                via = Via::Stream;
                last_error = Some(Box::new(error));
            }
            Err(error) => {
                last_error = Some(Box::new(error));
                break;
            }
        }
        time = patience.from(Instant::now());
    }
    // What was cut off is worth passing on only if the whole cannot be had (requirements.md P-23).
    match (truncated.filter(|response| response.has_answers()), last_error) {
        (Some(response), _) => Ok(*response),
        (None, Some(error)) => Err(*error),
        (None, None) => Err(ExchangeError::Unusable {
            remote: upstream.name.clone(),
            reason: "truncated, and not to be asked again",
        }),
    }
}

/// FORMERR or NOTIMP without OPT: the upstream may not know EDNS (RFC 6891 §7). Nothing is learned
/// from it, the next question goes out with OPT again.
fn refuses_edns(ask: &Ask, response: &Response) -> bool {
    ask.has_opt()
        && response.summary.opt.is_none()
        && matches!(Flags::of(&response.bytes).rcode(), 1 | 4)
}

/// A query at an upstream, as long as it lives.
struct AtUpstream<'a>(&'a Gauge);

impl Drop for AtUpstream<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

fn enter<E>(upstream: &Upstream<E>) -> Result<AtUpstream<'_>, ExchangeError> {
    let in_flight = upstream.metrics.in_flight();
    if in_flight.value() >= MAX_IN_FLIGHT {
        upstream.metrics.busy();
        return Err(ExchangeError::Busy { remote: upstream.name.clone() });
    }
    in_flight.add(1);
    Ok(AtUpstream(in_flight))
}

/// Questions at one upstream at a time (security.md RL-13).
const MAX_IN_FLIGHT: i64 = 4096;
