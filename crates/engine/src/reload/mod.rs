//! When to load the configuration again: files that changed, a signal, a failure whose cause may
//! have gone. What is bad changes nothing, is counted, and is told once.

mod decision;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::path::PathBuf;

use dunlin_core::corefile::Diagnostic;
use dunlin_core::directive::Retain;
use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use tokio::time::{Instant, sleep_until};

use self::decision::{Decision, Step};
use self::state::{ReloadMetrics, fingerprint};
use self::watch::Watch;
use crate::config::{Draft, Loaded, Setup};
use crate::controller::Controller;

/// What is known of the files, and who tells that they changed.
pub(crate) struct Reload {
    metrics: ReloadMetrics,
    watch: Watch,
    decision: Decision,
    /// Whether the fallback runs, because the files had no server blocks.
    runs_fallback: bool,
}

impl Reload {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            metrics: ReloadMetrics::new(metrics),
            watch: Watch::default(),
            decision: Decision::default(),
            runs_fallback: false,
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
        let loaded = setup.load();
        if loaded.is_broken() {
            return Err(loaded.diagnostics);
        }
        tell_warnings(&loaded);
        let draft = setup.set_up(&loaded.corefile, metrics, lines, &Retain::default())?;
        Ok((loaded, draft))
    }

    /// Watches what the running generation depends on.
    pub(crate) fn arm(&mut self, controller: &Controller, loaded: &Loaded) {
        let watched = &controller.generation.watched;
        let may_change = controller.setup.origin.may_change();
        let times = controller.generation.reload.filter(|_| may_change);
        self.runs_fallback = loaded.is_fallback;
        self.metrics.running(&loaded.hash);
        self.decision.arm(fingerprint(loaded, watched), times, Instant::now(), chance());
        if times.is_some() {
            let files: Vec<PathBuf> = loaded.sources.iter().chain(watched).cloned().collect();
            self.watch.set(&files);
        } else {
            self.watch = Watch::default();
        }
    }

    /// Waits until it is time to look at the files. Cancel-safe.
    pub(crate) async fn due(&mut self) {
        let next = self.decision.next();
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
        let now = Instant::now();
        if !self.decision.is_time(now, chance()) {
            return;
        }
        let loaded = controller.setup.load();
        let seen = fingerprint(&loaded, &controller.generation.watched);
        match self.decision.looked(now, seen, self.unusable(&loaded)) {
            Step::Nothing => {}
            Step::Settled => self.metrics.settled(&loaded.hash),
            Step::Refuse(text) => {
                self.metrics.refused();
                tracing::warn!(target: "plugin/reload", "{text}");
            }
            Step::Load => {
                self.metrics.attempted(&loaded.hash);
                if self.decision.is_retry() {
                    tracing::debug!("Reloading once more");
                } else {
                    tracing::info!("Reloading");
                }
                if let Err(text) = self.load(controller, loaded).await {
                    self.failed(&text, |lead| {
                        tracing::error!(
                            target: "plugin/reload",
                            "Corefile changed but reload failed: {lead}{text}"
                        );
                    });
                }
            }
        }
    }

    /// Loads the files because the operator said so (SIGUSR1).
    pub(crate) async fn forced(&mut self, controller: &mut Controller) {
        tracing::info!("SIGUSR1: Reloading");
        let loaded = controller.setup.load();
        self.decision.forced(fingerprint(&loaded, &controller.generation.watched));
        self.metrics.attempted(&loaded.hash);
        tracing::info!("Reloading");
        let result = match first_error(&loaded).or_else(|| self.unusable(&loaded)) {
            Some(text) => Err(text),
            None => self.load(controller, loaded).await,
        };
        if let Err(text) = result {
            self.failed(&text, |lead| tracing::error!("SIGUSR1: {lead}{text}"));
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
        self.arm(controller, &loaded);
        if self.decision.watches() {
            let hash = &loaded.hash;
            tracing::info!(target: "plugin/reload", "Running configuration SHA512 = {hash}");
        }
        tracing::info!("Reloading complete");
        Ok(())
    }

    /// A load that may succeed later; `tell` is given the words that CoreDNS leads in with.
    fn failed(&mut self, text: &str, tell: impl FnOnce(&str)) {
        if self.decision.failed(Instant::now(), text) {
            self.metrics.failed();
            tracing::error!("Restart failed: {text}");
            tell("starting with listener file descriptors: ");
        }
    }

    /// Why a file is not even tried: it is gone, empty, or its grammar is broken. A directive that
    /// nobody knows is tried, and fails, as in CoreDNS.
    fn unusable(&self, loaded: &Loaded) -> Option<String> {
        let error = loaded.diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        match error {
            Some(error) if error.message.starts_with("Unknown directive") => None,
            Some(error) => Some(format!("Corefile parse failed: {}", error.compatible)),
            None if loaded.is_fallback && !self.runs_fallback => Some(EMPTY.into()),
            None => None,
        }
    }
}

/// Where in its jitter the next poll lies.
fn chance() -> f64 {
    rand::random_range(-0.5..0.5)
}

/// Whoever removes or empties the file means to write it anew.
const EMPTY: &str = "Corefile is gone or has no server blocks: the running configuration stays";

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
