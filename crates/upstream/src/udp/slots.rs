//! Which socket of a pool a query gets. Pure: sockets are anything, time and chance come from
//! outside.
//!
//! A pool has places for sockets, and a query draws a place: that of a young socket at rest is used,
//! an empty one is filled. So the ports of a busy pool are all in use equally often, and those of a
//! quiet one are nearly always new.

use std::time::Duration;

use tokio::time::Instant;

/// The places for sockets of one pool.
#[derive(Debug)]
pub(super) struct Slots<T>(Vec<Slot<T>>);

#[derive(Debug)]
enum Slot<T> {
    Empty,
    /// A query is in flight on the socket.
    Lent,
    Idle(T, Instant),
}

/// What came of a draw.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Draw<T> {
    /// The socket in this place, opened then.
    Reuse(usize, T, Instant),
    /// This place is to be filled. It may have held a socket, which is to be closed.
    Fill(usize, Option<T>),
    /// No place was free.
    Busy,
}

/// A socket of this age takes no more queries (security.md FW-02).
pub(super) const MAX_AGE: Duration = Duration::from_secs(10);
/// Draws for one query. With half of a pool in flight one query in 256 finds no place.
const MAX_DRAWS: u32 = 8;

impl<T> Slots<T> {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Slot::Empty).collect())
    }

    /// Lends a place drawn with `random`, which returns a number below its argument. A socket that
    /// is not `quiet` got something while it was at rest: nobody asked for that.
    pub(super) fn draw(
        &mut self,
        now: Instant,
        mut random: impl FnMut(usize) -> usize,
        quiet: impl Fn(&T) -> bool,
    ) -> Draw<T> {
        for _ in 0..MAX_DRAWS {
            let index = random(self.0.len());
            let Some(slot) = self.0.get_mut(index).filter(|slot| !matches!(slot, Slot::Lent))
            else {
                continue;
            };
            return match std::mem::replace(slot, Slot::Lent) {
                Slot::Idle(socket, opened) if is_young(opened, now) && quiet(&socket) => {
                    Draw::Reuse(index, socket, opened)
                }
                Slot::Idle(socket, _) => Draw::Fill(index, Some(socket)),
                Slot::Empty | Slot::Lent => Draw::Fill(index, None),
            };
        }
        Draw::Busy
    }

    /// The query is over, and its socket may serve another one.
    pub(super) fn give_back(&mut self, index: usize, socket: T, opened: Instant) {
        if let Some(slot) = self.0.get_mut(index) {
            *slot = Slot::Idle(socket, opened);
        }
    }

    /// The query is over, and its socket is gone.
    pub(super) fn vacate(&mut self, index: usize) {
        if let Some(slot) = self.0.get_mut(index) {
            *slot = Slot::Empty;
        }
    }

    /// Takes out the sockets at rest that will not be used any more.
    pub(super) fn take_old(&mut self, now: Instant) -> Vec<T> {
        let old = |slot: &mut Slot<T>| match slot {
            Slot::Idle(_, opened) if !is_young(*opened, now) => {
                match std::mem::replace(slot, Slot::Empty) {
                    Slot::Idle(socket, _) => Some(socket),
                    Slot::Empty | Slot::Lent => None,
                }
            }
            _ => None,
        };
        self.0.iter_mut().filter_map(old).collect()
    }
}

fn is_young(opened: Instant, now: Instant) -> bool {
    now.saturating_duration_since(opened) < MAX_AGE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws with these numbers, in order.
    fn draw(slots: &mut Slots<char>, now: Instant, numbers: &[usize]) -> Draw<char> {
        let mut numbers = numbers.iter();
        slots.draw(now, |_| *numbers.next().unwrap(), |socket| *socket != 'x')
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_serves_one_query_at_a_time() {
        let now = Instant::now();
        let mut slots = Slots::new(2);
        assert_eq!(draw(&mut slots, now, &[1]), Draw::Fill(1, None));
        assert_eq!(draw(&mut slots, now, &[1, 1, 0]), Draw::Fill(0, None));
        assert_eq!(draw(&mut slots, now, &[0, 1, 0, 1, 0, 1, 0, 1]), Draw::Busy);
        slots.give_back(1, 'a', now);
        assert_eq!(draw(&mut slots, now, &[0, 1]), Draw::Reuse(1, 'a', now));
        slots.vacate(1);
        assert_eq!(draw(&mut slots, now, &[1]), Draw::Fill(1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn old_sockets_and_those_that_heard_something_are_replaced() {
        let opened = Instant::now();
        let mut slots = Slots::new(3);
        for (index, socket) in ['a', 'x', 'c'].into_iter().enumerate() {
            assert_eq!(draw(&mut slots, opened, &[index]), Draw::Fill(index, None));
            slots.give_back(index, socket, opened);
        }
        assert_eq!(draw(&mut slots, opened, &[1]), Draw::Fill(1, Some('x')));
        let almost = opened + MAX_AGE.saturating_sub(Duration::from_millis(1));
        assert!(slots.take_old(almost).is_empty());
        assert_eq!(draw(&mut slots, almost, &[0]), Draw::Reuse(0, 'a', opened));
        slots.give_back(0, 'a', opened);
        let then = opened + MAX_AGE;
        assert_eq!(draw(&mut slots, then, &[0]), Draw::Fill(0, Some('a')));
        assert_eq!(slots.take_old(then), ['c']);
        assert_eq!(draw(&mut slots, then, &[2]), Draw::Fill(2, None));
    }

    #[tokio::test(start_paused = true)]
    async fn every_place_is_drawn_from_all_places() {
        let mut slots = Slots::<char>::new(1024);
        let drawn = slots.draw(Instant::now(), |below| below - 1, |_| true);
        assert_eq!(drawn, Draw::Fill(1023, None));
        assert_eq!(Slots::<char>::new(0).draw(Instant::now(), |_| 0, |_| true), Draw::Busy);
    }
}
