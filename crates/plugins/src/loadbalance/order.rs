//! The order of the records of one section: pure, chance is an argument. An order is a list of old
//! places.

use std::net::IpAddr;

use dunlin_core::wire::types;
use ipnet::IpNet;

use super::section::Item;

/// Whether every record stays where it is.
pub(super) fn is_in_order(order: &[usize]) -> bool {
    order.iter().enumerate().all(|(new, old)| new == *old)
}

/// CNAMEs first, for clients that follow them in one pass; then whatever else there is; addresses
/// and mail exchangers in random order.
pub(super) fn round_robin(items: &[Item], random: &mut impl FnMut(usize) -> usize) -> Vec<usize> {
    if items.len() < 2 {
        return (0..items.len()).collect();
    }
    let mut groups = Groups::of(items, 0..items.len());
    shuffle(&mut groups.addresses, random);
    shuffle(&mut groups.exchangers, random);
    groups.exchangers_last()
}

/// As [`round_robin`], but one address is drawn by its weight and swapped with the first; the
/// others keep their order. Without addresses nothing changes.
pub(super) fn weighted(
    items: &[Item],
    weight: impl Fn(&Item) -> usize,
    random: &mut impl FnMut(usize) -> usize,
) -> Vec<usize> {
    let mut groups = Groups::of(items, 0..items.len());
    if groups.addresses.is_empty() {
        return (0..items.len()).collect();
    }
    let weights: Vec<usize> =
        groups.addresses.iter().map(|place| items.get(*place).map_or(0, &weight)).collect();
    let mut drawn = random(weights.iter().sum());
    let chosen = weights.iter().position(|weight| {
        let is_here = drawn < *weight;
        drawn = drawn.saturating_sub(*weight);
        is_here
    });
    groups.addresses.swap(0, chosen.unwrap_or(0));
    groups.exchangers_last()
}

/// Sorts addresses by the first network that they lie in. Mail exchangers stand before the rest
/// here, and behind it without preferences, as in CoreDNS.
pub(super) fn most_preferred_first(items: &[Item], networks: &[IpNet], order: &mut Vec<usize>) {
    let mut groups = Groups::of(items, order.iter().copied());
    let rank = |place: &usize| {
        let address = items.get(*place).and_then(|item| item.address);
        address.and_then(|address| rank(address, networks)).unwrap_or(networks.len())
    };
    groups.addresses.sort_by_key(rank);
    let Groups { aliases, addresses, exchangers, rest } = groups;
    *order = [aliases, addresses, exchangers, rest].concat();
}

fn rank(address: IpAddr, networks: &[IpNet]) -> Option<usize> {
    networks.iter().position(|network| network.contains(&address))
}

/// Places by type of record.
#[derive(Default)]
struct Groups {
    aliases: Vec<usize>,
    addresses: Vec<usize>,
    exchangers: Vec<usize>,
    rest: Vec<usize>,
}

impl Groups {
    fn of(items: &[Item], places: impl Iterator<Item = usize>) -> Self {
        let mut groups = Self::default();
        for place in places {
            let group = match items.get(place).map(|item| item.kind) {
                Some(types::CNAME) => &mut groups.aliases,
                Some(types::A | types::AAAA) => &mut groups.addresses,
                Some(types::MX) => &mut groups.exchangers,
                _ => &mut groups.rest,
            };
            group.push(place);
        }
        groups
    }

    fn exchangers_last(self) -> Vec<usize> {
        let Self { aliases, addresses, exchangers, rest } = self;
        [aliases, rest, addresses, exchangers].concat()
    }
}

/// Fisher and Yates: every permutation is as likely as any other.
fn shuffle(places: &mut [usize], random: &mut impl FnMut(usize) -> usize) {
    for end in (1..places.len()).rev() {
        places.swap(end, random(end + 1));
    }
}
