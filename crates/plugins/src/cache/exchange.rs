//! Misses: asking the plugins behind, once for all who want to know the same, and keeping what
//! they say.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_core::edns::ExtendedError;
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::{Flags, Summary, types};
use dunlin_core::{Error, Next, Query, Reply, Result};
use tokio::time::Instant;

use super::answers::Question;
use super::flight::{FlightKey, Joined, Landing, Leader};
use super::key::SharedKey;
use super::outcome::{Outcome, subnet_of, wants_ad};
use super::store::{Admission, Entry, Facts, Side};
use super::verdict::{Verdict, judge, zones_without};
use super::{Inner, WILDCARD};

/// Why the plugins behind are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// There is nothing to serve.
    Answer,
    /// There is, and only something better may take its place.
    Refresh,
}

/// Something that is asked for the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errand<'a> {
    pub(super) query: &'a Query,
    pub(super) key: &'a SharedKey,
    pub(super) purpose: Purpose,
}

/// A reply whose fate is decided: flattened, without OPT, stored if it may be.
pub(super) struct Settled {
    pub(super) reply: Reply,
    /// Whether it is better than a stale entry.
    pub(super) refreshes: bool,
}

impl Inner {
    /// Answers a query for which nothing is stored.
    pub(super) async fn ask(
        self: &Arc<Self>,
        query: &mut Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Result<Reply> {
        let mut now = query.received();
        let deadline = now + PATIENCE;
        let is_probe = query.qtype_code() == types::HINFO && self.probes_pass;
        if is_probe || query.depth() > 1 {
            // What `loop` probes with: a probe that comes back must get through to it, not wait
            // for itself. Nor may a lookup inside of a lookup: aliases can lead in circles.
            return self.lead(self.flights.alone(), query, next, key).await;
        }
        loop {
            let flight = self.flight_key(key, query);
            let leader = match self.flights.join(flight, query.client().ip()) {
                Joined::Lead(leader) => leader,
                Joined::Follow(mut follower) => {
                    let landing = follower.wait(deadline).await;
                    now = Instant::now();
                    match landing {
                        Some(Landing::Lead(leader)) => leader,
                        Some(Landing::Outcome(outcome)) => match outcome.answer(query) {
                            Some(answer) => return answer,
                            None => continue,
                        },
                        None => return Err(too_late()),
                    }
                }
                Joined::Full => return Err(too_many()),
            };
            // Another worker may have stored the answer between our look and our lead.
            if let Some(served) = self.look_up(&key.as_key(), query, now) {
                return Ok(served.reply);
            }
            return self.lead(leader, query, next, key).await;
        }
    }

    async fn lead(
        &self,
        leader: Leader<Outcome>,
        query: &mut Query,
        next: Next<'_>,
        key: &SharedKey,
    ) -> Result<Reply> {
        let asked = query.flags();
        // RFC 6840 §5.7: whether data are authentic is asked for everybody, and told to those
        // who want to know.
        query.set_flag(Flags::AD, true);
        let result = next.run(query).await;
        query.set_flag(Flags::AD, asked.has(Flags::AD));
        let errand = Errand { query, key, purpose: Purpose::Answer };
        let settled = self.settle(result, &errand, leader)?;
        Ok(personal(settled.reply, query))
    }

    /// Decides what becomes of a result, and tells the followers.
    pub(super) fn settle(
        &self,
        result: Result<Reply>,
        errand: &Errand<'_>,
        leader: Leader<Outcome>,
    ) -> Result<Settled> {
        let errand = &self.as_it_stands_now(errand);
        let result = result.and_then(|mut reply| {
            let is_silence = reply.is_silence();
            let verdict = if is_silence { None } else { Some(self.keep(&mut reply, errand)?) };
            Ok((reply, verdict))
        });
        match result {
            Ok((mut reply, Some(verdict))) => {
                leader.land(|| Outcome::of(&mut reply, errand.query, &verdict));
                Ok(Settled { reply, refreshes: verdict.refreshes })
            }
            Ok((reply, None)) => {
                self.failed(None, errand);
                leader.land(|| Outcome::Silence);
                Ok(Settled { reply, refreshes: false })
            }
            Err(error) => {
                self.failed(Some(&error), errand);
                leader.land(|| Outcome::Failure(error.clone()));
                Err(error)
            }
        }
    }

    /// A refresh that comes after the end of its entry is a miss like any other.
    fn as_it_stands_now<'a>(&self, errand: &Errand<'a>) -> Errand<'a> {
        let is_served = errand.purpose == Purpose::Refresh
            && self.store.has_usable(&errand.key.as_key(), &self.config, Instant::now());
        let purpose = if is_served { Purpose::Refresh } else { Purpose::Answer };
        Errand { purpose, ..*errand }
    }

    /// Gives a reply its lifetime, and the store the reply.
    fn keep(&self, reply: &mut Reply, errand: &Errand<'_>) -> Result<Verdict> {
        let query = errand.query;
        let question = Question {
            qname: query.qname(),
            qtype: query.qtype_code(),
            qclass: query.qclass_code(),
        };
        let recursive = query.flags().has(Flags::RD);
        let (bytes, summary) = reply.wire()?;
        // The time of day is for signatures.
        let wall = summary.signature_validity.map_or(0, |_validity| time_of_day());
        let verdict = judge(bytes, summary, &question, recursive, &self.config, wall);
        reply.remove_opt()?;
        reply.set_all_ttls(verdict.facts.lifetime)?;
        if verdict.is_stray {
            self.table.at(query.site()).drops.inc();
        }
        let is_refresh = errand.purpose == Purpose::Refresh;
        let side = verdict.side.filter(|_| !is_refresh || self.may_replace(&verdict));
        if let Some(side) = side {
            let (bytes, summary) = reply.wire()?;
            self.store(side, bytes, summary, verdict.facts, errand);
        }
        if is_refresh && !verdict.refreshes {
            self.hold_off(errand.key);
        }
        Ok(verdict)
    }

    /// With `prefer_positive` denials are stored beside the answer that goes before them.
    fn may_replace(&self, verdict: &Verdict) -> bool {
        verdict.refreshes || (self.config.prefers_positive() && !verdict.facts.failure)
    }

    /// Remembers a failure (RFC 9520 §3.2): for `servfail` if there is nothing to serve, else by
    /// leaving the upstream in peace for a while.
    fn failed(&self, error: Option<&Error>, errand: &Errand<'_>) {
        if errand.purpose == Purpose::Refresh {
            return self.hold_off(errand.key);
        }
        let query = errand.query;
        let facts = Facts { lifetime: self.config.servfail, answering: false, failure: true };
        if error.is_none_or(is_local)
            || facts.lifetime == 0
            || !query.flags().has(Flags::RD)
            || zones_without(Side::Denial, &self.config).of(query).is_some()
        {
            return;
        }
        let mut bytes = [0, 0, 0x80, SERVFAIL, 0, 1, 0, 0, 0, 0, 0, 0].to_vec();
        bytes.extend_from_slice(query.question());
        if let Ok(summary) = Summary::of(&bytes) {
            self.store(Side::Denial, &bytes, &summary, facts, errand);
        }
    }

    fn store(
        &self,
        side: Side,
        bytes: &[u8],
        summary: &Summary,
        facts: Facts,
        errand: &Errand<'_>,
    ) {
        let Errand { query, key, purpose } = *errand;
        let key = key.as_key();
        let now = Instant::now();
        let Some(mut entry) = Entry::new(&key, bytes, summary, facts, now) else { return };
        if let Some(name) = query.metadata().and_then(|metadata| metadata.get(WILDCARD)) {
            entry.set_wildcard(name.into());
        }
        let is_refresh = purpose == Purpose::Refresh;
        let admission = Admission { side, stale: self.config.stale.as_ref(), is_refresh };
        let evicted = self.store.insert(&key, entry, &admission, now);
        let numbers = self.table.at(query.site());
        numbers.evictions.success.add(evicted.success);
        numbers.evictions.denial.add(evicted.denial);
        let (success, denial) = self.store.lens();
        numbers.entries.success.set(i64::try_from(success).unwrap_or(i64::MAX));
        numbers.entries.denial.set(i64::try_from(denial).unwrap_or(i64::MAX));
    }

    fn hold_off(&self, key: &SharedKey) {
        let recheck = self.config.stale.as_ref().map_or(Duration::ZERO, |stale| stale.recheck);
        self.store.hold_off(&key.as_key(), Instant::now() + recheck.max(MIN_RECHECK));
    }

    /// What the exchange of a query is known by: RD is not mixed up, and client subnets have
    /// four exchanges a question at most (CVE-2025-5994).
    fn flight_key(&self, key: &SharedKey, query: &Query) -> FlightKey {
        let subnet = subnet_of(query).map_or(0, |subnet| {
            let [low, ..] =
                std::hash::BuildHasher::hash_one(self.store.seed(), subnet).to_le_bytes();
            1 + low % 4
        });
        let variant = u8::from(!query.flags().has(Flags::RD)) | subnet << 1;
        FlightKey { key: key.clone(), variant }
    }
}

/// A query is answered, or given up, this long after it was received.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// RFC 9520 §3.2: a failure is remembered for a second at least.
const MIN_RECHECK: Duration = Duration::from_secs(1);

const SERVFAIL: u8 = 2;

/// The reply as this client may see it.
pub(super) fn personal(mut reply: Reply, query: &Query) -> Reply {
    if !wants_ad(query) {
        reply.set_flag(Flags::AD, false);
    }
    reply
}

/// Whether an error says nothing about the upstream: a limit of ours, or we are not ready.
fn is_local(error: &Error) -> bool {
    let is_unready = |told: &ExtendedError| told.code == ExtendedError::NOT_READY;
    error.rcode() != ResponseCode::ServFail || error.extended_error().is_some_and(is_unready)
}

fn too_late() -> Error {
    let told = ExtendedError::new(ExtendedError::NO_REACHABLE_AUTHORITY, "no answer in time");
    Error::new("no answer in time to the exchange that this query shares").with_extended_error(told)
}

fn too_many() -> Error {
    let told = ExtendedError::new(OTHER, "too many of your queries wait for this answer");
    Error::new("too many queries of one client wait for the same answer")
        .with_rcode(ResponseCode::Refused)
        .with_extended_error(told)
}

/// INFO-CODE "Other Error" (RFC 8914 §4.1).
const OTHER: u16 = 0;

/// Seconds since 1970, modulo 2³², as signatures count them (RFC 4034 §3.1.5).
fn time_of_day() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_secs() & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
