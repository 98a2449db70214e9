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
