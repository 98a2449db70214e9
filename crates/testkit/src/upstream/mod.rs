//! A fake upstream server that does what a test tells it, wrong things included, and remembers what it
//! was asked.
//!
//! ```
//! use dunlin_testkit::client::ask;
//! use dunlin_testkit::upstream::{Reply, Upstream};
//! use hickory_proto::rr::RecordType;
//!
//! let upstream = Upstream::start();
//! upstream.on("example.org", Reply::new().answer("example.org. 300 IN A 192.0.2.1"));
//! let response = ask(upstream.address(), "example.org", RecordType::A).send();
//! assert_eq!(response.answers(), ["192.0.2.1"]);
//! assert_eq!(upstream.count("example.org"), 1);
//! ```
//!
//! It runs in a thread of its own with real sockets on 127.0.0.1 and the real clock. UDP and TCP share
//! the port; a [TLS](Upstream::start_tls) server has TCP only. Queries are handled side by side, over
//! one connection too, so that replies overtake each other where a script waits.

mod reply;
mod script;
mod serve;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

pub use self::reply::Reply;
pub use self::script::{Action, Asked, Behave, InTurn, Transport};
use self::serve::{Shared, Sockets};
use crate::tls::Authority;
use crate::{ports, records, wait};

/// A running, or stopped, fake server; dropping it stops it. What is not scripted is REFUSED.
pub struct Upstream {
    address: SocketAddr,
    authority: Option<Authority>,
    shared: Arc<Shared>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Upstream {
    /// Serves UDP and TCP on a port of 127.0.0.1.
    pub fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    /// Serves UDP and TCP on a port of another address of 127.0.0.0/8.
    pub fn start_at(ip: Ipv4Addr) -> Self {
        Self::new(ip, None, &[])
    }

    /// Serves DNS over TLS on a port of 127.0.0.1, with a certificate for these DNS names and IP
    /// addresses by an [`authority`](Self::authority) of its own.
    pub fn start_tls(names: &[&str]) -> Self {
        Self::new(Ipv4Addr::LOCALHOST, Some(Authority::new()), names)
    }

    /// Where it serves; the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who signed the certificate of a TLS server.
    pub fn authority(&self) -> &Authority {
        self.authority.as_ref().expect("an upstream of start_tls")
    }

    /// The certificate of [`authority`](Self::authority) as a PEM file.
    pub fn authority_path(&self) -> PathBuf {
        self.authority().pem_path()
    }

    /// From now on, does this for queries of this name, whatever type and case.
    pub fn on(&self, name: &str, behavior: impl Behave + 'static) {
        self.shared.script.lock().names.insert(records::key(name), Arc::new(behavior));
    }

    /// From now on, does this for names that [`on`](Self::on) was not told of, and for what is no query.
    pub fn always(&self, behavior: impl Behave + 'static) {
        self.shared.script.lock().otherwise = Arc::new(behavior);
    }

    /// What it was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().clone()
    }

    /// How often it was asked for this name.
    pub fn count(&self, name: &str) -> usize {
        let key = records::key(name);
        self.shared.asked.lock().iter().filter(|asked| asked.name() == key).count()
    }

    /// How often it was asked at all.
    pub fn count_all(&self) -> usize {
        self.shared.asked.lock().len()
    }

    /// How many TCP or TLS connections it accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections()
    }

    /// Returns as soon as it was asked for this name `count` times or more.
    ///
    /// # Panics
    ///
    /// If it is not within [`wait::DEADLINE`].
    #[track_caller]
    pub fn wait_for(&self, name: &str, count: usize) {
        wait::until(format_args!("{count} queries for {name} at the upstream"), || {
            self.count(name) >= count
        });
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        self.shared.asked.lock().clear();
    }

    /// Closes all sockets and connections; returns when it is done. Its port stays reserved.
    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }

    /// Serves again, on the same port and with the same script.
    pub fn restart(&mut self) {
        self.stop();
        let sockets = wait::some(format_args!("the sockets of {}", self.address), || self.bind());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let thread = thread::spawn(move || serve::run(sockets, shared, stopped));
        self.running = Some((stop, thread));
    }

    fn new(ip: Ipv4Addr, authority: Option<Authority>, names: &[&str]) -> Self {
        let acceptor =
            authority.as_ref().map(|authority| TlsAcceptor::from(authority.server_config(names)));
        let shared = Arc::new(Shared::new(acceptor, Reply::refused()));
        let mut upstream =
            Self { address: (ip, ports::free()).into(), authority, shared, running: None };
        upstream.restart();
        upstream
    }

    fn bind(&self) -> Option<Sockets> {
        let udp = match self.authority {
            None => Some(UdpSocket::bind(self.address).ok()?),
            Some(_) => None,
        };
        Some(Sockets { udp, tcp: TcpListener::bind(self.address).ok()? })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(formatter)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Upstream");
        debug.field("address", &self.address).field("running", &self.running.is_some());
        debug.field("asked", &self.count_all()).finish_non_exhaustive()
    }
}
