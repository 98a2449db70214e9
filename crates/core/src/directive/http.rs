//! HTTP endpoints of plugins: what they answer. The engine owns their sockets and carries them
//! over a reload.

use std::fmt;
use std::sync::Arc;

/// What a path answers.
pub type HttpHandler = Arc<dyn Fn() -> HttpResponse + Send + Sync>;

/// One path on one address. Endpoints with the same address share a listener.
#[derive(Clone)]
pub struct HttpEndpoint {
    /// `HOST:PORT` or `:PORT`.
    pub address: String,
    /// The path, exactly; every other one is 404.
    pub path: &'static str,
    /// Answers GET, HEAD and POST.
    pub handler: HttpHandler,
    /// What an address that is taken means.
    pub on_failure: OnListenFailure,
    /// When the listener closes at shutdown.
    pub closing: Closing,
}

/// What to do when an endpoint's address cannot be listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnListenFailure {
    /// The start, or the reload, fails.
    Abort,
    /// It is logged with this text in front, and tried again until it works.
    Retry(&'static str),
}

/// When an endpoint closes at shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// As soon as the end is announced, before lameduck.
    First,
    /// After the last query was answered.
    Last,
}

/// The answer of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

impl fmt::Debug for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpEndpoint({}{})", self.address, self.path)
    }
}

/// An endpoint's address that is no `HOST:PORT`. The texts are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadAddress(String);

/// Takes `HOST:PORT`, `[HOST]:PORT` or `:PORT` apart as Go's `net.SplitHostPort` does; neither part
/// is looked at closer.
///
/// # Errors
/// [`BadAddress`]: for example `address 8080: missing port in address`.
pub fn host_and_port(address: &str) -> Result<(&str, &str), BadAddress> {
    split(address).map_err(|reason| match address {
        "" => BadAddress(reason.to_owned()),
        _ => BadAddress(format!("address {address}: {reason}")),
    })
}

fn split(address: &str) -> Result<(&str, &str), &'static str> {
    const MISSING_PORT: &str = "missing port in address";
    const TOO_MANY_COLONS: &str = "too many colons in address";
    let (before, port) = address.rsplit_once(':').ok_or(MISSING_PORT)?;
    let host = match address.strip_prefix('[') {
        None if before.contains(':') => return Err(TOO_MANY_COLONS),
        None => before,
        Some(bracketed) => match bracketed.split_once(']') {
            None => return Err("missing ']' in address"),
            Some((host, rest)) if rest.strip_prefix(':') == Some(port) => host,
            Some((_, rest)) if rest.starts_with(':') => return Err(TOO_MANY_COLONS),
            Some(_) => return Err(MISSING_PORT),
        },
    };
    match (host, port) {
        _ if host.contains('[') || port.contains('[') => Err("unexpected '[' in address"),
        _ if host.contains(']') || port.contains(']') => Err("unexpected ']' in address"),
        parts => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_as_go_does() {
        let table = [
            (":8080", Ok(("", "8080"))),
            ("localhost:http", Ok(("localhost", "http"))),
            ("[::1]:80", Ok(("::1", "80"))),
            ("a:", Ok(("a", ""))),
            ("", Err("missing port in address")),
            ("8080", Err("address 8080: missing port in address")),
            ("::1", Err("address ::1: too many colons in address")),
            ("a:b:c", Err("address a:b:c: too many colons in address")),
            ("[::1", Err("address [::1: missing ']' in address")),
            ("[::1]", Err("address [::1]: missing port in address")),
            ("[::1]80:1", Err("address [::1]80:1: missing port in address")),
            ("[::1]:1:2", Err("address [::1]:1:2: too many colons in address")),
            ("a[b:1", Err("address a[b:1: unexpected '[' in address")),
            ("[[a]:1", Err("address [[a]:1: unexpected '[' in address")),
            ("a]:1", Err("address a]:1: unexpected ']' in address")),
            ("[a]:]", Err("address [a]:]: unexpected ']' in address")),
        ];
        for (address, expected) in table {
            let found = host_and_port(address).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{address}");
        }
    }
}
