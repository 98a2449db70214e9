//! What node-cache does around the server: flags, the Corefile from its template, the ConfigMap
//! directories, the link with the local addresses, firewall rules, and their metrics.
//!
//! It knows neither engine nor plugins: it writes a Corefile and calls the handles of [`Server`], which
//! the binary gives it. What it says and counts is what `k8s-dns-node-cache` says and counts.
#![forbid(unsafe_code)]

mod config_maps;
mod corefile;
mod directory;
mod firewall;
pub mod flags;
mod iptables;
mod keeper;
mod kube_dns;
mod link;
mod nftables;
mod rules;
mod self_query;
mod service;
mod setup_errors;
mod template;
mod watch;

use dunlin_os::privileges::Capability;

pub use self::config_maps::ConfigMaps;
pub use self::corefile::{Check, Server};
use self::flags::FirewallChoice;
pub use self::flags::{Config, FlagError, Flags};
pub use self::keeper::{Failure, Keeper};
pub use self::setup_errors::SetupErrors;

/// Gives up all rights that neither the server nor the keeper needs with these flags; to be called before
/// there are threads.
///
/// # Errors
/// What the kernel says. It is no reason not to serve.
pub fn drop_privileges(config: &Config) -> std::io::Result<()> {
    dunlin_os::privileges::keep_only(&needed(&config.flags))
}

/// Ports below 1024 are opened at each reload. Raw sockets are asked for by the programs of iptables.
fn needed(flags: &Flags) -> Vec<Capability> {
    let mut needed = vec![Capability::NetBindService];
    let has_rules = flags.setup_iptables && flags.firewall != FirewallChoice::None;
    if has_rules || flags.setup_interface {
        needed.push(Capability::NetAdmin);
    }
    let is_native = flags.firewall == FirewallChoice::Nftables;
    if has_rules && !is_native && flags.dead_man.is_none() {
        needed.push(Capability::NetRaw);
    }
    needed
}

/// Looks the upstream service up and writes the first Corefile.
#[must_use]
pub fn prepare(
    config: &Config,
    errors: &SetupErrors,
    server: Server,
    environment: &dyn Fn(&str) -> Option<String>,
) -> ConfigMaps {
    let cluster_dns = service::address(&config.flags.upstream_service, environment);
    let writer = corefile::Writer::new(config.clone(), cluster_dns, errors.clone(), server);
    ConfigMaps::start(config, errors, writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rights_that_the_flags_call_for_are_kept() {
        use Capability::{NetAdmin, NetBindService, NetRaw};
        let all = [NetBindService, NetAdmin, NetRaw];
        let table = [
            ("", "", 3),
            ("firewall=nftables", "", 2),
            ("dead-man=1s", "", 2),
            ("firewall=none", "", 2),
            ("firewall=none", "setupinterface", 1),
            ("", "setupiptables setupinterface", 1),
        ];
        for (value, off, count) in table {
            let mut flags = Flags::default();
            if let Some((name, value)) = value.split_once('=') {
                flags.value(name, value).unwrap();
            }
            off.split_whitespace().for_each(|name| flags.switch(name, false));
            assert_eq!(needed(&flags), all[..count], "{value} {off}");
        }
    }
}
