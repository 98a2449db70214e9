//! Whose a port is: the sockets of our network namespace as `/proc/net` lists them, and, as far as we may
//! look into other processes, who holds them.
//!
//! The parser is pure; the readers around it are thin.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::{fs, io};

#[cfg(test)]
mod tests;

/// The two kinds of sockets that DNS is served on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Listening sockets count.
    Tcp,
    /// Sockets that hear everybody count.
    Udp,
}

/// A process, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id in our view.
    pub id: u32,
    /// The name of its program, at most 15 octets.
    pub name: String,
}

/// A socket, by its local address and the number that the kernel gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    address: SocketAddr,
    inode: u64,
}

/// The process that keeps us from listening on an address. `None` if there is none, or if it is hidden
/// from us: in another container, or another user's.
#[must_use]
pub fn holder(network: Network, address: SocketAddr) -> Option<Process> {
    let sockets: HashSet<u64> = sockets(network)
        .ok()?
        .into_iter()
        .filter(|held| collides(held.address, address))
        .map(|held| held.inode)
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let holds = !own_sockets(&entry.path()).ok()?.is_disjoint(&sockets);
        let name = || fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| Process { id, name: name().trim().to_owned() })
    })
}

/// Whether a process other than this one hears UDP at one of these addresses, whichever user and container
/// it belongs to. Sockets for all addresses do not count.
///
/// # Errors
/// `/proc` is not there, or not that of Linux.
pub fn is_shared(addresses: &[SocketAddr]) -> io::Result<bool> {
    let ours = own_sockets(Path::new("/proc/self"))?;
    let all = sockets(Network::Udp)?;
    Ok(all.iter().any(|held| addresses.contains(&held.address) && !ours.contains(&held.inode)))
}

fn collides(held: SocketAddr, wanted: SocketAddr) -> bool {
    let (one, other) = (held.ip(), wanted.ip());
    let is_any = one.is_unspecified() || other.is_unspecified();
    held.port() == wanted.port() && (one == other || is_any)
}

fn sockets(network: Network) -> io::Result<Vec<Held>> {
    let name = if network == Network::Tcp { "tcp" } else { "udp" };
    let mut found = parse(&fs::read_to_string(format!("/proc/self/net/{name}"))?, network);
    // A kernel without IPv6 has no such file.
    let v6 = fs::read_to_string(format!("/proc/self/net/{name}6")).unwrap_or_default();
    found.extend(parse(&v6, network));
    Ok(found)
}

/// The numbers of a process' sockets.
fn own_sockets(process: &Path) -> io::Result<HashSet<u64>> {
    let descriptors = fs::read_dir(process.join("fd"))?;
    let number = |target: &Path| {
        let text = target.to_str()?.strip_prefix("socket:[")?;
        text.strip_suffix(']')?.parse().ok()
    };
    Ok(descriptors
        .flatten()
        .filter_map(|entry| number(&fs::read_link(entry.path()).ok()?))
        .collect())
}

/// The lines of `/proc/net/tcp` and its kin that listen (`proc_net_tcp` in the kernel's documents).
fn parse(text: &str, network: Network) -> Vec<Held> {
    let listening = if network == Network::Tcp { "0A" } else { "07" };
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_listening = *words.get(3)? == listening;
        let held = Held { address: local(words.get(1)?)?, inode: words.get(9)?.parse().ok()? };
        is_listening.then_some(held)
    };
    text.lines().filter_map(line).collect()
}

/// `0100007F:0035`: words of 32 bits, each in the byte order of the machine, and the port.
fn local(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let mut octets = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        octets.extend(word.to_ne_bytes());
    }
    let ip: IpAddr = match *octets.as_slice() {
        [a, b, c, d] => [a, b, c, d].into(),
        _ => <[u8; 16]>::try_from(octets).ok()?.into(),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}
