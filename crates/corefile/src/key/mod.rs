//! The key of a server block: which transport, zone and port it stands for.

mod cidr;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;
use std::net::Ipv6Addr;

pub use self::zone::{normalize_zone, preferred_syntax};
use crate::diagnostic::Diagnostic;
use crate::go;
use crate::limits::SERVER_KEYS;
use crate::token::Token;
use crate::tree::Corefile;

/// How queries arrive at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// Plain DNS over UDP and TCP.
    Dns,
    /// DNS over TLS, RFC 7858.
    Tls,
    /// DNS over QUIC, RFC 9250.
    Quic,
    /// CoreDNS' gRPC service.
    Grpc,
    /// DNS over HTTPS, RFC 8484, by HTTP/1.1 and HTTP/2.
    Https,
    /// DNS over HTTPS by HTTP/3.
    Https3,
}

impl Transport {
    /// As written in front of `://`.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Grpc => "grpc",
            Self::Https => "https",
            Self::Https3 => "https3",
        }
    }

    /// The port of a key that names none; `dns_port` is the one for plain DNS, which the command line decides.
    #[must_use]
    pub const fn default_port(self, dns_port: u16) -> u16 {
        match self {
            Self::Dns => dns_port,
            Self::Tls | Self::Quic => 853,
            Self::Grpc | Self::Https | Self::Https3 => 443,
        }
    }

    const ALL: [Self; 6] =
        [Self::Dns, Self::Tls, Self::Quic, Self::Grpc, Self::Https, Self::Https3];
}

/// Takes a known scheme off; without one it is plain DNS.
pub(crate) fn split_transport(text: &str) -> (Transport, &str) {
    let with_scheme =
        |transport: &Transport| text.strip_prefix(transport.scheme())?.strip_prefix("://");
    let found =
        Transport::ALL.iter().find_map(|transport| Some((*transport, with_scheme(transport)?)));
    found.unwrap_or((Transport::Dns, text))
}

/// One zone on one port. Displays as `dns://example.org.:53`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey {
    /// How queries arrive.
    pub transport: Transport,
    /// Lower-case presentation form with the dot at the end.
    pub zone: String,
    /// 0 leaves the choice to the kernel.
    pub port: u16,
}

impl fmt::Display for ServerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}:{}", self.transport.scheme(), self.zone, self.port)
    }
}

impl ServerKey {
    /// What a key stands for: one zone, or several if it is a network that no single reverse zone covers.
    ///
    /// # Errors
    /// The operator's mistake.
    pub fn parse(text: &str, dns_port: u16) -> Result<Vec<Self>, KeyError> {
        let (transport, rest) = split_transport(text);
        if let Some((scheme, _)) = rest.split_once("://") {
            return Err(KeyError::Scheme { scheme: scheme.to_owned() });
        }
        let (hosts, port) = zone::split(rest)?;
        if port.is_none() {
            refuse_port_lookalike(rest)?;
        }
        let zones = hosts.into_iter().map(zone::fully_qualified).collect::<Result<Vec<_>, _>>()?;
        let port = match port {
            None => transport.default_port(dns_port),
            Some(port) => u16::try_from(port).map_err(|_| KeyError::Port { port })?,
        };
        Ok(zones.into_iter().map(|zone| Self { transport, zone, port }).collect())
    }
}

/// CoreDNS takes `x.org:abc` for a zone of that name.
fn refuse_port_lookalike(text: &str) -> Result<(), KeyError> {
    match text.rsplit_once(':') {
        Some((_, port))
            if !text.contains('[') && text.parse::<Ipv6Addr>().is_err() && !text.contains('/') =>
        {
            Err(KeyError::PortSyntax { key: text.to_owned(), port: port.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Why a key stands for nothing. The operator is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing behind the last colon, or nothing at all.
    #[error("expecting data after last colon: {}", go::quote(.text))]
    NothingAfterColon {
        /// The key without its scheme.
        text: String,
    },
    /// More than 255 octets as written.
    #[error("specified zone is too long: {octets} > 255")]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// An empty label, a label or name that is too long, a broken escape.
    #[error("zone is not a valid domain name: {zone}")]
    Zone {
        /// As written.
        zone: String,
    },
    /// A network that cannot be a reverse zone.
    #[error("invalid CIDR {network}")]
    Network {
        /// As written.
        network: String,
    },
    /// A number that is no port.
    #[error("address {port}: invalid port")]
    Port {
        /// The number.
        port: i64,
    },
    /// Words in place of a port. CoreDNS makes them part of the zone.
    #[error("invalid port {} in key {}", go::quote(.port), go::quote(.key))]
    PortSyntax {
        /// As written, without scheme.
        key: String,
        /// What stands behind its last colon.
        port: String,
    },
    /// `xxx://` of a transport that is not served. CoreDNS makes it part of the zone, or serves nothing.
    #[error("unknown transport {}", go::quote(&format!("{scheme}://")))]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
}

impl KeyError {
    /// The message about `key`, in the words CoreDNS has for it; ours, where it sees no mistake, name file and line.
    #[must_use]
    pub fn diagnostic(&self, key: &Token) -> Diagnostic {
        let position = key.position.clone();
        let message = self.to_string();
        match self {
            Self::Scheme { .. } | Self::PortSyntax { .. } => Diagnostic::parsing(position, message),
            Self::Port { .. } => Diagnostic::bare(position, message.clone(), message),
            _ => {
                let compatible = format!("error inspecting server blocks: {message}");
                Diagnostic::bare(position, message, compatible)
            }
        }
    }
}

impl Corefile {
    /// What the keys of each block stand for, block by block, and what is wrong or doubtful about them. The first error
    /// is the one CoreDNS would report, which looks at port numbers only after everything else.
    #[must_use]
    pub fn server_keys(&self, dns_port: u16) -> (Vec<Vec<ServerKey>>, Vec<Diagnostic>) {
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let mut diagnostics = Vec::new();
        let mut ports = Vec::new();
        let mut total = 0;
        for block in &self.blocks {
            let mut keys = Vec::with_capacity(block.keys.len());
            for token in &block.keys {
                match ServerKey::parse(&token.text, dns_port) {
                    Ok(meant) if total + meant.len() > SERVER_KEYS => {
                        let message = format!("more than {SERVER_KEYS} zones");
                        diagnostics.push(Diagnostic::parsing(token.position.clone(), message));
                        return (blocks, diagnostics);
                    }
                    Ok(meant) => {
                        total += meant.len();
                        keys.extend(meant);
                    }
                    Err(error @ KeyError::Port { .. }) => ports.push(error.diagnostic(token)),
                    Err(error) => diagnostics.push(error.diagnostic(token)),
                }
                diagnostics.extend(doubt(token));
            }
            blocks.push(keys);
        }
        diagnostics.append(&mut ports);
        (blocks, diagnostics)
    }
}

/// A key is never an address to listen on, and the end of an IPv6 address is not a port.
fn doubt(key: &Token) -> Option<Diagnostic> {
    let (_, text) = split_transport(&key.text);
    text.parse::<Ipv6Addr>().ok()?;
    let (hosts, port) = zone::split(text).ok()?;
    let zone = hosts.into_iter().next()?;
    let meaning = match port {
        Some(port) => format!("zone {zone}. on port {port}"),
        None => format!("zone {zone}."),
    };
    let message = format!("key {text} is read as {meaning}, not as an address");
    let hint = format!("the reverse zone is {text}/128; to listen on an address use 'bind'");
    Some(Diagnostic::warning(key.position.clone(), message).with_hint(hint))
}
