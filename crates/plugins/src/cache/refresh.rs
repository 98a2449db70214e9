//! Refreshing what is stored: popular entries before they end, stale ones before or after they
//! were served. One refresh of an entry at a time, all of them bounded.

use std::sync::Arc;
use std::time::Duration;

use dunlin_core::wire::Flags;
use dunlin_core::{Next, Query, Reply};
use tokio::time::Instant;

use super::Inner;
use super::exchange::{Errand, PATIENCE, Purpose, personal};
use super::flight::{FlightKey, Follower, Joined, Landing, Leader};
use super::key::SharedKey;
use super::outcome::Outcome;

/// Refreshes of a server block that go on in the background, at most. Above that the entry stays
/// as it is, and the next hit tries again.
pub(super) const MAX_REFRESHES: usize = 256;

impl Inner {
    /// Refreshes the entry in the background, unless somebody does already.
    pub(super) fn refresh_later(self: &Arc<Self>, query: &Query, next: Next<'_>, key: &SharedKey) {
        let Some(leader) = self.flights.lead(plain(key), query.client().ip()) else { return };
        if self.refresh(leader, query, next, key).is_some() {
            self.table.at(query.site()).prefetches.inc();
        }
    }

    /// Asks first, and lets the client wait for it. `None` if the stale entry is all there is.
    pub(super) async fn verify(
        self: &Arc<Self>,
        query: &mut Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Option<Reply> {
        let deadline = query.received() + PATIENCE;
        let leader = match self.flights.join(plain(key), query.client().ip()) {
            Joined::Lead(leader) => leader,
            Joined::Follow(mut follower) => match follower.wait(deadline).await? {
                Landing::Lead(leader) => leader,
                Landing::Outcome(outcome) => return outcome.refreshed(query),
            },
            Joined::Full => return None,
        };
        let asked = query.flags();
        query.set_flag(Flags::RD | Flags::AD, true);
        let result = next.run(query).await;
        let errand = Errand { query, key, purpose: Purpose::Refresh };
        let settled = self.settle(result, &errand, leader);
        query.set_flag(Flags::RD, asked.has(Flags::RD));
        query.set_flag(Flags::AD, asked.has(Flags::AD));
        let mut reply = settled.ok().filter(|settled| settled.refreshes)?.reply;
        reply.set_flag(Flags::RD, asked.has(Flags::RD));
        Some(personal(reply, query))
    }

    /// Asks in the background, and lets the client wait for a while.
    pub(super) async fn verify_within(
        self: &Arc<Self>,
        timeout: Duration,
        query: &mut Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Option<Reply> {
        let deadline = Instant::now() + timeout;
        let client = query.client().ip();
        let mut follower = match self.flights.join(plain(key), client) {
            Joined::Lead(leader) => self.refresh_and_follow(leader, query, next, key)?,
            Joined::Follow(follower) => follower,
            Joined::Full => return None,
        };
        loop {
            match follower.wait(deadline).await? {
                Landing::Lead(leader) => {
                    follower = self.refresh_and_follow(leader, query, next, key)?;
                }
                Landing::Outcome(outcome) => {
                    let reply = outcome.refreshed(query)?;
                    let stored = self.look_up(&key.as_key(), query, Instant::now());
                    let fresh = stored.filter(|served| !served.is_stale);
                    return Some(fresh.map_or(reply, |served| served.reply));
                }
            }
        }
    }

    fn refresh_and_follow(
        self: &Arc<Self>,
        leader: Leader<Outcome>,
        query: &Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Option<Follower<Outcome>> {
        let follower = leader.follow(query.client().ip())?;
        self.refresh(leader, query, next, key).map(|()| follower)
    }

    /// Asks as if over TCP, so that nothing comes back cut, and with RD: this is for the cache.
    /// `None` if too much of that goes on already.
    fn refresh(
        self: &Arc<Self>,
        leader: Leader<Outcome>,
        query: &Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Option<()> {
        let mut query = query.duplicate_over_tcp();
        query.set_flag(Flags::RD | Flags::AD, true);
        let rest = next.detach();
        let inner = Arc::clone(self);
        let key = key.clone();
        let work = async move {
            let result = rest.run(&mut query).await;
            // A failure is remembered, and nobody waits for the reply here.
            let errand = Errand { query: &query, key: &key, purpose: Purpose::Refresh };
            let _settled = inner.settle(result, &errand, leader);
        };
        self.tasks.spawn(work).ok()
    }
}

/// The exchange that plain queries follow too: with RD, without a client subnet.
fn plain(key: &SharedKey) -> FlightKey {
    FlightKey { key: key.clone(), variant: 0 }
}
