//! The records of a reply as they lie in it, and two ways to give them a new order. Swapping what
//! stands behind equal owner names is one: no name moves, so that no pointer of a compressed name
//! breaks. It serves nearly every reply. The other one decodes the message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use dunlin_core::Reply;
use dunlin_core::rr::Record;
use dunlin_core::wire::{Records, Section, Summary, WireName, expand, types};

use super::Orders;

/// A record that may change its place.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) kind: u16,
    /// What an A or AAAA record holds; IPv4 is never shown as mapped IPv6.
    pub(super) address: Option<IpAddr>,
    /// Where its owner begins.
    pub(super) owner: usize,
    /// All behind the owner: TYPE, CLASS, TTL, RDLENGTH, RDATA.
    fixed: Range<usize>,
}

/// The records of each section. OPT is none of them: it is made anew for every client. `None` for a
/// message with a signature over all of it, which a new order would break.
pub(super) fn sections(bytes: &[u8], summary: &Summary) -> Option<[Vec<Item>; 3]> {
    let [answers, authorities, additionals] = summary.records.map(usize::from);
    let mut answers = Vec::with_capacity(answers);
    let mut authorities = Vec::with_capacity(authorities);
    let mut additionals = Vec::with_capacity(additionals);
    for record in Records::new(bytes)? {
        if matches!(record.kind, types::TSIG | types::SIG) {
            return None;
        }
        if record.kind == types::OPT {
            continue;
        }
        let item = Item {
            kind: record.kind,
            address: address(record.kind, bytes.get(record.rdata.clone())?),
            owner: record.start,
            // TYPE and CLASS, two octets each, stand in front of the TTL.
            fixed: record.ttl_at - 4..record.rdata.end,
        };
        match record.section {
            Section::Answer => answers.push(item),
            Section::Authority => authorities.push(item),
            Section::Additional => additionals.push(item),
        }
    }
    Some([answers, authorities, additionals])
}

fn address(kind: u16, data: &[u8]) -> Option<IpAddr> {
    match kind {
        types::A => <[u8; 4]>::try_from(data).ok().map(|octets| Ipv4Addr::from(octets).into()),
        types::AAAA => <[u8; 16]>::try_from(data)
            .ok()
            .map(|octets| IpAddr::from(Ipv6Addr::from(octets)).to_canonical()),
        _ => None,
    }
}

/// Whether the order only swaps addresses of one kind and owner.
pub(super) fn can_swap(bytes: &[u8], items: &[Item], order: &[usize]) -> bool {
    order.iter().enumerate().all(|(new, old)| {
        new == *old
            || match (items.get(new), items.get(*old)) {
                (Some(one), Some(other)) => {
                    one.address.is_some()
                        && one.kind == other.kind
                        && one.fixed.len() == other.fixed.len()
                        && have_one_owner(bytes, one, other)
                }
                _ => false,
            }
    })
}

fn have_one_owner(bytes: &[u8], one: &Item, other: &Item) -> bool {
    // Pointers to one place, as nearly every server writes them.
    let raw = |item: &Item| bytes.get(item.owner..item.fixed.start);
    let is_pointer = raw(one).is_some_and(|owner| owner.len() == 2);
    if is_pointer && raw(one) == raw(other) {
        return true;
    }
    let (mut first, mut second) = (WireName::new(), WireName::new());
    expand(bytes, one.owner, &mut first).is_some()
        && expand(bytes, other.owner, &mut second).is_some()
        && first.as_bytes() == second.as_bytes()
}

/// Gives the records of a section their new order, where [`can_swap`] said yes.
pub(super) fn swap(bytes: &mut [u8], items: &[Item], order: &[usize]) {
    if super::is_in_order(order) {
        return;
    }
    let old = bytes.to_vec();
    for (item, source) in items.iter().zip(order) {
        let data = items.get(*source).and_then(|source| old.get(source.fixed.clone()));
        if let (Some(to), Some(data)) = (bytes.get_mut(item.fixed.clone()), data) {
            to.copy_from_slice(data);
        }
    }
}

/// The same by way of the message.
pub(super) fn rearrange(reply: &mut Reply, orders: Orders) {
    let Ok(message) = reply.message_mut() else { return };
    let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
    for (records, order) in sections.into_iter().zip(orders) {
        // A record that the decoder sees as none would shift all others.
        if records.len() == order.len() {
            *records = in_order(std::mem::take(records), &order);
        }
    }
}

fn in_order(records: Vec<Record>, order: &[usize]) -> Vec<Record> {
    let mut places: Vec<Option<Record>> = records.into_iter().map(Some).collect();
    order.iter().filter_map(|place| places.get_mut(*place)?.take()).collect()
}
