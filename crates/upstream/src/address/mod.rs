//! Upstreams as operators write them: `1.1.1.1`, `[2001:db8::1]:5353`, `fe80::1%eth0`,
//! `tls://9.9.9.9%dns.quad9.net`, `/etc/resolv.conf`, `dns.example.org`. Pure: reading files and
//! resolving names come after parsing ([`resolve`], [`nameservers`]).

pub mod resolve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain DNS over UDP and TCP.
    Dns,
    /// DNS over TLS (RFC 7858).
    Tls,
}

impl Scheme {
    /// The port that is meant when there is none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Dns => 53,
            Self::Tls => 853,
        }
    }
}

/// One argument, understood as far as its text goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A server.
    Server(Server),
    /// A file if there is one of that name, else perhaps a host.
    FileOrHost {
        /// How the host is spoken to.
        scheme: Scheme,
        /// The text without the scheme.
        text: String,
    },
}

/// A server by its address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Its address, the scope left 0.
    pub ip: IpAddr,
    /// The scope of a link-local address: the name or number of an interface.
    pub scope: Option<String>,
    /// Its port.
    pub port: u16,
    /// The name that its certificate must hold.
    pub tls_name: Option<String>,
}

/// Why an argument is refused: the operator is to blame. The texts are CoreDNS's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Nothing behind the scheme, or nothing at all.
    #[error("invalid address: {0:?}")]
    Empty(String),
    /// A scheme that we know and do not speak.
    #[error("'{scheme}' is not supported as a destination protocol in forward: {text}")]
    Scheme {
        /// The scheme.
        scheme: &'static str,
        /// The whole argument.
        text: String,
    },
    /// Neither address, nor file, nor name.
    #[error("not an IP address, file, or valid domain: {0:?}")]
    Unknown(String),
    /// A name that leads to no address.
    #[error("failed to resolve {name:?}: {reason}")]
    Unresolved {
        /// The name.
        name: String,
        /// What the resolver says.
        reason: String,
    },
    /// A scope that is no interface of ours.
    #[error("no such interface: {0:?}")]
    Scope(String),
}

/// Schemes that are known and not spoken here.
const UNSUPPORTED: [&str; 5] = ["https", "https3", "quic", "grpc", "unix"];

impl Target {
    /// Reads one argument.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = split_scheme(text)?;
        if rest.is_empty() {
            return Err(TargetError::Empty(text.to_owned()));
        }
        let file_or_host = || Self::FileOrHost { scheme, text: rest.to_owned() };
        let (host, port) = split_port(rest);
        let (ip, zone) = match host.split_once('%') {
            Some((ip, zone)) => (ip, Some(zone)),
            None => (host, None),
        };
        let Ok(ip) = ip.parse::<IpAddr>() else { return Ok(file_or_host()) };
        let port = match port {
            None | Some("") => scheme.port(),
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(TargetError::Unknown(rest.to_owned())),
            },
        };
        let zone = zone.filter(|zone| !zone.is_empty()).map(str::to_owned);
        let (scope, tls_name) = match scheme {
            Scheme::Tls => (None, zone),
            Scheme::Dns => (zone.filter(|_| ip.is_ipv6()), None),
        };
        Ok(Self::Server(Server { scheme, ip, scope, port, tls_name }))
    }
}

impl Server {
    /// The socket address; `interface` turns the name of an interface into its number.
    ///
    /// # Errors
    /// [`TargetError::Scope`].
    pub fn socket_address(
        &self,
        interface: impl Fn(&str) -> Option<u32>,
    ) -> Result<SocketAddr, TargetError> {
        let (IpAddr::V6(ip), Some(scope)) = (self.ip, &self.scope) else {
            return Ok(SocketAddr::new(self.ip, self.port));
        };
        let number = scope.parse().ok().or_else(|| interface(scope));
        let number = number.ok_or_else(|| TargetError::Scope(scope.clone()))?;
        Ok(SocketAddrV6::new(ip, self.port, 0, number).into())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme == Scheme::Tls {
            f.write_str("tls://")?;
        }
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), TargetError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok((Scheme::Dns, text)) };
    let scheme = scheme.to_ascii_lowercase();
    if let Some(scheme) = UNSUPPORTED.into_iter().find(|known| *known == scheme) {
        if rest.is_empty() {
            return Err(TargetError::Empty(text.to_owned()));
        }
        return Err(TargetError::Scheme { scheme, text: text.to_owned() });
    }
    match scheme.as_str() {
        "dns" => Ok((Scheme::Dns, rest)),
        "tls" => Ok((Scheme::Tls, rest)),
        _ => Ok((Scheme::Dns, text)),
    }
}

/// Host and port. Brackets are taken off; an IPv6 address without them has no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => (text, None),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// The servers that a file in the style of resolv.conf names, at port 53, in order. Only lines with
/// `nameserver` count; a scope is dropped.
#[must_use]
pub fn nameservers(text: &str) -> Vec<Server> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some("nameserver"), Some(address)) = (words.next(), words.next()) else { continue };
        let address = address.split('%').next().unwrap_or_default();
        if let Ok(ip) = address.parse() {
            let scheme = Scheme::Dns;
            servers.push(Server { scheme, ip, scope: None, port: scheme.port(), tls_name: None });
        }
    }
    servers
}

/// Host name and port of a text that is no address and no file.
///
/// # Errors
/// [`TargetError::Unknown`] if it cannot be a host name (RFC 1123 §2.1, underscores allowed).
pub fn host(text: &str, scheme: Scheme) -> Result<(String, u16), TargetError> {
    let unknown = || TargetError::Unknown(text.to_owned());
    let (name, port) = split_port(text);
    let port = match port {
        None => scheme.port(),
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(unknown)?,
    };
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    let numeric = labels.rsplit('.').next().is_some_and(|top| top.parse::<u64>().is_ok());
    let valid = labels.len() <= 253 && labels.split('.').all(is_label) && !numeric;
    if valid { Ok((name.to_owned(), port)) } else { Err(unknown()) }
}
