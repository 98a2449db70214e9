//! The course of one question: whom to try next, when to ask a second upstream beside the first,
//! which result to take.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{Patience, Sends, attempt};
use super::race::Race;
use super::{Exchange, Group, Outcome, Upstream, Via};
use crate::ask::Ask;
use crate::error::{ExchangeError, Failure};
use crate::hedge::{hedge_after, repeat_after};
use crate::response::Response;
use crate::response::chain::{Defect, clean};

/// Between two sends to an upstream that failed fast.
const PAUSE: Duration = Duration::from_millis(50);

/// Puts the question and waits for a response worth having.
pub(super) async fn run<E: Exchange>(group: &Group<E>, ask: &Ask, via: Via) -> Outcome {
    let sends = Sends::new(group.upstreams.len());
    let mut course = Course::new(group, ask);
    let mut race = Race::new();
    let read_timeout = group.settings.read_timeout;
    let patience = Patience { deadline: course.deadline, read_timeout };
    let start = |index: usize, via, now| {
        let upstream = group.upstreams.get(index)?;
        Some(attempt(upstream, index, ask, via, &sends, patience, now))
    };
    let mut now = course.started;
    loop {
        if race.is_empty() {
            let Some((index, at)) = course.next(&sends, now) else { return course.end() };
            if at > now {
                tokio::time::sleep_until(at).await;
                now = Instant::now();
            }
            course.launched(index, now);
            let Some(tried) = start(index, via, now) else { return course.end() };
            race.add(index, tried);
        }
        let alarm = course.alarm(&race, &sends);
        // An exchange is promised that somebody looks at it before its time is over.
        let look = alarm.min(now + read_timeout / 2);
        // The race keeps its state when the alarm comes first.
        tokio::select! {
            biased;
            (index, result) = race.next() => {
                if let Some(outcome) = course.judge(index, result) {
                    return outcome;
                }
                now = Instant::now();
            }
            () = tokio::time::sleep_until(look) => {
                now = Instant::now();
                if now >= course.deadline {
                    return course.end();
                }
                if now < alarm {
                    continue;
                }
                let Some((index, via)) = course.hedge(&race, via, now) else { continue };
                let Some(tried) = start(index, via, now) else { continue };
                race.add(index, tried);
            }
        }
    }
}

struct Course<'a, E> {
    group: &'a Group<E>,
    ask: &'a Ask,
    started: Instant,
    deadline: Instant,
    /// Indices of upstreams in the order to try them, round and round.
    order: Cow<'static, [usize]>,
    cursor: usize,
    attempts_left: u32,
    /// The try that silence is counted from.
    latest: Option<(usize, Instant)>,
    /// Whether no more tries are to run beside each other.
    unhedged: bool,
    /// Upstreams that gave a response, which was not good enough.
    replied: Vec<usize>,
    /// Upstreams that failed fast, and when they may be asked again.
    resting: Vec<(usize, Instant)>,
    /// Whether all upstreams were down and one is tried all the same.
    desperate: bool,
    /// Boxed, as the error is: most courses have neither, and are smaller without.
    reply: Option<(usize, Box<Response>)>,
    error: Option<Box<ExchangeError>>,
}

impl<'a, E: Exchange> Course<'a, E> {
    fn new(group: &'a Group<E>, ask: &'a Ask) -> Self {
        let now = Instant::now();
        let count = group.upstreams.len();
        let mut order = group.chooser.order(count, &mut rand::rng());
        let suspect = |index: &usize| {
            group.upstreams.get(*index).is_some_and(|upstream| upstream.health.is_suspect(now))
        };
        if count > 1 {
            order.to_mut().sort_by_key(suspect);
        }
        let twice = || u32::try_from(2 * count).unwrap_or(u32::MAX);
        let attempts_left = match group.settings.max_attempts {
            None => twice(),
            Some(0) => u32::MAX,
            Some(limit) => limit,
        };
        Self {
            group,
            ask,
            started: now,
            deadline: now + group.settings.budget,
            order,
            cursor: 0,
            attempts_left,
            latest: None,
            unhedged: false,
            replied: Vec::new(),
            resting: Vec::new(),
            desperate: false,
            reply: None,
            error: None,
        }
    }

    /// Whom to try next, and when; `None` when it is time to give up.
    fn next(&mut self, sends: &Sends, now: Instant) -> Option<(usize, Instant)> {
        let over = self.attempts_left == 0 || now >= self.deadline || sends.are_spent();
        if over || self.desperate {
            return None;
        }
        let index = match self.candidate(|_| true) {
            Some(index) => index,
            None if self.order.iter().any(|index| !self.is_down(*index)) => return None,
            None => self.despair()?,
        };
        let rested = self.resting.iter().rev().find(|(resting, _)| *resting == index);
        let at = rested.map_or(now, |(_, until)| now.max(*until));
        (at < self.deadline).then_some((index, at))
    }

    /// The next upstream in order that is up, has not replied yet, and suits.
    fn candidate(&self, suits: impl Fn(usize) -> bool) -> Option<usize> {
        let (tried, ahead) = self.order.split_at_checked(self.cursor)?;
        ahead
            .iter()
            .chain(tried)
            .copied()
            .find(|index| suits(*index) && !self.is_down(*index) && !self.replied.contains(index))
    }

    /// All are down: the probes may be wrong, so one upstream, whatever the policy, is tried.
    fn despair(&mut self) -> Option<usize> {
        self.group.broken.inc();
        if self.group.settings.failfast {
            return None;
        }
        self.desperate = true;
        self.unhedged = true;
        rand::seq::IndexedRandom::choose(&*self.order, &mut rand::rng()).copied()
    }

    fn launched(&mut self, index: usize, now: Instant) {
        self.attempts_left = self.attempts_left.saturating_sub(1);
        self.latest = Some((index, now));
        let place = self.order.iter().position(|one| *one == index);
        self.cursor = place.map_or(0, |place| (place + 1) % self.order.len());
    }

    /// When to look up from the race: the next hedge, or the deadline.
    fn alarm(&self, race: &Race<'_, Result<Response, ExchangeError>>, sends: &Sends) -> Instant {
        let exhausted = self.unhedged || self.attempts_left == 0 || sends.are_spent();
        let Some((index, since)) = self.latest.filter(|_| !exhausted && !race.is_full()) else {
            return self.deadline;
        };
        let rtt = self.upstream(index).and_then(|upstream| upstream.health.smoothed_rtt());
        let patience = match self.candidate(|index| !race.contains(index)) {
            Some(_) => hedge_after(rtt),
            None => repeat_after(rtt),
        };
        self.deadline.min(since + patience)
    }

    /// The upstream asked last is silent: whom to ask beside it, if the budget allows.
    fn hedge(
        &mut self,
        race: &Race<'_, Result<Response, ExchangeError>>,
        via: Via,
        now: Instant,
    ) -> Option<(usize, Via)> {
        let (silent, _) = self.latest?;
        self.note_silence(silent);
        if !self.group.hedges.spend() {
            self.unhedged = true;
            return None;
        }
        let upstream = self.upstream(silent)?;
        upstream.metrics.hedged();
        if let Some(other) = self.candidate(|index| !race.contains(index)) {
            self.launched(other, now);
            return Some((other, via));
        }
        // Nobody else is there: the same one from another port, or on another connection, once.
        self.unhedged = true;
        let over_udp = via == Via::Udp && !upstream.exchange.needs_stream();
        let via = if over_udp { via } else { Via::FreshStream };
        Some((silent, via))
    }

    /// What a result means; an outcome if the question is settled.
    fn judge(&mut self, index: usize, result: Result<Response, ExchangeError>) -> Option<Outcome> {
        let name =
            || self.upstream(index).map(|upstream| upstream.name.clone()).unwrap_or_default();
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                self.failed(index, error);
                return None;
            }
        };
        match clean(self.ask, response) {
            Ok(response) if self.group.settings.failover.contains(&response.rcode()) => {
                self.replied.push(index);
                self.reply = Some((index, Box::new(response)));
                None
            }
            Ok(response) => Some(Outcome { upstream: Some(index), result: Ok(response) }),
            Err(Defect::AliasLoop) => {
                let result = Err(Failure::AliasLoop { remote: name() });
                Some(Outcome { upstream: Some(index), result })
            }
            Err(Defect::Unusable(reason)) => {
                self.error = Some(Box::new(ExchangeError::Unusable { remote: name(), reason }));
                self.replied.push(index);
                None
            }
        }
    }

    fn failed(&mut self, index: usize, error: ExchangeError) {
        if error.blames_upstream() {
            self.note_silence(index);
            if let Some(upstream) = self.group.upstreams.get(index) {
                self.group.doubt(upstream);
            }
        }
        if !error.is_timeout() {
            self.resting.push((index, Instant::now() + PAUSE));
        }
        self.error = Some(Box::new(error));
    }

    /// Counts a question without an answer; several different ones make the upstream suspect.
    fn note_silence(&self, index: usize) {
        let Some(upstream) = self.group.upstreams.get(index) else { return };
        if upstream.health.was_silent(self.group.hash_of(self.ask), Instant::now()) {
            self.group.doubt(upstream);
        }
    }

    fn end(self) -> Outcome {
        let upstream = self.latest.map(|(index, _)| index);
        if let Some((index, response)) = self.reply {
            return Outcome { upstream: Some(index), result: Ok(*response) };
        }
        let failure = match self.error {
            Some(error) => Failure::Exchange(*error),
            None if upstream.is_some() => Failure::Timeout,
            None => Failure::NoHealthy,
        };
        Outcome { upstream, result: Err(failure) }
    }

    fn upstream(&self, index: usize) -> Option<&'a Arc<Upstream<E>>> {
        self.group.upstreams.get(index)
    }

    fn is_down(&self, index: usize) -> bool {
        let max_fails = self.group.settings.max_fails;
        self.upstream(index).is_none_or(|upstream| upstream.health.is_down(max_fails))
    }
}
