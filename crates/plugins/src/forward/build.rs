//! From a configuration to upstreams: files are read, host names resolved, addresses made unique.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use dunlin_core::metrics::{Counter, Metrics};
use dunlin_upstream::address::{self, nameservers, resolve};
use dunlin_upstream::descriptors::reserve_for_pools;
use dunlin_upstream::metrics::ProxyMetrics;
use dunlin_upstream::tls::{TlsClient, TlsFiles, server_name};
use dunlin_upstream::{Group, Remote, RemoteConfig, Scheme, Server, Target, TargetError, Upstream};

use super::config::Config;

/// What the TO arguments come to, as far as that can be said without asking anybody.
#[derive(Debug, Default)]
pub(super) struct Located {
    /// In the order of the arguments.
    pub(super) places: Vec<Place>,
    /// The files that were read.
    pub(super) files: Vec<PathBuf>,
    /// Addresses of ours that were left out.
    pub(super) own: Vec<SocketAddr>,
}

/// A server, or a host that has yet to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Server(Server),
    Host { scheme: Scheme, name: String, port: u16 },
}

impl Located {
    /// Reads files through `read`, which says `None` for what is no file. Of a file's servers those
    /// at `listeners` are ours, and asking them would be a loop.
    pub(super) fn find(
        targets: &[Target],
        listeners: &[SocketAddr],
        read: impl Fn(&Path) -> Option<io::Result<String>>,
    ) -> anyhow::Result<Self> {
        let mut located = Self::default();
        for target in targets {
            let (scheme, text) = match target {
                Target::Server(server) => {
                    located.places.push(Place::Server(server.clone()));
                    continue;
                }
                Target::FileOrHost { scheme, text } => (*scheme, text),
            };
            match read(Path::new(text)) {
                Some(content) => {
                    let servers = nameservers(&content?);
                    located.files.push(text.into());
                    located.add_servers(servers, listeners);
                }
                None => {
                    let (name, port) = address::host(text, scheme)?;
                    located.places.push(Place::Host { scheme, name, port });
                }
            }
        }
        if located.places.is_empty() && located.own.is_empty() {
            bail!("no valid upstream addresses found");
        }
        Ok(located)
    }

    fn add_servers(&mut self, servers: Vec<Server>, listeners: &[SocketAddr]) {
        for server in servers {
            let address = SocketAddr::new(server.ip, server.port);
            if is_own(address, listeners) {
                self.own.push(address);
            } else {
                self.places.push(Place::Server(server));
            }
        }
    }

    /// Whether a name has to be resolved first.
    pub(super) fn has_hosts(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Host { .. }))
    }

    /// Whether anybody is to be spoken to over TLS.
    pub(super) fn needs_tls(&self) -> bool {
        self.places.iter().any(|place| match place {
            Place::Server(server) => server.scheme == Scheme::Tls,
            Place::Host { scheme, .. } => *scheme == Scheme::Tls,
        })
    }

    /// The servers, host names resolved. The name of a host is what its certificate must hold.
    pub(super) async fn resolve(
        places: Vec<Place>,
        resolvers: &[SocketAddr],
    ) -> Result<Vec<Server>, TargetError> {
        let mut servers = Vec::new();
        for place in places {
            let (scheme, name, port) = match place {
                Place::Server(server) => {
                    servers.push(server);
                    continue;
                }
                Place::Host { scheme, name, port } => (scheme, name, port),
            };
            for ip in resolve::addresses(&name, resolvers).await? {
                let tls_name = (scheme == Scheme::Tls).then(|| name.clone());
                servers.push(Server { scheme, ip, scope: None, port, tls_name });
            }
        }
        Ok(servers)
    }
}

/// Whether an address is one that we listen on. A wildcard covers the loopback addresses for sure.
fn is_own(address: SocketAddr, listeners: &[SocketAddr]) -> bool {
    listeners.iter().any(|listener| {
        let covers = listener.ip().is_unspecified()
            && (listener.is_ipv6() || address.is_ipv4())
            && address.ip().is_loopback();
        listener.port() == address.port() && (covers || listener.ip() == address.ip())
    })
}

/// How to reach each server, in order, each address once.
pub(super) fn remotes(
    config: &Config,
    servers: &[Server],
    tls: Option<&TlsClient>,
) -> anyhow::Result<Vec<RemoteConfig>> {
    let mut remotes: Vec<RemoteConfig> = Vec::new();
    for server in servers {
        let address = server.socket_address(interface_index)?;
        if remotes.iter().any(|known| known.address == address) {
            continue;
        }
        let tls = match (server.scheme, tls) {
            (Scheme::Tls, Some(client)) => {
                let name = config.tls_name.as_deref().or(server.tls_name.as_deref());
                Some((client.clone(), server_name(name, server.ip)?))
            }
            (Scheme::Tls, None) => bail!("no TLS client for {server}"),
            (Scheme::Dns, _) => None,
        };
        remotes.push(RemoteConfig {
            address,
            source: config.source.filter(|source| source.is_ipv4() == address.is_ipv4()),
            tls,
            udp_pool: config.udp_pool,
            limits: dunlin_upstream::StreamLimits {
                dial: config.settings.read_timeout,
                ..config.limits
            },
            probe: config.probe.clone(),
        });
    }
    let asked_over_udp = remotes.iter().filter(|remote| remote.tls.is_none()).count();
    reserve_for_pools(config.udp_pool, asked_over_udp)?;
    Ok(remotes)
}

/// The TLS client, if one is needed or the operator named files, which then have to be right.
pub(super) fn tls_client(config: &Config, needed: bool) -> anyhow::Result<Option<TlsClient>> {
    let default = TlsFiles::default();
    let files = config.tls.as_ref().unwrap_or(&default);
    if !needed && *files == default {
        return Ok(None);
    }
    Ok(Some(TlsClient::load(files)?))
}

/// The group, its counters resolved.
pub(super) fn group(
    config: &Config,
    remotes: Vec<RemoteConfig>,
    metrics: &Metrics,
) -> Group<Remote> {
    let families = ProxyMetrics::of(metrics);
    let upstreams = remotes.into_iter().map(|remote| {
        let name = remote.address.to_string();
        let numbers = Arc::new(families.upstream("forward", &name));
        Upstream::new(name, Remote::new(remote, Arc::clone(&numbers)), numbers)
    });
    Group::new(upstreams.collect(), config.settings.clone(), broken(metrics))
}

fn broken(metrics: &Metrics) -> Counter {
    let help = "Counter of the number of complete failures of the healthchecks.";
    metrics.counter("coredns_forward_healthcheck_broken_total", help, &[]).with(&[])
}

/// The counter of queries beyond `max_concurrent`.
pub(super) fn rejects(metrics: &Metrics) -> Counter {
    let help = "Counter of the number of queries rejected because the concurrent queries were at \
                maximum.";
    metrics.counter("coredns_forward_max_concurrent_rejects_total", help, &[]).with(&[])
}

/// The number of a network interface.
fn interface_index(name: &str) -> Option<u32> {
    if name.contains('/') {
        return None;
    }
    let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
    index.trim().parse().ok()
}

/// All addresses as text, for the key under which a group is kept over a reload.
pub(super) fn addresses(remotes: &[RemoteConfig]) -> Vec<(SocketAddr, Option<IpAddr>)> {
    remotes.iter().map(|remote| (remote.address, remote.source)).collect()
}
