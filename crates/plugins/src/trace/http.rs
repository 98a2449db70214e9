//! Messages to a collector: HTTP/1.1 over one connection that is kept, and made anew when it is gone.

use std::io;
use std::time::Duration;

use dunlin_core::error::in_gos_words;
use dunlin_core::release::VERSION;
use dunlin_upstream::tls::{TlsClient, TlsFiles, handshake_text, server_name};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::endpoint::Endpoint;

/// What is sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Why it did not arrive.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The collector cannot be reached, or does not answer: a retry may help.
    #[error("failed to send the request: Post \"{0}\": {1}")]
    Unreachable(String, String),
    /// It says so itself: whether a retry may help depends on the status.
    #[error("failed the request with status code {0}")]
    Status(u16),
}

impl Failure {
    /// Whether the same message may be taken later: OTLP names these statuses, and they mean the same
    /// everywhere.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(..) | Self::Status(429 | 502 | 503 | 504))
    }
}

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Client {
    endpoint: Endpoint,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// The connection at work; at most one.
    connection: JoinSet<()>,
    tls: Option<TlsClient>,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, sender: None, connection: JoinSet::new(), tls: None }
    }

    /// Sends a message and waits for the answer, at most this long.
    pub(super) async fn post(
        &mut self,
        message: Message,
        patience: Duration,
    ) -> Result<(), Failure> {
        let unreachable =
            |client: &Self, text| Failure::Unreachable(client.endpoint.to_string(), text);
        let status = match timeout(patience, self.exchange(message)).await {
            Ok(Ok(status)) => status,
            Ok(Err(text)) => {
                self.hang_up();
                return Err(unreachable(self, text));
            }
            Err(_elapsed) => {
                self.hang_up();
                return Err(unreachable(self, "context deadline exceeded".to_owned()));
            }
        };
        if (200..300).contains(&status) { Ok(()) } else { Err(Failure::Status(status)) }
    }

    /// A connection that was kept may have been closed by the other side just now: then a new one is
    /// tried.
    async fn exchange(&mut self, message: Message) -> Result<u16, String> {
        let body = Bytes::from(message.body);
        let request = |body| request(&self.endpoint, message.content_type, &message.headers, body);
        let (first, second) = (request(body.clone())?, request(body)?);
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
            && let Ok(response) = sender.send_request(first).await
        {
            return self.finish(sender, response).await;
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(second).await.map_err(|error| text(&error))?;
        self.finish(sender, response).await
    }

    /// Reads the body to its end, so that the connection can be used again; not an endless one.
    async fn finish(
        &mut self,
        sender: SendRequest<Full<Bytes>>,
        response: Response<Incoming>,
    ) -> Result<u16, String> {
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut octets = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| text(&error))?;
            octets += frame.data_ref().map_or(0, Bytes::len);
            if octets > MAX_BODY {
                self.hang_up();
                return Ok(status);
            }
        }
        self.sender = Some(sender);
        Ok(status)
    }

    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>, String> {
        self.hang_up();
        let tcp = dial(self.endpoint.host(), self.endpoint.port()).await?;
        let stream: Box<dyn Stream> =
            if self.endpoint.is_secure() { self.secure(tcp).await? } else { Box::new(tcp) };
        let shaken = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| text(&error))?;
        self.connection.spawn(async {
            // Who sends is told as well.
            let _ended = connection.await;
        });
        Ok(sender)
    }

    async fn secure(&mut self, tcp: TcpStream) -> Result<Box<dyn Stream>, String> {
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => {
                // Certificates are read from disk.
                let loading = tokio::task::spawn_blocking(|| TlsClient::load(&TlsFiles::default()));
                let loaded = loading.await.map_err(|error| error.to_string())?;
                self.tls.insert(loaded.map_err(|error| error.to_string())?).clone()
            }
        };
        let host = self.endpoint.host();
        let peer = tcp.peer_addr().map_err(|error| in_gos_words(&error))?.ip();
        let name = if host.parse() == Ok(peer) { None } else { Some(host) };
        let name = server_name(name, peer).map_err(|error| error.to_string())?;
        let shaken = tls.connector().connect(name, tcp).await;
        Ok(Box::new(shaken.map_err(|error| format!("tls: {}", handshake_text(&error)))?))
    }

    fn hang_up(&mut self) {
        self.sender = None;
        self.connection = JoinSet::new();
    }
}

/// What is read of an answer, in octets; all that is expected is a few words.
const MAX_BODY: usize = 64 * 1024;

/// A connection of any kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Tries the addresses of the host one after the other.
async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let mut last = format!("dial tcp: lookup {host}: no such host");
    let addresses = lookup_host((host, port)).await.map_err(|_| last.clone())?;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("dial tcp {address}: connect: {}", in_gos_words(&error)),
        }
    }
    Err(last)
}

fn request(
    endpoint: &Endpoint,
    content_type: &str,
    headers: &[(&str, String)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, String> {
    let (path, authority) = endpoint.path_and_authority();
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(USER_AGENT, format!("Dunlin/{VERSION}"))
        .header(CONTENT_TYPE, content_type);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    request.body(Full::new(body)).map_err(|error| error.to_string())
}

/// hyper says what it was doing, and its cause what happened.
fn text(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    match cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        Some(cause) => in_gos_words(cause),
        None => error.to_string(),
    }
}
