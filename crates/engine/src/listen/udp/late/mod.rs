//! Replies of one socket that have to wait for somebody else's. Its loop drives their chains itself, by
//! the batch.
//!
//! Tasks of the runtime would cost more: each chain would be polled once more only to say who is to
//! be woken, and would need memory and a timer of its own. Here a chain meets the waker that it will
//! be called by when it is polled for the first time, and one timer serves all of them.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_os::batch::Route;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::serve::Later;

/// The replies that wait, each in a slot with a waker of its own.
pub(super) struct Late {
    slots: Vec<Slot>,
    /// Slots without a reply; the last one is for the next query.
    free: Vec<usize>,
    /// Slots whose turn it is.
    called: VecDeque<usize>,
    bell: Arc<Bell>,
    /// Goes off when a reply may have waited for too long.
    alarm: Pin<Box<Sleep>>,
    is_alarm_set: bool,
}

struct Slot {
    caller: Arc<Caller>,
    /// Of the caller.
    waker: Waker,
    work: Option<(Later, Route)>,
}

/// Calls the loop to one slot. Whoever keeps the waker of a reply that is gone calls in vain, or calls
/// the next one in that slot, which then looks and goes on waiting.
struct Caller {
    slot: usize,
    /// Whether the slot is among those that were called.
    has_called: AtomicBool,
    bell: Arc<Bell>,
}

/// What wakers share with the loop.
type Bell = Mutex<Rung>;

#[derive(Default)]
struct Rung {
    called: VecDeque<usize>,
    /// The loop, if it waits.
    waiting: Option<Waker>,
}

/// Between two looks for replies that have waited for too long: each looks at all slots.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Slots that are kept when no reply waits.
const KEPT: usize = 256;

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.has_called.swap(true, AcqRel) {
            return;
        }
        let waiting = {
            let mut rung = self.bell.lock();
            rung.called.push_back(self.slot);
            rung.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

impl Late {
    /// Nothing waits. Belongs to the runtime of this thread.
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            called: VecDeque::new(),
            bell: Arc::default(),
            alarm: Box::pin(sleep_until(Instant::now())),
            is_alarm_set: false,
        }
    }

    /// The waker for the first poll of the next query.
    pub(super) fn next_waker(&mut self) -> &Waker {
        let index = *self.free.last().unwrap_or(&self.slots.len());
        if index == self.slots.len() {
            self.free.push(index);
            self.slots.push(Slot::new(index, &self.bell));
        }
        self.slots.get(index).map_or(Waker::noop(), |slot| &slot.waker)
    }

    /// Keeps a reply that met [`Late::next_waker`] and has to wait.
    pub(super) fn keep(&mut self, later: Later, route: Route) {
        if !self.is_alarm_set {
            self.set_alarm(later.deadline());
        }
        if let Some(slot) = self.free.pop().and_then(|index| self.slots.get_mut(index)) {
            slot.work = Some((later, route));
        }
    }

    /// Whether any reply waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.free.len() < self.slots.len()
    }

    /// Waits until [`Late::advance`] has something to do. May be given up and begun again.
    pub(super) async fn wait(&mut self) {
        poll_fn(|context| self.poll_wait(context)).await;
    }

    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.called.is_empty()
            || (self.is_alarm_set && self.alarm.as_mut().poll(context).is_ready())
        {
            return Poll::Ready(());
        }
        let mut rung = self.bell.lock();
        if !rung.called.is_empty() {
            return Poll::Ready(());
        }
        rung.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    /// Goes on with the replies that were called, `limit` of them at most, and gives up those that
    /// waited for too long. `send` gets what became ready. True if more were called.
    pub(super) fn advance(&mut self, limit: usize, mut send: impl FnMut(Buffer, &Route)) -> bool {
        let mut given_up = 0;
        if self.is_alarm_set && self.alarm.is_elapsed() {
            given_up = self.give_up(limit, &mut send);
        }
        if self.called.is_empty() {
            std::mem::swap(&mut self.called, &mut self.bell.lock().called);
        }
        for _ in given_up..limit {
            let Some(index) = self.called.pop_front() else { break };
            self.go_on(index, &mut send);
        }
        if !self.is_waiting() && self.slots.len() > KEPT {
            self.slots.clear();
            self.free.clear();
        }
        !self.called.is_empty() || !self.bell.lock().called.is_empty()
    }

    fn go_on(&mut self, index: usize, send: &mut impl FnMut(Buffer, &Route)) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        // From here on it may be called again.
        slot.caller.has_called.swap(false, AcqRel);
        let Some((later, route)) = &mut slot.work else { return };
        if let Poll::Ready(reply) = later.poll(&mut Context::from_waker(&slot.waker)) {
            if let Some(reply) = reply {
                send(reply, route);
            }
            slot.work = None;
            self.free.push(index);
        }
    }

    /// Says how many it gave up.
    fn give_up(&mut self, limit: usize, send: &mut impl FnMut(Buffer, &Route)) -> usize {
        let now = Instant::now();
        let is_over = |work: &mut (Later, Route)| work.0.deadline() <= now;
        let mut given_up = 0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if given_up == limit {
                break;
            }
            let Some((later, route)) = slot.work.take_if(is_over) else { continue };
            if let Some(reply) = later.give_up() {
                send(reply, &route);
            }
            self.free.push(index);
            given_up += 1;
        }
        let left = self.slots.iter().filter_map(|slot| slot.work.as_ref());
        match left.map(|(later, _)| later.deadline()).min() {
            Some(next) if next <= now => self.set_alarm(next),
            Some(next) => self.set_alarm(next.max(now + LOOK_INTERVAL)),
            None => self.is_alarm_set = false,
        }
        given_up
    }

    fn set_alarm(&mut self, at: Instant) {
        self.alarm.as_mut().reset(at);
        self.is_alarm_set = true;
    }
}

impl Slot {
    fn new(slot: usize, bell: &Arc<Bell>) -> Self {
        let has_called = AtomicBool::new(false);
        let caller = Arc::new(Caller { slot, has_called, bell: Arc::clone(bell) });
        Self { waker: Waker::from(Arc::clone(&caller)), caller, work: None }
    }
}
