//! One exchange over UDP: a connected socket, a random ID (security.md FW-01, FW-02), and patience
//! with everything that is not the response (FW-20).

mod bells;
mod shelf;
mod slots;
mod sockets;

use std::io;
use std::net::Ipv4Addr;

use dunlin_core::Transport;
use dunlin_core::buffer::Buffer;
use dunlin_core::hexdump::Hexdump;
use dunlin_core::wire::{self, Flags, HEADER_LEN, write_u16};
use rand::RngExt;
use tokio::time::Instant;

use self::sockets::Lease;
pub(crate) use self::sockets::Sockets;
use crate::ask::{Ask, is_response};
use crate::error::{Cause, ExchangeError};
use crate::group::Time;
use crate::metrics::{Proto, UpstreamMetrics};
use crate::patience::within;
use crate::response::{self, Response};

/// Datagrams that are not the response before we stop listening (FW-21).
const MAX_MISMATCHES: u32 = 16;
/// Larger than any response that we invite.
const RECEIVE_SIZE: usize = 2048;

/// Sends the query once and waits for its response; see [`within`].
pub(crate) async fn exchange(
    sockets: &Sockets,
    ask: &Ask,
    Time { now, until }: Time,
    metrics: &UpstreamMetrics,
) -> Result<Response, ExchangeError> {
    let remote = sockets.remote;
    let mut lease = sockets.lease(now).map_err(|error| ExchangeError::Dial {
        network: "udp",
        remote,
        cause: Cause::of(&error, "connect"),
    })?;
    if lease.is_new {
        metrics.opened_connection(Proto::Udp);
    } else {
        metrics.reused_connection(Proto::Udp);
    }
    let entry = ask.journal().map(|journal| {
        let ends = (lease.local().ok(), remote);
        (journal, journal.begin(ends, Transport::Udp, ask.as_bytes()))
    });
    let result = exchange_on(&mut lease, ask, until, metrics).await;
    if let Some((journal, entry)) = entry {
        journal.end(entry, None, result.as_ref().ok());
    }
    result.map_err(|failure| {
        // Only failures tell it, and asking costs a system call.
        let local = lease.local().unwrap_or_else(|_| (Ipv4Addr::UNSPECIFIED, 0).into());
        let network = "udp";
        let read = |cause| ExchangeError::Read { network, local, remote, cause };
        match failure {
            Failed::Write(error) => {
                let cause = Cause::of(&error, "write");
                ExchangeError::Write { network, local, remote, cause }
            }
            Failed::Read(error) => read(Cause::of(&error, "read")),
            Failed::Silence => read(Cause::Timeout),
            Failed::Flooded => ExchangeError::Flooded { local, remote },
        }
    })
}

enum Failed {
    Write(io::Error),
    Read(io::Error),
    Silence,
    Flooded,
}

async fn exchange_on(
    lease: &mut Lease<'_>,
    ask: &Ask,
    until: Instant,
    metrics: &UpstreamMetrics,
) -> Result<Response, Failed> {
    if lease.is_new {
        // Others may be opening sockets too: then all of them send in one burst, and an upstream on
        // this host is woken once and not for each query (24 us instead of 26 for a miss).
        tokio::task::yield_now().await;
    }
    let id = send(lease, ask).map_err(Failed::Write)?;
    let listening = receive(lease, id, ask, metrics);
    within(until, listening).await.unwrap_or(Err(Failed::Silence))
}

/// Sends the query with a random ID, which is returned.
fn send(lease: &Lease<'_>, ask: &Ask) -> io::Result<u16> {
    let id = rand::rng().random();
    let mut query = Buffer::copy_of(ask.as_bytes());
    write_u16(&mut query, 0, id);
    lease.send(&query).map(|()| id)
}

async fn receive(
    lease: &mut Lease<'_>,
    id: u16,
    ask: &Ask,
    metrics: &UpstreamMetrics,
) -> Result<Response, Failed> {
    for mismatches in 0..MAX_MISMATCHES {
        let mut bytes = next_datagram(lease).await.map_err(Failed::Read)?;
        if is_response(id, ask.as_bytes(), ask.question_end(), &bytes) {
            let fits = bytes.len() <= ask.max_udp_size();
            let read = if fits { response::read } else { response::cut };
            if let Some(response) = read(std::mem::take(&mut bytes), ask.question_end()) {
                if mismatches == 0 {
                    lease.reusable();
                }
                return Ok(response);
            }
        }
        metrics.ignored_reply();
        tell_of_mismatch(id, ask, &bytes);
    }
    Err(Failed::Flooded)
}

async fn next_datagram(lease: &mut Lease<'_>) -> io::Result<Buffer> {
    loop {
        lease.news().await;
        // Taken only now: those who wait hold no memory for what they wait for.
        let mut bytes = Buffer::new();
        bytes.reserve(RECEIVE_SIZE);
        if lease.receive(&mut bytes)? {
            return Ok(bytes);
        }
    }
}

fn tell_of_mismatch(id: u16, ask: &Ask, bytes: &[u8]) {
    let name = wire::Presentation(ask.name());
    tracing::debug!(
        target: "plugin/forward",
        "Wrong reply for id: {id}, {name} {}\n{}", ask.qtype(), Hexdump(bytes)
    );
}

/// Sends the query once; any response with its ID proves that the upstream lives.
pub(crate) async fn probe(
    sockets: &Sockets,
    ask: &Ask,
    until: Instant,
) -> Result<(), ExchangeError> {
    let remote = sockets.remote;
    let failed = |error: &io::Error| ExchangeError::Dial {
        network: "udp",
        remote,
        cause: Cause::of(error, "read"),
    };
    let mut lease = sockets.lease_new().map_err(|error| failed(&error))?;
    let listening = async {
        let id = send(&lease, ask)?;
        loop {
            let bytes = next_datagram(&mut lease).await?;
            let same_id = bytes.len() >= HEADER_LEN && wire::id(&bytes) == id;
            if same_id && Flags::of(&bytes).has(Flags::QR) {
                return Ok(());
            }
        }
    };
    let silence = ExchangeError::Dial { network: "udp", remote, cause: Cause::Timeout };
    match tokio::time::timeout_at(until, listening).await {
        Ok(result) => result.map_err(|error| failed(&error)),
        Err(_elapsed) => Err(silence),
    }
}
