//! What a process around the server adds to it: endpoints of its own, reasons to reload, and work
//! between the last query that is waited for and the end.

use std::fmt;
use std::pin::Pin;

use dunlin_core::directive::{HttpEndpoint, OnListenFailure};
use tokio::sync::mpsc;

use crate::http::RETRY;

/// All that is optional; the default is nothing.
#[derive(Default)]
pub struct Extras {
    /// Open as long as the server runs, whatever the Corefile says.
    pub endpoints: Vec<HttpEndpoint>,
    /// In place of a failed start or reload, an address that cannot be listened on is tried again until
    /// it works, for HTTP always, and for DNS if there is another one: what somebody else has taken, or
    /// a family that the host has not, must not stop all.
    pub is_patient: bool,
    /// Somebody who knows that the Corefile changed.
    pub nudges: Option<mpsc::Receiver<Nudge>>,
    /// Runs at the end, after `lameduck` and before the last queries are waited for. Its time is taken from
    /// the five seconds that these have.
    pub before_drain: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// A reason to look at the Corefile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// As if the file system had told of a change: counts if `reload` watches the files.
    Look,
    /// As SIGUSR1.
    Load,
}

/// Time to try again; never, if there is nothing to try.
pub(super) async fn retry_if(has_missing: bool) {
    if !has_missing {
        return std::future::pending().await;
    }
    tokio::time::sleep(RETRY).await;
}

const TAKEN: &str = "An HTTP endpoint has to wait: ";

impl Extras {
    /// The next nudge; for ever nothing if nobody can send one. Cancel-safe.
    pub(super) async fn nudge(&mut self) -> Nudge {
        let Some(nudges) = &mut self.nudges else { return std::future::pending().await };
        match nudges.recv().await {
            Some(nudge) => nudge,
            None => std::future::pending().await,
        }
    }

    pub(super) fn add_to(&self, endpoints: &mut Vec<HttpEndpoint>) {
        endpoints.extend(self.endpoints.iter().cloned());
        let aborting = endpoints
            .iter_mut()
            .filter(|endpoint| self.is_patient && endpoint.on_failure == OnListenFailure::Abort);
        for endpoint in aborting {
            endpoint.on_failure = OnListenFailure::Retry(TAKEN);
        }
    }
}

impl fmt::Debug for Extras {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extras")
            .field("endpoints", &self.endpoints)
            .field("is_patient", &self.is_patient)
            .finish_non_exhaustive()
    }
}
