//! Host names of upstreams, resolved once at start. The only use of a resolver in this crate.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use super::TargetError;

/// For each of the two lookups.
const PATIENCE: Duration = Duration::from_secs(2);

/// The addresses of a host, IPv4 first. `resolvers` are asked, in order; without any, the system's.
///
/// # Errors
/// [`TargetError::Unresolved`] if there is no address; a retry may help.
pub async fn addresses(name: &str, resolvers: &[SocketAddr]) -> Result<Vec<IpAddr>, TargetError> {
    let unresolved = |reason: String| TargetError::Unresolved { name: name.to_owned(), reason };
    let resolver = resolver(resolvers).map_err(|error| unresolved(error.to_string()))?;
    let mut found = Vec::new();
    let mut reason = String::from("no address");
    for ipv6 in [false, true] {
        let lookup = async {
            if ipv6 { resolver.ipv6_lookup(name).await } else { resolver.ipv4_lookup(name).await }
        };
        match tokio::time::timeout(PATIENCE, lookup).await {
            Ok(Ok(lookup)) => {
                found.extend(lookup.answers().iter().filter_map(|record| match record.data {
                    RData::A(address) => Some(IpAddr::V4(address.0)),
                    RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                    _ => None,
                }));
            }
            Ok(Err(error)) => reason = error.to_string(),
            Err(_elapsed) => reason = String::from("i/o timeout"),
        }
    }
    if found.is_empty() { Err(unresolved(reason)) } else { Ok(found) }
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    if servers.is_empty() {
        return TokioResolver::builder_tokio()?.build();
    }
    let servers = servers.iter().map(|server| {
        let at_port = |mut connection: ConnectionConfig| {
            connection.port = server.port();
            connection
        };
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        config.connections = config.connections.into_iter().map(at_port).collect();
        config
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()
}
