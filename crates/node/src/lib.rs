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
mod texts;
mod watch;

pub use self::config_maps::ConfigMaps;
pub use self::corefile::{Check, Server};
pub use self::flags::{Config, FlagError, Flags};
pub use self::keeper::{Failure, Keeper};
pub use self::setup_errors::SetupErrors;

/// Gives up all rights that neither the server nor the keeper needs; to be called before there are
/// threads.
///
/// # Errors
/// What the kernel says. It is no reason not to serve.
pub fn drop_privileges() -> std::io::Result<()> {
    use dunlin_os::privileges::{Capability, keep_only};
    keep_only(&[Capability::NetBindService, Capability::NetAdmin, Capability::NetRaw])
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
