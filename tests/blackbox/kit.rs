//! What the tests of this folder share: the binary, runs that are meant to end, metrics by name.

use std::net::SocketAddr;

use dunlin_testkit::process::{Server, Setup, Stream};
use dunlin_testkit::{http, metrics};

/// The binary that replaces CoreDNS.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dunlin");

/// A server about to be started.
pub(crate) fn dunlin() -> Setup {
    Server::of(BINARY)
}

/// A server with this Corefile under the relative name `Corefile`, as messages show it.
pub(crate) fn with_corefile(text: &str) -> Setup {
    dunlin().argument("-conf").argument("Corefile").file("Corefile", text)
}

/// What is left of a run that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) server: Server,
}

/// Runs a process that is meant to end by itself.
#[track_caller]
pub(crate) fn run(setup: Setup) -> Ended {
    let server = setup.spawn();
    let status = server.wait_exit().code();
    let of = |stream| {
        let lines = server.output().into_iter().filter(|line| line.stream == stream);
        lines.map(|line| line.text + "\n").collect::<String>()
    };
    Ended { status, out: of(Stream::Out), err: of(Stream::Err), server }
}

/// The lines of standard output so far.
pub(crate) fn out(server: &Server) -> Vec<String> {
    let lines = server.output().into_iter().filter(|line| line.stream == Stream::Out);
    lines.map(|line| line.text).collect()
}

/// A series of the metrics page at `{{metrics}}`, zero if it is not there.
#[track_caller]
pub(crate) fn metric(server: &Server, name: &str, labels: &[(&str, &str)]) -> f64 {
    metric_at(server.address_of("metrics"), name, labels)
}

/// A series of the metrics page at this address, zero if it is not there.
#[track_caller]
pub(crate) fn metric_at(address: SocketAddr, name: &str, labels: &[(&str, &str)]) -> f64 {
    let (status, page) = http::get(address, "/metrics");
    assert_eq!(status, 200, "{page}");
    metrics::value(&page, name, labels).unwrap_or_default()
}
