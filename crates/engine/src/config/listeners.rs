//! Which addresses the server blocks want, which zones meet there, and whether that can be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use dunlin_core::corefile::{Diagnostic, ServerKey, Transport};
use dunlin_core::directive::{Block, SocketCount};
use dunlin_core::zones::Zone;

/// A listener and the zones it serves.
#[derive(Debug, Clone)]
pub(crate) struct ListenPlan {
    /// As configured: the text of a `bind` address, or nothing for all addresses.
    pub(crate) host: String,
    /// What to bind.
    pub(crate) address: SocketAddr,
    /// How many pairs of sockets: what the first server block says that listens here.
    pub(crate) sockets: Option<SocketCount>,
    /// Each zone with the number of its server block, in file order.
    pub(crate) zones: Vec<(Zone, usize)>,
}

impl ListenPlan {
    /// As metrics and messages name it: `dns://127.0.0.1:53`, `dns://:53`.
    pub(crate) fn server(&self) -> String {
        let port = self.address.port();
        match self.host.as_str() {
            "" => format!("dns://:{port}"),
            host if host.contains(':') => format!("dns://[{host}]:{port}"),
            host => format!("dns://{host}:{port}"),
        }
    }

    /// The lines that are printed at start: `.:53 on 127.0.0.1`, sorted.
    pub(crate) fn zone_lines(&self) -> Vec<String> {
        let on = if self.host.is_empty() { String::new() } else { format!(" on {}", self.host) };
        let port = self.address.port();
        let mut lines: Vec<String> =
            self.zones.iter().map(|(zone, _)| format!("{zone}:{port}{on}")).collect();
        lines.sort();
        lines
    }
}

/// The addresses of all blocks, as far as they are known.
pub(super) fn addresses(blocks: &[Block]) -> Vec<SocketAddr> {
    let keys = blocks.iter().flat_map(|block| {
        let hosts = hosts_of(block);
        block.keys().iter().flat_map(move |key| {
            hosts.clone().into_iter().filter_map(|host| socket_address(&host, key.port))
        })
    });
    keys.collect()
}

/// Groups the keys of all blocks by address and refuses what cannot be told apart.
///
/// # Errors
/// The texts of CoreDNS: `cannot serve … - it is already defined`, `… - zone overlap …`.
pub(crate) fn plan(blocks: &[Block]) -> Result<Vec<ListenPlan>, Diagnostic> {
    let mut plans: Vec<ListenPlan> = Vec::new();
    let mut defined: HashMap<(String, u16), Vec<String>> = HashMap::new();
    for block in blocks {
        for key in block.keys() {
            check_transport(block, key)?;
            for host in hosts_of(block) {
                let served = defined.entry((key.zone.clone(), key.port)).or_default();
                check_overlap(block, key, &host, served)?;
                // Views share a zone, with each other and with a block that takes the rest.
                if block.parts.view.is_none() {
                    served.push(host.clone());
                }
                add(&mut plans, block, key, host)?;
            }
        }
    }
    Ok(plans)
}

fn hosts_of(block: &Block) -> Vec<String> {
    block.parts.hosts.clone().unwrap_or_else(|| vec![String::new()])
}

/// Encrypted transports without a certificate would be served in clear text.
fn check_transport(block: &Block, key: &ServerKey) -> Result<(), Diagnostic> {
    match key.transport {
        Transport::Dns => Ok(()),
        other => {
            let scheme = other.scheme();
            let text = format!("cannot serve {key} - {scheme} requires TLS, no TLS config found");
            Err(mistake(block, text))
        }
    }
}

fn check_overlap(
    block: &Block,
    key: &ServerKey,
    host: &str,
    served: &[String],
) -> Result<(), Diagnostic> {
    let named = |host: &str| {
        if host.is_empty() { key.to_string() } else { format!("{key} on {host}") }
    };
    let is_shared = block.parts.view.is_some();
    if !is_shared && served.iter().any(|other| is_same(other, host)) {
        return Err(mistake(
            block,
            format!("cannot serve {} - it is already defined", named(host)),
        ));
    }
    let overlap = served.iter().find(|other| host.is_empty() != other.is_empty());
    overlap.map_or(Ok(()), |other| {
        let text = format!(
            "cannot serve {} - zone overlap listener capacity with {}",
            named(host),
            named(other)
        );
        Err(mistake(block, text))
    })
}

fn add(
    plans: &mut Vec<ListenPlan>,
    block: &Block,
    key: &ServerKey,
    host: String,
) -> Result<(), Diagnostic> {
    let zone = Zone::new(&key.zone).map_err(|error| mistake(block, error.to_string()))?;
    let zone = (zone, block.index);
    let address = socket_address(&host, key.port)
        .ok_or_else(|| mistake(block, format!("not an address: {host:?}")))?;
    // Two spellings of an address are one listener: of two sockets the kernel would pick one.
    match plans.iter_mut().find(|plan| plan.address == address) {
        Some(plan) => plan.zones.push(zone),
        None => {
            let sockets = block.parts.sockets;
            plans.push(ListenPlan { host, address, sockets, zones: vec![zone] });
        }
    }
    Ok(())
}

fn is_same(one: &str, other: &str) -> bool {
    let both_named = !one.is_empty() && !other.is_empty();
    one == other || both_named && socket_address(one, 0) == socket_address(other, 0)
}

/// The address of a `bind` host; nothing, and the wildcard of either family, means all addresses
/// of both families.
fn socket_address(host: &str, port: u16) -> Option<SocketAddr> {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    if host.is_empty() {
        return Some(any);
    }
    let Some((address, interface)) = host.split_once('%') else {
        let address: IpAddr = host.parse().ok()?;
        return Some(if address.is_unspecified() { any } else { SocketAddr::new(address, port) });
    };
    let address: Ipv6Addr = address.parse().ok()?;
    let known = dunlin_os::interfaces::addresses().ok()?;
    let scope = known
        .iter()
        .find(|known| known.name == interface && known.address == IpAddr::V6(address))
        .map(|known| known.scope)
        .or_else(|| interface.parse().ok())?;
    Some(SocketAddrV6::new(address, port, 0, scope).into())
}

fn mistake(block: &Block, text: String) -> Diagnostic {
    let place = block.tree().keys.first().map(|key| key.position.clone());
    match place {
        Some(position) => Diagnostic::bare(position, text.clone(), text),
        None => Diagnostic::bare(
            dunlin_core::corefile::Position { file: "Corefile".into(), line: 1, column: 1 },
            text.clone(),
            text,
        ),
    }
}
