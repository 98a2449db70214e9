//! A collector that we connect to, again and again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::error::in_gos_words;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::endpoint::{Endpoint, timed_out};
use super::frames;
use super::outlet::{Outlet, Record};
use super::pump::{End, pump};
use super::stream::Greeted;
use super::tls::Client;

/// Where to connect, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Collector {
    pub(super) endpoint: Endpoint,
    pub(super) tls: Client,
    /// Octets of the socket's send buffer, for TCP.
    pub(super) send_buffer: u32,
    /// Records that may wait.
    pub(super) queue: usize,
}

/// Empties the queue until it is closed.
pub(super) async fn run(
    outlet: Arc<Outlet>,
    collector: Collector,
    mut records: mpsc::Receiver<Record>,
) {
    tokio::select! {
        () = work(&outlet, &collector, &mut records) => {}
        () = outlet.report() => {}
    }
}

async fn work(outlet: &Outlet, collector: &Collector, records: &mut mpsc::Receiver<Record>) {
    let (pace, numbers) = (outlet.pace, &outlet.numbers);
    let mut is_first = true;
    loop {
        let dialled = Instant::now();
        match dial(collector, pace.patience).await {
            Ok(mut stream) => match pump(&mut stream, records, pace, numbers).await {
                End::Closed => return,
                End::Lost(error) => {
                    tracing::debug!(target: "plugin/dnstap", "Lost {}: {error}", collector.endpoint);
                    // A collector that hangs up on everybody is not asked without a pause.
                    if dialled.elapsed() >= pace.retry {
                        continue;
                    }
                }
            },
            Err(error) if is_first => {
                let (network, address) = collector.endpoint.as_go_says();
                tracing::error!(
                    target: "plugin/dnstap",
                    "No connection to dnstap endpoint: dial {network} {address}: {}", text(&error)
                );
            }
            Err(_told_before) => {}
        }
        is_first = false;
        if outlet.discard(records).await {
            return;
        }
    }
}

/// Connects, and shakes hands.
async fn dial(collector: &Collector, patience: Duration) -> io::Result<Greeted> {
    let Collector { endpoint, tls, send_buffer, .. } = collector;
    let mut stream = endpoint.connect(tls.clone(), *send_buffer, patience).await?;
    let greeted = timeout(patience, frames::greet(&mut stream)).await;
    greeted.unwrap_or_else(|_elapsed| Err(timed_out()))?;
    Ok(Greeted::new(stream, patience))
}

/// `connect: connection refused`; what is not from the system is no matter of that call.
fn text(error: &io::Error) -> String {
    let call = error.raw_os_error().map_or("", |_number| "connect: ");
    format!("{call}{}", in_gos_words(error))
}
