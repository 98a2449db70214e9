//! The task that sends probes: until each got a reply, for half a minute at most.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::wire::WireName;
use tokio::time::{Instant, sleep, timeout};

use super::OnLoop;
use super::detector::Detector;

/// Where probes go, each place once: listeners on all addresses with one port are one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listeners {
    addresses: Vec<SocketAddr>,
    /// As messages show them: `:53` for all addresses.
    texts: Vec<String>,
}

impl Listeners {
    pub(super) fn new(all: &[SocketAddr]) -> Self {
        let mut listeners = Self { addresses: Vec::new(), texts: Vec::new() };
        for address in all {
            let text = match address.ip().is_unspecified() {
                true => format!(":{}", address.port()),
                false => address.to_string(),
            };
            if !listeners.texts.contains(&text) {
                listeners.addresses.push(*address);
                listeners.texts.push(text);
            }
        }
        listeners
    }
}

/// A probe on its way.
struct Probe {
    name: WireName,
    listener: SocketAddr,
    unseen_replies: u32,
}

/// Looks for loops: once, or each minute for as long as there is one. `exchange` asks a listener
/// for HINFO of a name and returns when any reply came.
pub(super) async fn watch<F>(
    detector: Arc<Detector>,
    listeners: Listeners,
    on_loop: OnLoop,
    exchange: impl Fn(SocketAddr, WireName) -> F,
) where
    F: Future<Output = io::Result<()>>,
{
    loop {
        let names = detector.arm(&listeners.texts, rand::random);
        let has_looped = probe(&detector, &names, &listeners.addresses, &exchange).await;
        detector.forget();
        if !has_looped || on_loop == OnLoop::Exit {
            return;
        }
        sleep(UNTIL_NEXT_LOOK).await;
    }
}

/// Whether one of the probes has gone round.
async fn probe<F>(
    detector: &Detector,
    names: &[WireName],
    addresses: &[SocketAddr],
    exchange: &impl Fn(SocketAddr, WireName) -> F,
) -> bool
where
    F: Future<Output = io::Result<()>>,
{
    let deadline = Instant::now() + PATIENCE;
    let on_its_way = |(&name, &listener)| Probe { name, listener, unseen_replies: 0 };
    let mut pending: Vec<Probe> = names.iter().zip(addresses).map(on_its_way).collect();
    while !pending.is_empty() && Instant::now() < deadline {
        let mut left = Vec::new();
        for mut probe in pending {
            let reply = timeout(REPLY_PATIENCE, exchange(probe.listener, probe.name)).await;
            let is_answered = matches!(reply, Ok(Ok(())));
            if !is_settled(detector, &mut probe, is_answered) {
                left.push(probe);
            }
        }
        pending = left;
        if !pending.is_empty() {
            sleep(PAUSE).await;
        }
    }
    names.iter().any(|name| detector.has_looped(name))
}

/// Whether nothing more is to be learned from this probe.
fn is_settled(detector: &Detector, probe: &mut Probe, is_answered: bool) -> bool {
    if detector.has_looped(&probe.name) {
        return true;
    }
    if !is_answered {
        detector.recount(&probe.name);
        return false;
    }
    // During a reload the generation before may have answered, and that proves nothing of this
    // one. But a plugin in front of `loop` may answer for ever, so this is not for ever.
    let was_seen = detector.sightings(&probe.name) > 0;
    probe.unseen_replies += u32::from(!was_seen);
    was_seen || probe.unseen_replies >= MAX_UNSEEN_REPLIES
}

const PATIENCE: Duration = Duration::from_secs(30);
const REPLY_PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// While there is a loop that we live with.
const UNTIL_NEXT_LOOK: Duration = Duration::from_secs(60);
const MAX_UNSEEN_REPLIES: u32 = 5;
