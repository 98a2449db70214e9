//! When to load the configuration again: files that changed, a signal, a failure whose cause may
//! have gone. What is bad changes nothing, is counted, and is told once.

mod state;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use dunlin_core::corefile::Diagnostic;
use dunlin_core::directive::{ReloadTimes, Retain};
use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use tokio::time::{Instant, sleep_until};

use self::state::{ReloadMetrics, fingerprint};
use self::watch::Watch;
use crate::config::{Draft, Loaded, Setup};
use crate::controller::Controller;

/// What is known of the files, and when to look at them again.
pub(crate) struct Reload {
    metrics: ReloadMetrics,
    watch: Watch,
    times: Option<ReloadTimes>,
    next_poll: Option<Instant>,
    retry: Option<Retry>,
    /// The content that was looked at last, good or bad.
    seen: String,
    /// What was said last, so that it is not said again.
    told: String,
    sources: Vec<PathBuf>,
}

/// A load that failed for reasons that may lie outside of the files.
struct Retry {
    at: Instant,
    pause: Duration,
}

/// A change is live by then, whatever interval was set.
const LONGEST_POLL: Duration = Duration::from_secs(120);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Reload {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            metrics: ReloadMetrics::new(metrics),
            watch: Watch::default(),
            times: None,
            next_poll: None,
            retry: None,
            seen: String::new(),
            told: String::new(),
            sources: Vec::new(),
        }
    }

    /// Loads and sets up what the server starts with.
    ///
    /// # Errors
    /// All mistakes of the Corefile.
    pub(crate) fn first(
        &mut self,
        setup: &Setup,
        metrics: &Metrics,
        lines: &Lines,
    ) -> Result<(Loaded, Draft), Vec<Diagnostic>> {
        let mut loaded = setup.load();
        if loaded.diagnostics.iter().any(Diagnostic::is_error) {
            return Err(loaded.diagnostics);
        }
        if loaded.corefile.blocks.is_empty() {
            let sources = std::mem::take(&mut loaded.sources);
            loaded = Loaded { sources, ..setup.load_fallback() };
        }
        tell_warnings(&loaded);
        let draft = setup.set_up(&loaded.corefile, metrics, lines, &Retain::default())?;
        Ok((loaded, draft))
    }

    /// Watches what the running generation depends on.
    pub(crate) fn arm(&mut self, controller: &Controller, loaded: &Loaded) {
        self.sources = loaded.sources.iter().cloned().collect();
        self.sources.extend(controller.generation.watched.iter().cloned());
        self.seen = fingerprint(loaded, &controller.generation.watched);
        self.told.clear();
        self.retry = None;
        self.metrics.running(&loaded.hash);
        let may_change = controller.setup.origin.may_change();
        self.times = controller.generation.reload.filter(|_| may_change);
        match self.times {
            Some(_) => self.watch.set(&self.sources),
            None => self.watch = Watch::default(),
        }
        self.plan_poll();
    }

    /// Waits until it is time to look at the files. Cancel-safe.
    pub(crate) async fn due(&mut self) {
        let retry = self.retry.as_ref().map(|retry| retry.at);
        let next = self.next_poll.into_iter().chain(retry).min();
        tokio::select! {
            () = self.watch.changed() => {}
            () = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }

    /// Looks at the files and loads them if they changed, or if the last failure is due again.
    pub(crate) async fn look(&mut self, controller: &mut Controller) {
        self.plan_poll();
        let retrying = self.retry.as_ref().is_some_and(|retry| retry.at <= Instant::now());
        if self.times.is_none() && !retrying {
            return;
        }
        let loaded = controller.setup.load();
        let seen = fingerprint(&loaded, &controller.generation.watched);
        if seen == self.seen && !retrying {
            return;
        }
        if seen != self.seen {
            self.retry = None;
            self.told.clear();
        }
        self.seen = seen;
        self.metrics.attempted(&loaded.hash);
        if let Some(text) = unusable(&loaded) {
            return self.refuse(&text);
        }
        tracing::info!("Reloading");
        if let Err(text) = self.load(controller, loaded).await {
            let lead =
                "Corefile changed but reload failed: starting with listener file descriptors: ";
            self.failed(&text, || {
                tracing::error!("Restart failed: {text}");
                tracing::error!(target: "plugin/reload", "{lead}{text}");
            });
        }
    }

    /// Loads the files because the operator said so (SIGUSR1).
    pub(crate) async fn forced(&mut self, controller: &mut Controller) {
        tracing::info!("SIGUSR1: Reloading");
        let loaded = controller.setup.load();
        self.seen = fingerprint(&loaded, &controller.generation.watched);
        self.told.clear();
        self.metrics.attempted(&loaded.hash);
        tracing::info!("Reloading");
        let result = match first_error(&loaded).or_else(|| unusable(&loaded)) {
            Some(text) => Err(text),
            None => self.load(controller, loaded).await,
        };
        if let Err(text) = result {
            self.failed(&text, || {
                tracing::error!("Restart failed: {text}");
                tracing::error!("SIGUSR1: starting with listener file descriptors: {text}");
            });
        }
    }

    async fn load(&mut self, controller: &mut Controller, loaded: Loaded) -> Result<(), String> {
        if let Some(text) = first_error(&loaded) {
            return Err(text);
        }
        tell_warnings(&loaded);
        let known = controller.retain();
        let Controller { setup, metrics, lines, .. } = &*controller;
        let draft = setup.set_up(&loaded.corefile, metrics, lines, &known);
        let draft = draft.map_err(|mistakes| first_line(&mistakes))?;
        controller.apply(draft).await?;
        self.metrics.succeeded();
        self.arm(controller, &loaded);
        if self.times.is_some() {
            let hash = &loaded.hash;
            tracing::info!(target: "plugin/reload", "Running configuration SHA512 = {hash}");
        }
        tracing::info!("Reloading complete");
        Ok(())
    }

    /// A file that says nothing that could be loaded: told once, no need to try it again.
    fn refuse(&mut self, text: &str) {
        if self.told != text {
            text.clone_into(&mut self.told);
            self.metrics.failed();
            tracing::warn!(target: "plugin/reload", "{text}");
        }
    }

    /// A load that may succeed later.
    fn failed(&mut self, text: &str, tell: impl FnOnce()) {
        if self.told != text {
            text.clone_into(&mut self.told);
            self.metrics.failed();
            tell();
        }
        let pause = self.retry.as_ref().map_or(FIRST_RETRY, |retry| retry.pause * 2);
        let pause = pause.min(LONGEST_RETRY);
        self.retry = Some(Retry { at: Instant::now() + pause, pause });
    }

    fn plan_poll(&mut self) {
        self.next_poll = self.times.map(|ReloadTimes { interval, jitter }| {
            let early = jitter.mul_f64(rand::random_range(-0.5..0.5f64).abs());
            let wait =
                if rand::random() { interval + early } else { interval.saturating_sub(early) };
            Instant::now() + wait.min(LONGEST_POLL)
        });
    }
}

/// Why a file is not even tried: it is gone, empty, or its grammar is broken. A directive that
/// nobody knows is tried, and fails, as in CoreDNS.
fn unusable(loaded: &Loaded) -> Option<String> {
    let error = loaded.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
    match error {
        Some(error) if error.message.starts_with("Unknown directive") => None,
        Some(error) => Some(format!("Corefile parse failed: {}", error.compatible)),
        None if loaded.corefile.blocks.is_empty() => {
            Some("Corefile has no server blocks: the running configuration stays".into())
        }
        None => None,
    }
}

fn first_error(loaded: &Loaded) -> Option<String> {
    let error = loaded.diagnostics.iter().find(|diagnostic| diagnostic.is_error())?;
    Some(error.compatible.clone())
}

fn first_line(mistakes: &[Diagnostic]) -> String {
    mistakes.first().map(|mistake| mistake.compatible.clone()).unwrap_or_default()
}

fn tell_warnings(loaded: &Loaded) {
    for warning in loaded.diagnostics.iter().filter(|diagnostic| !diagnostic.is_error()) {
        tracing::warn!("{}", warning.compatible);
    }
}
