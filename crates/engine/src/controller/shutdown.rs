//! The end: announced, waited for, drained. Both TERM and INT take this way; a second one while
//! it lasts forces it.

use std::time::Duration;

use dunlin_core::directive::Closing;
use tokio::time::Instant;

use super::Controller;
use crate::signals::{Signals, Wish};

/// What is left to do, and then the queries in flight, may take this long.
const GRACE: Duration = Duration::from_secs(5);

impl Controller {
    /// Ends everything in order. The result is the exit status.
    pub(super) async fn shut_down(self, signals: &mut Signals) -> u8 {
        tokio::select! {
            () = self.wind_down() => 0,
            () = second_wish(signals) => 2,
        }
    }

    async fn wind_down(mut self) {
        self.endpoints.close(Closing::First);
        if !self.generation.lameduck.is_zero() {
            let shown = dunlin_core::corefile::go::GoDuration::from(self.generation.lameduck);
            tracing::info!(target: "plugin/health", "Going into lameduck mode for {shown}");
            tokio::time::sleep(self.generation.lameduck).await;
        }
        let deadline = Instant::now() + GRACE;
        if let Some(before_drain) = self.extras.before_drain.take() {
            before_drain.await;
        }
        let listeners: Vec<_> = self.listeners.drain().map(|(_, listener)| listener).collect();
        for listener in &listeners {
            listener.close();
        }
        let answered = async {
            for listener in &listeners {
                listener.tasks.wait().await;
            }
            self.sockets.drained().await;
        };
        if tokio::time::timeout_at(deadline, answered).await.is_err() {
            tracing::warn!("some queries were not answered within {GRACE:?}");
        }
        self.generation.stop().await;
        self.drains.close();
        self.drains.wait().await; // each ends by itself
        self.endpoints.close(Closing::Last);
        self.sockets.stop().await;
    }
}

/// TERM and INT force; what else comes now comes too late.
async fn second_wish(signals: &mut Signals) {
    loop {
        match signals.next().await {
            Wish::Interrupt => return tracing::info!("SIGINT: Force quit"),
            Wish::Terminate => return tracing::info!("SIGTERM: Force quit"),
            Wish::Quit | Wish::Reload => {}
        }
    }
}
