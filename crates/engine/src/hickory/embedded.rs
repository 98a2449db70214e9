//! Dunlin inside somebody else's hickory server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use dunlin_core::directive::{Control, Retain};
use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use dunlin_core::{Registry, Transport};
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Bridge;
use crate::config::{Origin, Setup};
use crate::generation::Generation;
use crate::listen::Listener;
use crate::serve::Shared;

/// A handler for `hickory_server::Server`: the server blocks of a Corefile, without their
/// listeners, endpoints and reload, which belong to whoever embeds it.
pub struct Embedded {
    bridge: Bridge,
    generation: Generation,
}

impl Embedded {
    /// Sets the Corefile up and runs its start hooks. Of several listen addresses the first
    /// one's zones are served.
    ///
    /// # Errors
    /// A mistake in the Corefile, or a start hook that failed.
    pub async fn new(registry: Registry, corefile: &str) -> anyhow::Result<Self> {
        let setup = Setup {
            origin: Origin::Stdin(corefile.as_bytes().to_vec()),
            port: 53,
            registry,
            fallback: String::new(),
        };
        let metrics = Metrics::new(0);
        let loaded = setup.load();
        if let Some(error) = loaded.diagnostics.into_iter().find(|found| found.is_error()) {
            return Err(error.into());
        }
        let draft =
            setup.set_up(&loaded.corefile, &metrics, &Lines::discarded(), &Retain::default());
        let draft = draft.map_err(|mistakes| match mistakes.into_iter().next() {
            Some(first) => anyhow::Error::new(first),
            None => anyhow::anyhow!("the Corefile could not be set up"),
        })?;
        let mut generation = Generation::assemble(draft);
        let end = Control::new(|text| tracing::error!("{text}"));
        generation.start(&HashMap::new(), &end.clone()).await?;
        let first = generation.tables.first();
        let (plan, table) = first.ok_or_else(|| anyhow::anyhow!("the Corefile has no zones"))?;
        let listener = Listener {
            table: ArcSwap::new(Arc::clone(table)),
            address: plan.address,
            sockets: 0,
            shared: Arc::new(Shared::new(&metrics, end)),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { bridge: Bridge(Arc::new(listener)), generation })
    }

    /// Answers one message that came without hickory: from a test, a fuzzer, another transport.
    /// `None`: nothing is to be sent.
    pub async fn answer(
        &self,
        message: &[u8],
        client: SocketAddr,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let reply = super::answer(&self.bridge.0, message, client, transport).await;
        reply.map(|reply| reply.to_vec())
    }

    /// Ends background work, once no query comes any more.
    pub async fn stop(mut self) {
        self.generation.stop().await;
    }
}

#[async_trait]
impl RequestHandler for Embedded {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        response: R,
    ) -> ResponseInfo {
        self.bridge.handle_request::<R, T>(request, response).await
    }
}
