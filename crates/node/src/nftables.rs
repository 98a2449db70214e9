//! Rules without any program: a table of our own, over netlink. It only keeps connection tracking away,
//! and with it the DNAT of the service: accepting in one table of nftables allows nothing that another
//! one drops, so the `ACCEPT` rules of `iptables` have no counterpart.

use std::io;

use dunlin_core::error::in_gos_words;
use dunlin_os::netlink::{Hook, Match, Nftables, Untracked};

use crate::flags::Config;
use crate::iptables::Done;
use crate::rules::{Chain, End, Protocol, Table, rules};
use crate::setup_errors::{ErrorType, SetupErrors};

/// The table, and the way to it.
#[derive(Debug)]
pub(crate) struct OwnTable {
    kernel: Option<Nftables>,
    wanted: Untracked,
    errors: SetupErrors,
    told: String,
    /// Whether the table is known to have been there.
    is_made: bool,
}

impl OwnTable {
    pub(crate) fn new(config: &Config, errors: &SetupErrors) -> Self {
        Self {
            kernel: None,
            wanted: wanted(config),
            errors: errors.clone(),
            told: String::new(),
            is_made: false,
        }
    }

    /// Makes the table anew if it is not whole.
    pub(crate) fn ensure(&mut self) -> Done {
        match self.try_ensure() {
            Ok(is_new) => {
                let table = &self.wanted.table;
                if is_new && self.is_made {
                    tracing::info!("Added back nftables table {table}");
                } else if is_new {
                    tracing::info!("Added nftables table {table}");
                }
                self.is_made = true;
                self.told.clear();
                Done::Good
            }
            Err(error) => {
                self.complain(&error);
                Done::Failed
            }
        }
    }

    /// Gives the addresses another lifetime.
    pub(crate) fn renew(&mut self) {
        if self.wanted.lifetime.is_none() {
            return;
        }
        let Self { kernel: Some(kernel), wanted, .. } = self else { return };
        if kernel.renew(wanted).is_err() {
            // The next look makes a new table.
            self.ensure();
        }
    }

    pub(crate) fn withdraw(&mut self) {
        let removed = self.kernel().and_then(|(kernel, wanted)| kernel.remove(&wanted.table));
        if let Err(error) = removed {
            self.complain(&error);
        }
    }

    /// Removes a table that a run with other flags has left behind, if there is one.
    pub(crate) fn forget(&mut self) {
        // A kernel without nftables has none.
        let _none = self.kernel().and_then(|(kernel, wanted)| kernel.remove(&wanted.table));
    }

    fn try_ensure(&mut self) -> io::Result<bool> {
        let (kernel, wanted) = self.kernel()?;
        let is_whole = kernel.is_whole(wanted)?;
        if !is_whole {
            kernel.replace(wanted)?;
        }
        Ok(!is_whole)
    }

    fn kernel(&mut self) -> io::Result<(&mut Nftables, &Untracked)> {
        if self.kernel.is_none() {
            self.kernel = Some(Nftables::open()?);
        }
        let kernel = self.kernel.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok((kernel, &self.wanted))
    }

    fn complain(&mut self, error: &io::Error) {
        self.errors.count(ErrorType::Iptables, 1);
        let (table, cause) = (&self.wanted.table, in_gos_words(error));
        let text = format!("Error checking/adding nftables table {table}, error - {cause}");
        if self.told != text {
            tracing::error!("{text}");
            self.told = text;
        }
    }
}

/// What the `NOTRACK` rules of iptables say, address by address, said once for all addresses.
fn wanted(config: &Config) -> Untracked {
    let first = config.local_ips.first();
    let all = rules(config);
    let of_one = all.iter().filter(|rule| Some(&rule.address) == first && rule.table == Table::Raw);
    let matches = of_one.map(|rule| Match {
        hook: if rule.chain == Chain::Prerouting { Hook::Prerouting } else { Hook::Output },
        protocol: if rule.protocol == Protocol::Tcp { 6 } else { 17 },
        is_source: rule.end == End::Source,
        port: rule.port,
    });
    let is_fit = |letter: char| letter.is_ascii_alphanumeric();
    let interface = config.flags.interface.replace(|letter| !is_fit(letter), "_");
    Untracked {
        table: format!("dunlin_{interface}"),
        addresses: config.local_ips.clone(),
        matches: matches.collect(),
        lifetime: config.flags.dead_man,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;

    #[test]
    fn the_table_says_what_the_notrack_rules_say() {
        let mut flags = Flags::default();
        for (name, value) in [("localip", "169.254.20.10,fd00::a"), ("interfacename", "node-dns")] {
            flags.value(name, value).unwrap();
        }
        let wanted = wanted(&flags.check().unwrap());
        assert_eq!(wanted.table, "dunlin_node_dns");
        assert_eq!(wanted.addresses.len(), 2);
        let shown: Vec<_> = wanted
            .matches
            .iter()
            .map(|one| (one.hook, one.protocol, one.is_source, one.port))
            .collect();
        let expected = [
            (Hook::Prerouting, 6, false, 53),
            (Hook::Prerouting, 17, false, 53),
            (Hook::Output, 6, true, 53),
            (Hook::Output, 17, true, 53),
            (Hook::Output, 6, false, 53),
            (Hook::Output, 17, false, 53),
            (Hook::Output, 6, false, 8080),
            (Hook::Output, 6, true, 8080),
        ];
        assert_eq!(shown, expected);
    }
}
