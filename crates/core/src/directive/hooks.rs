//! What runs when a generation begins and when it ends.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::site::Site;

/// What a start hook is told.
#[derive(Debug, Clone)]
pub struct StartContext {
    /// All places of this server block; `sites[n].index == n`.
    pub sites: Arc<[Arc<Site>]>,
    /// The handlers of this server block by name, in chain order.
    pub plugins: Arc<[&'static str]>,
    /// Where this server block really listens: ports that the kernel chose are known by now.
    pub listeners: Arc<[SocketAddr]>,
    /// Whether nobody elsewhere is to be asked: the hook leaves that out, and does not fail for it.
    pub offline: bool,
    /// How to talk to the server.
    pub control: Control,
}

/// The few things that a plugin may ask of the running server.
#[derive(Clone)]
pub struct Control(Arc<dyn Fn(String) + Send + Sync>);

impl Control {
    /// `end` is called with the text of a fatal error.
    #[must_use]
    pub fn new(end: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(end))
    }

    /// Ends the server in good order, with exit status 1, after logging `text` as FATAL.
    pub fn end_with_error(&self, text: impl Into<String>) {
        (self.0)(text.into());
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Control")
    }
}

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type StartHook = Box<dyn FnOnce(StartContext) -> Running<anyhow::Result<()>> + Send + Sync>;
type StopHook = Box<dyn FnOnce() -> Running<()> + Send + Sync>;

/// The hooks of a server block. They run on the background runtime, one after the other.
#[derive(Default)]
pub struct Hooks {
    start: Vec<StartHook>,
    stop: Vec<StopHook>,
}

impl Hooks {
    /// Runs after every setup succeeded and the sockets are open, before the first query of this
    /// generation. An error stops the start, or the reload.
    pub fn on_start<F>(&mut self, hook: impl FnOnce(StartContext) -> F + Send + Sync + 'static)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.start.push(Box::new(move |context| Box::pin(hook(context))));
    }

    /// Runs when the last query of this generation was answered.
    pub fn on_stop<F>(&mut self, hook: impl FnOnce() -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.stop.push(Box::new(move || Box::pin(hook())));
    }

    /// Runs the start hooks, up to the first that fails.
    ///
    /// # Errors
    /// What the failing hook says.
    pub async fn start(&mut self, context: &StartContext) -> anyhow::Result<()> {
        for hook in std::mem::take(&mut self.start) {
            hook(context.clone()).await?;
        }
        Ok(())
    }

    /// Runs the stop hooks.
    pub async fn stop(&mut self) {
        for hook in std::mem::take(&mut self.stop) {
            hook().await;
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hooks({} start, {} stop)", self.start.len(), self.stop.len())
    }
}
