//! Why an exchange with an upstream failed. The texts are CoreDNS's, which are Go's: operators grep
//! for them.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use dunlin_core::edns::ExtendedError;
use dunlin_core::error::in_gos_words;

/// One try at one upstream went wrong. Unless a variant says otherwise the upstream or the network
/// is to blame and another upstream may well answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// No connection, or no socket, came to be.
    #[error("dial {network} {remote}: {cause}")]
    Dial {
        /// `udp` or `tcp`.
        network: &'static str,
        /// The upstream.
        remote: SocketAddr,
        /// What happened.
        cause: Cause,
    },
    /// Nothing usable was read in time, or the peer hung up.
    #[error("read {network} {local}->{remote}: {cause}")]
    Read {
        /// `udp` or `tcp`.
        network: &'static str,
        /// Our address.
        local: SocketAddr,
        /// The upstream.
        remote: SocketAddr,
        /// What happened.
        cause: Cause,
    },
    /// The query could not be written.
    #[error("write {network} {local}->{remote}: {cause}")]
    Write {
        /// `udp` or `tcp`.
        network: &'static str,
        /// Our address.
        local: SocketAddr,
        /// The upstream.
        remote: SocketAddr,
        /// What happened.
        cause: Cause,
    },
    /// The certificate or the handshake was refused. The text is close to Go's.
    #[error("tls: {text}")]
    Tls {
        /// What rustls found.
        text: String,
    },
    /// A connection that had served before was closed by the peer: a fresh one may work.
    #[error("{0}")]
    Stale(Box<Self>),
    /// Too many datagrams that were not the response: somebody may be guessing.
    #[error("read udp {local}->{remote}: too many wrong replies")]
    Flooded {
        /// Our address.
        local: SocketAddr,
        /// The upstream.
        remote: SocketAddr,
    },
    /// A response over a stream that breaks RFC 1035 or belongs to no query of ours.
    #[error("read tcp {remote}: wrong reply")]
    WrongReply {
        /// The upstream.
        remote: SocketAddr,
    },
    /// Our own limit of queries to this upstream is reached.
    #[error("{remote}: too many queries in flight")]
    Busy {
        /// The upstream.
        remote: String,
    },
    /// The response answers, but not the question: a lame or hostile upstream.
    #[error("{remote}: unusable reply: {reason}")]
    Unusable {
        /// The upstream.
        remote: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// What the kernel, the clock or the peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The deadline passed.
    Timeout,
    /// The peer closed the connection.
    Eof,
    /// An error of the operating system.
    Io(io::ErrorKind, String),
}

impl Cause {
    /// The cause behind an error of the operating system; `call` is the name of the system call,
    /// as Go prints it.
    #[must_use]
    pub fn of(error: &io::Error, call: &str) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Eof;
        }
        Self::Io(error.kind(), format!("{call}: {}", in_gos_words(error)))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("i/o timeout"),
            Self::Eof => f.write_str("EOF"),
            Self::Io(_, text) => f.write_str(text),
        }
    }
}

impl ExchangeError {
    /// Whether the upstream said nothing until the deadline.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Dial { cause, .. } | Self::Read { cause, .. } | Self::Write { cause, .. } => {
                *cause == Cause::Timeout
            }
            Self::Stale(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// Whether the upstream itself is in doubt, so that a probe should tell. An unusable reply, our
    /// own limits and a lack of sockets say nothing about that.
    #[must_use]
    pub fn blames_upstream(&self) -> bool {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown,
            NetworkUnreachable, TimedOut,
        };
        match self {
            Self::Busy { .. } | Self::Unusable { .. } => false,
            Self::Dial { cause: Cause::Io(kind, _), .. } => matches!(
                kind,
                ConnectionAborted
                    | ConnectionRefused
                    | ConnectionReset
                    | HostUnreachable
                    | NetworkDown
                    | NetworkUnreachable
                    | TimedOut
            ),
            _ => true,
        }
    }

    /// Whether the peer hung up.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        match self {
            Self::Read { cause, .. } | Self::Write { cause, .. } => match cause {
                Cause::Eof => true,
                Cause::Io(kind, _) => {
                    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
                }
                Cause::Timeout => false,
            },
            Self::Stale(_) => true,
            _ => false,
        }
    }

    /// What EDNS clients are told (RFC 8914 §4.23, §4.24).
    #[must_use]
    pub fn extended_error(&self) -> ExtendedError {
        match self {
            Self::Unusable { .. } => {
                ExtendedError::new(ExtendedError::NO_REACHABLE_AUTHORITY, "unusable reply")
            }
            _ if self.is_timeout() => {
                ExtendedError::new(ExtendedError::NO_REACHABLE_AUTHORITY, "upstream timed out")
            }
            _ => ExtendedError::new(ExtendedError::NETWORK_ERROR, "upstream unreachable"),
        }
    }
}

/// Why a group of upstreams gave no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// `max_concurrent` is reached; the client is answered REFUSED.
    #[error("concurrent queries exceeded maximum {0}")]
    TooMany(usize),
    /// All upstreams are down, and we are to fail fast.
    #[error("no healthy proxies")]
    NoHealthy,
    /// The last exchange failed like this.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The time for the question is over.
    #[error("i/o timeout")]
    Timeout,
    /// The response's aliases lead in a circle: asking others would not help.
    #[error("alias loop in the reply of {remote}")]
    AliasLoop {
        /// The upstream.
        remote: String,
    },
}

impl Failure {
    /// What EDNS clients are told (RFC 8914).
    #[must_use]
    pub fn extended_error(&self) -> ExtendedError {
        match self {
            Self::TooMany(_) => {
                ExtendedError::new(ExtendedError::NETWORK_ERROR, "too many queries")
            }
            Self::NoHealthy => ExtendedError::new(ExtendedError::NOT_READY, "no healthy upstream"),
            Self::Timeout => {
                ExtendedError::new(ExtendedError::NO_REACHABLE_AUTHORITY, "upstream timed out")
            }
            Self::Exchange(error) => error.extended_error(),
            Self::AliasLoop { .. } => {
                ExtendedError::new(ExtendedError::NO_REACHABLE_AUTHORITY, "alias loop")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_not_the_upstreams_fault() {
        let dial = |number| {
            let cause = Cause::of(&io::Error::from_raw_os_error(number), "connect");
            let remote = "192.0.2.1:53".parse().unwrap();
            ExchangeError::Dial { network: "tcp", remote, cause }
        };
        let (too_many_files, refused) = (24, 111);
        assert!(!dial(too_many_files).blames_upstream());
        assert!(dial(refused).blames_upstream());
        assert_eq!(dial(refused).to_string(), "dial tcp 192.0.2.1:53: connect: connection refused");
    }
}
