//! Where spans go: the arguments `[ENDPOINT-TYPE] [ENDPOINT]`.

use std::fmt;

use hyper::Uri;
use hyper::http::uri::{Authority, Scheme};

/// What a collector understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Zipkin v2, as JSON.
    Zipkin,
    /// The agent of Datadog, as JSON.
    Datadog,
    /// OpenTelemetry, OTLP over HTTP, as protocol buffers.
    Otlp,
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) kind: Kind,
    uri: Uri,
}

/// What is wrong with the arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadEndpoint {
    /// The text is CoreDNS's.
    #[error("tracing endpoint type '{0}' is not supported")]
    Kind(String),
    #[error("invalid tracing endpoint '{endpoint}': {reason}")]
    Endpoint { endpoint: String, reason: &'static str },
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "zipkin" => Self::Zipkin,
            "datadog" => Self::Datadog,
            "otlp" => Self::Otlp,
            _ => return None,
        })
    }

    /// Where a collector of this kind listens if nothing else is said.
    fn default_authority(self) -> &'static str {
        match self {
            Self::Zipkin => "localhost:9411",
            Self::Datadog => "localhost:8126",
            Self::Otlp => "localhost:4318",
        }
    }

    /// Where it takes spans.
    fn path(self) -> &'static str {
        match self {
            Self::Zipkin => "/api/v2/spans",
            Self::Datadog => "/v0.3/traces",
            Self::Otlp => "/v1/traces",
        }
    }
}

impl Endpoint {
    /// Reads the arguments. Without any it is Zipkin on this host.
    pub(super) fn parse(kind: &str, endpoint: &str) -> Result<Self, BadEndpoint> {
        let kind = kind.to_lowercase();
        let kind = Kind::named(&kind).ok_or(BadEndpoint::Kind(kind))?;
        let bad = |reason| BadEndpoint::Endpoint { endpoint: endpoint.to_owned(), reason };
        let text = match endpoint {
            "" => format!("http://{}{}", kind.default_authority(), kind.path()),
            url if url.contains("://") => url.to_owned(),
            authority => format!("http://{authority}{}", kind.path()),
        };
        let uri: Uri = text.parse().map_err(|_| bad("not a URL, and no HOST:PORT"))?;
        let known = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)];
        match uri.authority() {
            _ if !known.contains(&uri.scheme()) => Err(bad("neither http nor https")),
            Some(authority) if authority.as_str().contains('@') => Err(bad("it has a password")),
            Some(authority) if has_bad_port(authority) => Err(bad("not a port")),
            Some(authority) if authority.host().is_empty() => Err(bad("it has no host")),
            None => Err(bad("it has no host")),
            Some(_) => Ok(Self { kind, uri: with_path(uri, kind) }),
        }
    }

    /// The host, without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(super) fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or_else(|| if self.is_secure() { 443 } else { 80 })
    }

    pub(super) fn is_secure(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// What a request line has, and the `Host` header.
    pub(super) fn path_and_authority(&self) -> (&str, &str) {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        (path, self.uri.authority().map_or("", Authority::as_str))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

/// A port that is there but is no number would be taken for none.
fn has_bad_port(authority: &Authority) -> bool {
    let behind = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest);
    behind.contains(':') && authority.port_u16().is_none()
}

/// A URL of Zipkin is complete, as in CoreDNS; those of the others may be the base of all paths.
fn with_path(uri: Uri, kind: Kind) -> Uri {
    let is_base = uri.path() == "/" && uri.query().is_none();
    if kind == Kind::Zipkin || !is_base {
        return uri;
    }
    let text = format!("{}{}", uri.to_string().trim_end_matches('/'), kind.path());
    text.parse().unwrap_or(uri)
}
