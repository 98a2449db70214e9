#![doc = include_str!("README.md")]

mod answers;
mod config;
mod exchange;
mod flight;
mod key;
mod metrics;
mod outcome;
mod parse;
mod refresh;
#[cfg(test)]
mod scenes;
mod setup;
mod store;
#[cfg(test)]
mod tests;
mod verdict;

use std::sync::Arc;

use dunlin_core::buffer::Buffer;
use dunlin_core::edns::ExtendedError;
use dunlin_core::gate::QUERY;
use dunlin_core::tasks::Tasks;
use dunlin_core::wire::{Flags, types};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use tokio::time::Instant;

use self::config::{Config, Refresh};
use self::flight::Flights;
use self::key::{Key, SharedKey};
use self::metrics::Table;
use self::outcome::{Outcome, address};
use self::store::{Age, Hit, Side, Store};

pub use self::setup::ENTRY;

/// Answers from memory what the plugins behind it have answered before.
#[derive(Debug)]
struct Cache(Arc<Inner>);

/// What background refreshes share with the plugin.
#[derive(Debug)]
struct Inner {
    config: Config,
    /// Outlives this generation if the next one may answer the same.
    store: Arc<Store>,
    flights: Arc<Flights<Outcome>>,
    tasks: Tasks,
    table: Arc<Table>,
    /// `loop` stands behind: its probes are not held back.
    probes_pass: bool,
}

#[async_trait]
impl Plugin for Cache {
    fn name(&self) -> &'static str {
        "cache"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let cache = &self.0;
        if !cache.is_cacheable(query) {
            return next.run(query).await;
        }
        let numbers = cache.table.at(query.site());
        numbers.requests.inc();
        let key = Key::of(query, cache.store.seed());
        // Whatever has to wait is boxed: the future of a hit is copied for every query.
        let Some(served) = cache.look_up(&key, query, query.received()) else {
            numbers.misses.inc();
            tell(query, "miss");
            let key = key.to_shared();
            return Box::pin(cache.ask(query, next, &key)).await;
        };
        tell(query, if served.is_stale { "stale" } else { "hit" });
        match served.side {
            Side::Success => numbers.hits.success.inc(),
            Side::Denial => numbers.hits.denial.inc(),
        }
        if served.is_due {
            let key = key.to_shared();
            return Box::pin(cache.serve_and_refresh(served, query, next, &key)).await;
        }
        if served.is_stale {
            numbers.served_stale.inc();
        }
        Ok(served.reply)
    }
}

/// A hit, ready to be sent.
struct Served {
    reply: Reply,
    side: Side,
    is_stale: bool,
    /// Whether the entry should be refreshed, and may.
    is_due: bool,
}

impl Inner {
    /// Whether the name is ours. Transfers and other opcodes pass by: their replies are not what
    /// a query for that name and type gets.
    fn is_cacheable(&self, query: &Query) -> bool {
        let is_transfer = matches!(query.qtype_code(), types::AXFR | types::IXFR);
        query.flags().opcode() == QUERY && !is_transfer && self.config.zones.of(query).is_some()
    }

    /// A hit whose entry is due: something fresh instead of a stale reply, if the configuration
    /// wants that tried first.
    async fn serve_and_refresh(
        self: &Arc<Self>,
        served: Served,
        query: &mut Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Result<Reply> {
        if served.is_stale {
            if let Some(fresh) = self.renew(query, next, key).await {
                return Ok(fresh);
            }
            self.table.at(query.site()).served_stale.inc();
        } else {
            self.refresh_later(query, next, key);
        }
        Ok(served.reply)
    }

    /// A reply from the store. Nothing is allocated but its buffer, which comes from the pool.
    fn look_up(&self, key: &Key<'_>, query: &Query, now: Instant) -> Option<Served> {
        let mut bytes = Buffer::new();
        let found = self.store.find(key, &self.config, now, |hit| {
            let ttl = self.shown_ttl(hit);
            hit.entry.append_message(ttl, &mut bytes);
            let due = hit.age == Age::Stale || hit.is_popular;
            let wildcard = hit.entry.wildcard();
            let summary = hit.entry.summary(ttl);
            let is_due = due && hit.entry.may_refresh(now);
            (hit.side, hit.age == Age::Stale, is_due, hit.entry.facts().failure, wildcard, summary)
        });
        let (side, is_stale, is_due, is_failure, wildcard, summary) = found?;
        if let (Some(wildcard), Some(metadata)) = (wildcard, query.metadata()) {
            metadata.set(WILDCARD, &*wildcard);
        }
        let kept = Flags::QR | Flags::RA | Flags::AD | 0x000f;
        // Some old resolvers drop a reply without AA: CoreDNS sets it on every hit.
        Flags((Flags::of(&bytes).0 & kept) | Flags::AA).store(&mut bytes);
        address(&mut bytes, query);
        let is_denied = Flags::of(&bytes).rcode() == NXDOMAIN;
        let mut reply = Reply::from_parts(bytes, summary);
        if is_stale || is_failure {
            let (code, text) = match (is_stale, is_denied) {
                (true, true) => {
                    (ExtendedError::STALE_NXDOMAIN, "no newer denial could be had in time")
                }
                (true, false) => {
                    (ExtendedError::STALE_ANSWER, "no newer answer could be had in time")
                }
                (false, _) => (ExtendedError::CACHED_ERROR, "failed a moment ago"),
            };
            reply = reply.with_extended_error(ExtendedError::new(code, text));
        }
        Some(Served { reply, side, is_stale, is_due })
    }

    fn shown_ttl(&self, hit: &Hit<'_>) -> u32 {
        let lifetime = hit.entry.facts().lifetime;
        match (hit.age, &self.config.stale) {
            (Age::Stale, Some(stale)) if stale.ttl > 0 => stale.ttl,
            _ if self.config.keep_ttl => lifetime,
            (Age::Stale, _) => 0,
            (Age::Fresh(left), _) => left,
        }
    }

    /// Something newer than the stale entry, if the configuration wants it tried first.
    async fn renew(
        self: &Arc<Self>,
        query: &mut Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Option<Reply> {
        match self.config.stale.as_ref()?.refresh {
            Refresh::Immediate => {
                self.refresh_later(query, next, key);
                None
            }
            Refresh::Verify => self.verify(query, next, key).await,
            Refresh::VerifyWithin(timeout) => self.verify_within(timeout, query, next, key).await,
        }
    }
}

/// Tells other plugins, and whoever has a query explained, what the store had.
fn tell(query: &Query, state: &'static str) {
    if let Some(metadata) = query.metadata() {
        metadata.set(STATE, state);
    }
}

/// The metadata label that says whether there was a reply in the store: ours, CoreDNS has none.
const STATE: &str = "cache/state";

/// The metadata label that says from which wildcard an answer was made.
const WILDCARD: &str = "zone/wildcard";

const NXDOMAIN: u8 = 3;
