//! Who is to be woken when a socket has something: a bell for each socket. Pure: no socket, no
//! runtime.

use std::task::{Context, Poll, Waker};

/// The bells of the sockets that one worker has open to one upstream.
#[derive(Debug, Default)]
pub(super) struct Bells {
    bells: Vec<Bell>,
    /// Those that belong to no socket.
    free: Vec<usize>,
}

#[derive(Debug, Default)]
struct Bell {
    /// Something has come that nobody has looked at.
    rung: bool,
    waiting: Option<Waker>,
}

impl Bells {
    /// A bell for a new socket.
    pub(super) fn hang(&mut self) -> usize {
        let number = self.free.pop().unwrap_or(self.bells.len());
        match self.bells.get_mut(number) {
            // It may have been rung after it was taken down.
            Some(bell) => bell.rung = false,
            None => self.bells.push(Bell::default()),
        }
        number
    }

    /// The socket is for another query now: what it rang for was the last one's.
    pub(super) fn hush(&mut self, number: usize) {
        if let Some(bell) = self.bells.get_mut(number) {
            *bell = Bell::default();
        }
    }

    /// The socket is gone.
    pub(super) fn take_down(&mut self, number: usize) {
        if let Some(bell) = self.bells.get_mut(number) {
            *bell = Bell::default();
            self.free.push(number);
        }
    }

    /// The socket has something. A bell may be rung for a socket that is gone already: whoever has
    /// it now looks in vain.
    pub(super) fn ring(&mut self, number: usize) -> Option<Waker> {
        let bell = self.bells.get_mut(number)?;
        bell.rung = true;
        bell.waiting.take()
    }

    /// Whether the bell was rung since this was asked last; if not, the task is woken when it is.
    pub(super) fn poll(&mut self, number: usize, context: &Context<'_>) -> Poll<()> {
        let Some(bell) = self.bells.get_mut(number) else { return Poll::Pending };
        if std::mem::take(&mut bell.rung) {
            return Poll::Ready(());
        }
        match &mut bell.waiting {
            Some(waker) => waker.clone_from(context.waker()),
            waiting => *waiting = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether the bell was not rung since somebody looked.
    pub(super) fn is_quiet(&self, number: usize) -> bool {
        self.bells.get(number).is_some_and(|bell| !bell.rung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_heard_once_whether_it_comes_before_or_after_the_question() {
        let mut bells = Bells::default();
        let context = Context::from_waker(Waker::noop());
        let (one, other) = (bells.hang(), bells.hang());
        assert!(bells.ring(one).is_none() && !bells.is_quiet(one));
        assert!(bells.poll(one, &context).is_ready());
        assert!(bells.poll(one, &context).is_pending());
        assert!(bells.ring(one).is_some() && bells.ring(one).is_none());
        assert!(bells.poll(one, &context).is_ready() && bells.is_quiet(one));
        assert!(bells.poll(other, &context).is_pending(), "each socket has a bell of its own");
    }

    #[test]
    fn a_bell_is_hung_up_again_silent() {
        let mut bells = Bells::default();
        let context = Context::from_waker(Waker::noop());
        let number = bells.hang();
        assert!(bells.poll(number, &context).is_pending());
        bells.take_down(number);
        assert!(bells.ring(number).is_none(), "nobody waits there any more");
        assert_eq!(bells.hang(), number);
        assert!(bells.is_quiet(number));
        assert!(bells.ring(7).is_none() && !bells.is_quiet(7));
        bells.ring(number);
        bells.hush(number);
        assert!(bells.is_quiet(number));
    }
}
