//! A socket that collectors connect to. Each of them has a queue and a task of its own, so that a slow
//! one keeps neither queries nor the others.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::endpoint::{Endpoint, Place, Stream};
use super::frames;
use super::outlet::Outlet;
use super::pump::pump;
use super::stream::Greeted;
use super::tls::ServerFiles;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Listener {
    pub(super) endpoint: Endpoint,
    pub(super) tls: Option<ServerFiles>,
}

/// Records that may wait for one collector.
pub(super) const QUEUE: usize = 10_000;
/// Collectors at a time, those that are still shaking hands included; more are turned away.
const MAX_COLLECTORS: usize = 64;

/// Listens until it is stopped, then waits until all queues are empty.
pub(super) async fn run(outlet: Arc<Outlet>, listener: Listener, stopped: oneshot::Receiver<()>) {
    let mut collectors = JoinSet::new();
    let serving = async {
        if let Some(socket) = open(&listener, outlet.pace.retry).await {
            accept_all(&outlet, &socket, &mut collectors).await;
        }
    };
    tokio::select! {
        () = serving => {}
        () = outlet.report() => {}
        _ = stopped => {}
    }
    while collectors.join_next().await.is_some() {}
}

/// A listening socket.
enum Socket {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
    Tls(TcpListener, TlsAcceptor),
}

impl Drop for Socket {
    /// The name goes before the socket does: whoever waits for it must not lose a new one.
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}

/// Opens the socket; tries again for as long as it takes, since after a reload the one before may
/// still be there.
async fn open(listener: &Listener, retry: Duration) -> Option<Socket> {
    let acceptor = match (&listener.endpoint, &listener.tls) {
        (Endpoint::Tls(_), None) => {
            tracing::warn!(
                target: "plugin/dnstap",
                "TLS listener requires cert and key files"
            );
            return None;
        }
        (_, None) => None,
        (_, Some(files)) => match files.acceptor() {
            Ok(acceptor) => Some(acceptor),
            Err(error) => {
                tell(&error);
                return None;
            }
        },
    };
    let mut is_first = true;
    loop {
        match bind(&listener.endpoint, acceptor.as_ref()).await {
            Ok(socket) => return Some(socket),
            Err(error) if is_first => tell(&error),
            Err(_told_before) => {}
        }
        is_first = false;
        tokio::time::sleep(retry).await;
    }
}

fn tell(error: &io::Error) {
    tracing::error!(target: "plugin/dnstap", "Failed to start dnstap listener: {error}");
}

async fn bind(endpoint: &Endpoint, acceptor: Option<&TlsAcceptor>) -> io::Result<Socket> {
    match (endpoint, acceptor) {
        (Endpoint::Unix(path), _) => {
            remove_stale(path).await;
            Ok(Socket::Unix(UnixListener::bind(path)?, path.clone()))
        }
        (Endpoint::Tcp(place), _) => Ok(Socket::Tcp(bind_tcp(place).await?)),
        (Endpoint::Tls(place), Some(acceptor)) => {
            Ok(Socket::Tls(bind_tcp(place).await?, acceptor.clone()))
        }
        (Endpoint::Tls(_), None) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Without a host: all addresses, of both families if there is IPv6.
async fn bind_tcp(place: &Place) -> io::Result<TcpListener> {
    match TcpListener::bind(place.address("::")).await {
        Err(_no_ipv6) if place.host.is_empty() => TcpListener::bind(place.address("0.0.0.0")).await,
        result => result,
    }
}

/// Removes a socket that nobody listens on any more.
async fn remove_stale(path: &Path) {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    if !is_socket {
        return;
    }
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if UnixStream::connect(path).await.is_err_and(refused) {
        let _gone_already = std::fs::remove_file(path);
    }
}

/// Lets collectors in for ever. Handshakes end with it; collectors that were greeted do not.
async fn accept_all(outlet: &Arc<Outlet>, socket: &Socket, collectors: &mut JoinSet<()>) {
    let mut handshakes: JoinSet<Option<Box<dyn Stream>>> = JoinSet::new();
    loop {
        // Both sets, and accepting, are cancel-safe.
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok(shaking) if handshakes.len() + collectors.len() < MAX_COLLECTORS => {
                    let patience = outlet.pace.patience;
                    handshakes.spawn(async move { timeout(patience, shaking).await.ok()?.ok() });
                }
                Ok(_too_many) => {
                    tracing::debug!(target: "plugin/dnstap", "Too many collectors");
                }
                // Most likely descriptors are short.
                Err(_) => tokio::time::sleep(outlet.pace.retry).await,
            },
            Some(greeted) = handshakes.join_next() => {
                if let Ok(Some(stream)) = greeted {
                    collectors.spawn(serve(Arc::clone(outlet), stream));
                }
            }
            Some(_ended) = collectors.join_next() => {}
        }
    }
}

async fn serve(outlet: Arc<Outlet>, stream: Box<dyn Stream>) {
    let (number, mut records) = outlet.open_queue(QUEUE);
    let mut collector = Greeted::new(stream, outlet.pace.patience);
    let end = pump(&mut collector, &mut records, outlet.pace, &outlet.numbers).await;
    tracing::debug!(target: "plugin/dnstap", "A collector is gone: {end:?}");
    outlet.close_queue(number);
}

type Handshake = std::pin::Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

impl Socket {
    /// A collector, and what has to be done before records can be sent to it.
    async fn accept(&self) -> io::Result<Handshake> {
        Ok(match self {
            Self::Unix(listener, _) => greeted(listener.accept().await?.0),
            Self::Tcp(listener) => greeted(listener.accept().await?.0),
            Self::Tls(listener, acceptor) => {
                let accepting = acceptor.accept(listener.accept().await?.0);
                Box::pin(async move { greeted(accepting.await?).await })
            }
        })
    }
}

fn greeted(stream: impl Stream + 'static) -> Handshake {
    let mut stream: Box<dyn Stream> = Box::new(stream);
    Box::pin(async move {
        frames::greet(&mut stream).await?;
        Ok(stream)
    })
}
