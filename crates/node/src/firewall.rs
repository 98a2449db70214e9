//! Who keeps the rules: the programs of iptables, a table of our own, or nobody.

use std::time::Duration;

use tokio::time::Instant;

use crate::flags::{Config, FirewallChoice};
use crate::iptables::{Done, Iptables};
use crate::nftables::OwnTable;
use crate::rules::rules;
use crate::setup_errors::SetupErrors;

/// The way to the firewall.
#[derive(Debug)]
pub(crate) enum Firewall {
    /// And a table of our own that another run may have left.
    Iptables(Iptables, OwnTable),
    Nftables(OwnTable),
    None,
}

impl Firewall {
    /// What the flags ask for; by default `iptables`, as the original, and a table of our own where that
    /// is missing or broken, or must forget by itself.
    pub(crate) fn choose(config: &Config, errors: &SetupErrors) -> Self {
        if !config.flags.setup_iptables {
            return Self::None;
        }
        let path = std::env::var("PATH").ok();
        let iptables = || Iptables::new(rules(config), path.as_deref(), errors);
        let own_table = || OwnTable::new(config, errors);
        let nftables = || Self::Nftables(own_table());
        match config.flags.firewall {
            FirewallChoice::None => Self::None,
            FirewallChoice::Iptables => Self::Iptables(iptables(), own_table()),
            FirewallChoice::Nftables => nftables(),
            FirewallChoice::Auto if config.flags.dead_man.is_some() => nftables(),
            FirewallChoice::Auto => {
                let iptables = iptables();
                if iptables.works() {
                    return Self::Iptables(iptables, own_table());
                }
                tracing::info!("iptables does not work here: rules are kept by nftables");
                nftables()
            }
        }
    }

    /// Makes what is missing.
    pub(crate) fn ensure(&mut self) -> Done {
        match self {
            Self::Iptables(iptables, left_over) => {
                let done = iptables.ensure();
                if done == Done::Good {
                    left_over.forget();
                }
                done
            }
            Self::Nftables(table) => table.ensure(),
            Self::None => Done::Good,
        }
    }

    /// Says that we live.
    pub(crate) fn renew(&mut self) {
        if let Self::Nftables(table) = self {
            table.renew();
        }
    }

    /// Whether an original would adopt these rules, and remove them at its end.
    pub(crate) const fn is_the_originals(&self) -> bool {
        !matches!(self, Self::Nftables(_))
    }

    /// Removes all that is ours, for as long as `until`.
    pub(crate) fn withdraw(&mut self, until: Instant) {
        match self {
            Self::Iptables(iptables, left_over) => {
                left_over.forget();
                iptables.withdraw(until);
            }
            Self::Nftables(table) => table.withdraw(),
            Self::None => {}
        }
    }

    /// How often [`renew`](Self::renew) wants to be called: three times in a lifetime.
    pub(crate) fn pulse(config: &Config) -> Option<Duration> {
        config.flags.dead_man.map(|lifetime| lifetime / 3)
    }
}
