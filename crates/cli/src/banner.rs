//! What the server says of itself.

use std::net::SocketAddr;

use dunlin_core::Registry;
use dunlin_core::release::{COMPILER, REVISION, VERSION};
use dunlin_engine::Started;

/// `Dunlin-VERSION`, then platform and compiler.
pub(crate) fn version() -> String {
    let os = std::env::consts::OS;
    let arch = std::env::consts::ARCH;
    let revision = if REVISION.is_empty() { String::new() } else { format!(", {REVISION}") };
    format!("Dunlin-{VERSION}\n{os}/{arch}, {COMPILER}{revision}\n")
}

/// The installed plugins, one a line, sorted, and an empty line, as CoreDNS prints them.
pub(crate) fn plugins(registry: &Registry) -> String {
    let mut names = registry.names();
    names.sort_unstable();
    names.iter().map(|name| format!("{name}\n")).chain(["\n".to_owned()]).collect()
}

/// The lines at start: zones, with a warning before those that no host could be named after.
pub(crate) fn zones(started: &Started) -> String {
    let mut text = String::new();
    for line in &started.zone_lines {
        let odd = started.odd_zones.iter().find(|zone| line.starts_with(&format!("{zone}:")));
        if let Some(zone) = odd {
            let quoted = dunlin_core::corefile::go::quote(zone);
            text.push_str(&format!(
                "Warning: Domain {quoted} does not follow RFC1035 preferred syntax\n"
            ));
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// What runs without a Corefile, and how to try it.
pub(crate) fn built_in(started: &Started) -> String {
    let address = started.addresses.first();
    let ip = address.map(|address| address.ip().to_canonical().to_string()).unwrap_or_default();
    let port = address.map_or(0, SocketAddr::port);
    format!(
        "No Corefile here: running the built-in one, a caching forwarder to the name servers of \
         /etc/resolv.conf.\nListening on {ip} port {port}, UDP and TCP. Try it:\n\n    \
         dig @{ip} -p {port} example.org\n\n"
    )
}
