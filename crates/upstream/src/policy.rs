//! In which order upstreams are tried. Pure but for one counter.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rand::{Rng, RngExt};

/// How upstreams are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Policy {
    /// A new permutation for each query.
    #[default]
    Random,
    /// The next upstream for each query, then the rest in the order of the configuration. The
    /// first query goes to the second upstream, as in CoreDNS.
    RoundRobin,
    /// The order of the configuration.
    Sequential,
}

/// A policy at work.
#[derive(Debug, Default)]
pub(crate) struct Chooser {
    policy: Policy,
    turn: AtomicUsize,
}

impl Chooser {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, turn: AtomicUsize::new(0) }
    }

    /// The indices of `count` upstreams in the order to try them.
    pub(crate) fn order(&self, count: usize, rng: &mut impl Rng) -> Cow<'static, [usize]> {
        if count == 1 {
            return Cow::Borrowed(&[0]);
        }
        let mut order: Vec<usize> = (0..count).collect();
        match self.policy {
            Policy::Sequential => {}
            Policy::Random => {
                for last in (1..count).rev() {
                    order.swap(rng.random_range(0..=last), last);
                }
            }
            Policy::RoundRobin if count > 0 => {
                let first = self.turn.fetch_add(1, Relaxed).wrapping_add(1) % count;
                if let Some(turned) = order.get_mut(..=first) {
                    turned.rotate_right(1);
                }
            }
            Policy::RoundRobin => {}
        }
        Cow::Owned(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(policy: Policy, count: usize, times: usize) -> Vec<Vec<usize>> {
        let chooser = Chooser::new(policy);
        (0..times).map(|_| chooser.order(count, &mut rand::rng()).into_owned()).collect()
    }

    #[test]
    fn sequential_keeps_the_order_of_the_configuration() {
        assert_eq!(orders(Policy::Sequential, 3, 2), [[0, 1, 2], [0, 1, 2]]);
    }

    #[test]
    fn one_upstream_is_the_first_under_any_policy() {
        for policy in [Policy::Random, Policy::RoundRobin, Policy::Sequential] {
            assert_eq!(orders(policy, 1, 2), [[0], [0]], "{policy:?}");
        }
    }

    #[test]
    fn round_robin_begins_with_the_second_then_the_rest_in_order() {
        let expected = [[1, 0, 2], [2, 0, 1], [0, 1, 2], [1, 0, 2]];
        assert_eq!(orders(Policy::RoundRobin, 3, 4), expected);
        assert_eq!(orders(Policy::RoundRobin, 0, 1), [[0usize; 0]]);
    }

    #[test]
    fn random_gives_every_permutation_about_equally_often() {
        let mut seen = std::collections::HashMap::new();
        for order in orders(Policy::Random, 3, 6000) {
            *seen.entry(order).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|times| (800..1200).contains(times)), "{seen:?}");
    }
}
