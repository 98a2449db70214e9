//! The HTTP endpoints of plugins: one listener an address, carried over reloads.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dunlin_core::directive::{Closing, HttpEndpoint, HttpHandler, HttpResponse, OnListenFailure};
use dunlin_os::holders::Network;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::texts::Unopened;

type Routes = HashMap<&'static str, HttpHandler>;

/// All endpoints that are open, or try to be.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    servers: HashMap<String, Server>,
}

#[derive(Debug)]
struct Server {
    routes: Arc<ArcSwap<Table>>,
    closing: Closing,
    stop: CancellationToken,
}

#[derive(Default)]
struct Table(Routes);

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Listeners that a generation needs and that are not open yet.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    opened: HashMap<String, TcpListener>,
}

/// Connections of one listener.
const CONNECTIONS: usize = 64;
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that reads slowly must not keep its place for ever.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);
const MAX_HEADER: usize = 16 * 1024;
/// Between two attempts to open a listener whose address is taken.
pub(crate) const RETRY: Duration = Duration::from_secs(1);
/// Attempts between two warnings.
const WARN_EVERY: u32 = 60;

impl Endpoints {
    /// Opens what is new. Nothing that runs is touched.
    ///
    /// # Errors
    /// An address that must be had and cannot.
    pub(crate) async fn prepare(&self, wanted: &[HttpEndpoint]) -> Result<Prepared, String> {
        let mut prepared = Prepared::default();
        for endpoint in wanted {
            let address = &endpoint.address;
            if self.servers.contains_key(address) || prepared.opened.contains_key(address) {
                continue;
            }
            match (open(address).await, endpoint.on_failure) {
                (Ok(listener), _) => _ = prepared.opened.insert(address.clone(), listener),
                (Err(error), OnListenFailure::Abort) => return Err(error.to_string()),
                (Err(error), OnListenFailure::Retry(text)) => {
                    tracing::error!("{text}{}", error.told().await);
                }
            }
        }
        Ok(prepared)
    }

    /// Lets the new generation answer, and closes what it does not want.
    pub(crate) fn commit(&mut self, wanted: &[HttpEndpoint], mut prepared: Prepared) {
        let mut tables: HashMap<&str, (Routes, &HttpEndpoint)> = HashMap::new();
        for endpoint in wanted {
            let (routes, _) =
                tables.entry(&endpoint.address).or_insert_with(|| (Routes::new(), endpoint));
            routes.insert(endpoint.path, Arc::clone(&endpoint.handler));
        }
        self.servers.retain(|address, server| {
            let wanted = tables.contains_key(address.as_str());
            if !wanted {
                server.stop.cancel();
            }
            wanted
        });
        for (address, (routes, endpoint)) in tables {
            let table = Arc::new(Table(routes));
            if let Some(server) = self.servers.get(address) {
                server.routes.store(table);
                continue;
            }
            let server = Server {
                routes: Arc::new(ArcSwap::new(table)),
                closing: endpoint.closing,
                stop: CancellationToken::new(),
            };
            let listener = prepared.opened.remove(address);
            tokio::spawn(serve(
                address.to_owned(),
                listener,
                endpoint.on_failure,
                Arc::clone(&server.routes),
                server.stop.clone(),
            ));
            self.servers.insert(address.to_owned(), server);
        }
    }

    /// Closes the endpoints whose time has come.
    pub(crate) fn close(&mut self, when: Closing) {
        self.servers.retain(|_, server| {
            if server.closing == when {
                server.stop.cancel();
            }
            server.closing != when
        });
    }
}

async fn open(address: &str) -> Result<TcpListener, Unopened> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let wildcard = host.is_empty();
    let target = if wildcard { format!("[::]:{port}") } else { address.to_owned() };
    let looked_up = tokio::net::lookup_host(&target).await;
    let mut found: Vec<SocketAddr> =
        looked_up.map_err(|error| format!("listen tcp: lookup {address}: {error}"))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let first =
        *found.first().ok_or_else(|| format!("listen tcp: lookup {address}: no address"))?;
    let listener = dunlin_os::sockets::tcp_listener(first).and_then(TcpListener::from_std);
    listener.map_err(|error| Unopened::new(Network::Tcp, first, &error))
}

async fn serve(
    address: String,
    listener: Option<TcpListener>,
    on_failure: OnListenFailure,
    routes: Arc<ArcSwap<Table>>,
    stop: CancellationToken,
) {
    let accepting = async {
        let listener = match listener {
            Some(listener) => listener,
            None => open_patiently(&address, on_failure).await,
        };
        accept(listener, routes).await;
    };
    // Connections in work end with their reply; only the listener closes here.
    let _stopped = stop.run_until_cancelled(accepting).await;
}

async fn open_patiently(address: &str, on_failure: OnListenFailure) -> TcpListener {
    let mut attempt = 0;
    loop {
        tokio::time::sleep(RETRY).await;
        attempt += 1;
        match open(address).await {
            Ok(listener) => return listener,
            Err(error) => {
                if let (OnListenFailure::Retry(text), 0) = (on_failure, attempt % WARN_EVERY) {
                    tracing::warn!("{text}{}", error.told().await);
                }
            }
        }
    }
}

async fn accept(listener: TcpListener, routes: Arc<ArcSwap<Table>>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let routes = Arc::clone(&routes);
        tokio::spawn(async move {
            let _held = permit;
            let service = service_fn(move |request| {
                let response = respond(&routes.load(), &request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HTTP_TIMEOUT)
                .max_buf_size(MAX_HEADER)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(LONGEST_CONNECTION, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection broke"),
                Err(_elapsed) => tracing::debug!("an HTTP connection took too long"),
            }
        });
    }
}

fn respond(routes: &Table, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let is_allowed = [Method::GET, Method::HEAD, Method::POST].contains(request.method());
    let answer = match routes.0.get(request.uri().path()) {
        Some(_) if !is_allowed => HttpResponse::text(405, "method not allowed\n"),
        Some(handler) => handler(),
        None => HttpResponse::text(404, "404 page not found\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    if let Ok(status) = hyper::StatusCode::from_u16(answer.status) {
        *response.status_mut() = status;
    }
    if answer.status == 405 {
        // RFC 9110 §15.5.6
        let methods = hyper::header::HeaderValue::from_static("GET, HEAD, POST");
        response.headers_mut().insert(hyper::header::ALLOW, methods);
    }
    let kind = hyper::header::HeaderValue::from_static(answer.content_type);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}
