//! How a query reached us.

use std::fmt;

/// The transport of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// DNS over UDP.
    Udp,
    /// DNS over TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
}

impl Transport {
    /// `udp` or `tcp`: what metrics, log lines and `whoami` call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        if self.is_stream() { "tcp" } else { "udp" }
    }

    /// Whether messages travel in a stream, with a length in front, and none is ever truncated
    /// below 65,535 octets.
    #[must_use]
    pub fn is_stream(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
