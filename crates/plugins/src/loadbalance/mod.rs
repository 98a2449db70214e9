#![doc = include_str!("README.md")]

mod order;
mod section;
mod setup;
#[cfg(test)]
mod tests;
mod watch;
mod weights;

use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_core::op::ResponseCode;
use dunlin_core::wire::types;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use ipnet::IpNet;

use self::order::{is_in_order, most_preferred_first, round_robin, weighted};
use self::section::{Item, sections};
pub use self::setup::ENTRY;
use self::weights::Weights;

/// Changes the order of records on their way to the client.
#[derive(Debug)]
struct LoadBalance {
    policy: Policy,
    /// Addresses in the first of these networks come first.
    preferred: Vec<IpNet>,
}

/// Which address comes first.
#[derive(Debug)]
enum Policy {
    /// Any order is as likely as any other.
    RoundRobin,
    /// The more likely, the more weight it has. Replaced as a whole when the file changed.
    Weighted(Arc<ArcSwap<Weights>>),
}

/// The new order of each section, by the old places.
type Orders = [Vec<usize>; 3];

#[async_trait]
impl Plugin for LoadBalance {
    fn name(&self) -> &'static str {
        "loadbalance"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let mut reply = next.run(query).await?;
        let is_transfer = matches!(query.qtype_code(), types::AXFR | types::IXFR);
        if reply.rcode() == ResponseCode::NoError && !reply.is_silence() && !is_transfer {
            self.arrange(query.qtype_code(), &mut reply, random_below);
        }
        Ok(reply)
    }
}

impl LoadBalance {
    /// What does not walk or decode stays as it is: who made it, or sends it, will say so.
    /// `random` gives a number below its argument.
    fn arrange(&self, qtype: u16, reply: &mut Reply, mut random: impl FnMut(usize) -> usize) {
        let is_weighed = matches!(qtype, types::A | types::AAAA | types::SRV);
        if matches!(self.policy, Policy::Weighted(_)) && !is_weighed && self.preferred.is_empty() {
            return;
        }
        let Ok((bytes, summary)) = reply.wire_mut() else { return };
        if summary.records.iter().all(|count| *count < 2) {
            return;
        }
        let Some(sections) = sections(bytes, summary) else { return };
        let orders = self.orders(&sections, bytes, is_weighed, &mut random);
        if orders.iter().all(|order| is_in_order(order)) {
            return;
        }
        let can_swap = sections
            .iter()
            .zip(&orders)
            .all(|(items, order)| section::can_swap(bytes, items, order));
        if can_swap {
            for (items, order) in sections.iter().zip(&orders) {
                section::swap(bytes, items, order);
            }
        } else {
            section::rearrange(reply, orders);
        }
    }

    fn orders(
        &self,
        sections: &[Vec<Item>; 3],
        bytes: &[u8],
        is_weighed: bool,
        random: &mut impl FnMut(usize) -> usize,
    ) -> Orders {
        let [answers, authorities, additionals] = sections;
        let [mut answers_order, mut authorities_order, mut additionals_order] =
            sections.each_ref().map(|items| (0..items.len()).collect::<Vec<_>>());
        match &self.policy {
            Policy::RoundRobin => {
                answers_order = round_robin(answers, random);
                authorities_order = round_robin(authorities, random);
                additionals_order = round_robin(additionals, random);
            }
            Policy::Weighted(weights) if is_weighed => {
                let weights = weights.load();
                let mut order =
                    |items: &[Item]| weighted(items, |item| weights.of(bytes, item), &mut *random);
                answers_order = order(answers);
                additionals_order = order(additionals);
            }
            Policy::Weighted(_) => {}
        }
        if !self.preferred.is_empty() {
            most_preferred_first(answers, &self.preferred, &mut answers_order);
            most_preferred_first(additionals, &self.preferred, &mut additionals_order);
        }
        authorities_order.truncate(authorities.len());
        [answers_order, authorities_order, additionals_order]
    }
}

fn random_below(bound: usize) -> usize {
    if bound < 2 { 0 } else { rand::random_range(0..bound) }
}
