//! One `acl` directive, compiled: its policies are found by the client's address, however many there are.

use std::net::IpAddr;

use dunlin_core::zones::Zones;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::metrics::Denial;

/// What a policy does with the queries that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// They pass, and no further rule is asked.
    Allow,
    /// They do not.
    Deny(Denial),
}

/// One line of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) action: Action,
    pub(super) qtypes: QTypes,
    /// Queries from these networks.
    pub(super) sources: Vec<IpNet>,
}

/// A set of query types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QTypes {
    All,
    These(Vec<u16>),
}

impl QTypes {
    fn has(&self, qtype: u16) -> bool {
        match self {
            Self::All => true,
            Self::These(codes) => codes.contains(&qtype),
        }
    }
}

/// The policies for some zones. The first one in the file that matches a query decides.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) zones: Zones,
    policies: Box<[(Action, QTypes)]>,
    v4: PrefixMap<Ipv4Net, Candidates>,
    v6: PrefixMap<Ipv6Net, Candidates>,
}

/// The policies that name one network, in the order of the file; at most one for each query type,
/// as none is kept that those before it leave nothing to.
type Candidates = Vec<usize>;

impl Rule {
    pub(super) fn new(zones: Zones, policies: Vec<Policy>) -> Self {
        let mut rule =
            Self { zones, policies: Box::default(), v4: PrefixMap::new(), v6: PrefixMap::new() };
        let mut compiled = Vec::with_capacity(policies.len());
        for Policy { action, qtypes, sources } in policies {
            compiled.push((action, qtypes));
            for source in sources {
                match source {
                    IpNet::V4(network) => add(rule.v4.entry(network).or_default(), &compiled),
                    IpNet::V6(network) => add(rule.v6.entry(network).or_default(), &compiled),
                }
            }
        }
        rule.policies = compiled.into();
        rule
    }

    /// What the first policy says that matches; `None` if no policy does.
    pub(super) fn action(&self, client: IpAddr, qtype: u16) -> Option<Action> {
        let first = match client.to_canonical() {
            IpAddr::V4(address) => {
                let host = Ipv4Net::from(address);
                let covering = self.v4.cover(&host);
                covering.filter_map(|(_, found)| self.first(found, qtype)).min()
            }
            IpAddr::V6(address) => {
                let host = Ipv6Net::from(address);
                let covering = self.v6.cover(&host);
                covering.filter_map(|(_, found)| self.first(found, qtype)).min()
            }
        };
        first.and_then(|at| self.policies.get(at)).map(|(action, _)| *action)
    }

    fn first(&self, candidates: &Candidates, qtype: u16) -> Option<usize> {
        let matches =
            |at: &usize| self.policies.get(*at).is_some_and(|(_, qtypes)| qtypes.has(qtype));
        candidates.iter().copied().find(matches)
    }
}

/// Adds the last policy to those of a network.
fn add(candidates: &mut Candidates, policies: &[(Action, QTypes)]) {
    let Some((last, before)) = policies.split_last() else { return };
    let mut earlier =
        candidates.iter().filter_map(|at| policies.get(*at)).map(|(_, qtypes)| qtypes);
    let is_shadowed = match &last.1 {
        QTypes::All => earlier.any(|known| *known == QTypes::All),
        QTypes::These(codes) => {
            let known: Vec<&QTypes> = earlier.collect();
            codes.iter().all(|code| known.iter().any(|qtypes| qtypes.has(*code)))
        }
    };
    if !is_shadowed {
        candidates.push(before.len());
    }
}
