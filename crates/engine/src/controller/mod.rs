//! The one owner of everything that lives longer than a generation: sockets, workers, endpoints.
//! All causes of a reload come together here, one after the other.

mod extras;
mod shutdown;
mod sockets;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::corefile::Diagnostic;
use dunlin_core::directive::{Control, Retain};
use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use self::extras::{Extras, Nudge};
use self::sockets::Sockets;
use crate::config::{Draft, ListenPlan, Setup};
use crate::generation::Generation;
use crate::http::Endpoints;
use crate::listen::Listener;
use crate::reload::Reload;
use crate::serve::Shared;
use crate::signals::{Signals, Wish};
use crate::table::Table;

/// Who owns the DNS sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// Our own listeners.
    #[default]
    Native,
    /// hickory-server's: a second opinion, and what an embedding in a hickory server amounts to.
    Hickory,
}

/// What a server is started with.
pub struct Options {
    /// The configuration.
    pub setup: Setup,
    /// Who owns the DNS sockets.
    pub driver: Driver,
    /// How many workers; `None` means as many as our share of the CPUs.
    pub workers: Option<usize>,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// Where log lines go.
    pub lines: Lines,
    /// The signal handlers, installed before anything else.
    pub signals: Signals,
    /// Called once, when queries are being answered.
    pub on_start: Box<dyn FnOnce(&Started) + Send>,
    /// Called with every new generation: whether DEBUG lines are wanted.
    pub on_debug: Box<dyn Fn(bool) + Send>,
    /// What a process around the server may want besides.
    pub extras: Extras,
}

/// What there is to tell when a server has started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// `ZONE:PORT[ on HOST]`, a line each; those of one listener are sorted.
    pub zone_lines: Vec<String>,
    /// The zones among them that no host name could have (RFC 1035 §2.3.1).
    pub odd_zones: Vec<String>,
    /// Where queries are answered.
    pub addresses: Vec<SocketAddr>,
    /// The hash of the configuration, if `reload` watches it.
    pub hash: Option<String>,
}

/// Why a server ended before or instead of running well.
#[derive(Debug)]
enum End {
    /// A plugin cannot go on.
    Error(String),
    /// A panic that `debug` does not let pass.
    Panic,
}

pub(crate) struct Controller {
    pub(crate) setup: Setup,
    pub(crate) metrics: Metrics,
    pub(crate) lines: Lines,
    pub(crate) generation: Generation,
    shared: Arc<Shared>,
    sockets: Sockets,
    /// By the address that was planned, which may have port 0.
    listeners: HashMap<SocketAddr, Arc<Listener>>,
    endpoints: Endpoints,
    /// Old generations whose last queries are in work.
    drains: TaskTracker,
    control: Control,
    on_debug: Box<dyn Fn(bool) + Send>,
    extras: Extras,
    /// Listeners that could not be opened are tried again: only with patience.
    has_missing: bool,
}

/// How long after the start the first turns of timers and watchers are over.
const SETTLING: Duration = Duration::from_secs(1);
/// An old generation may answer its queries for so long.
const DRAIN: Duration = Duration::from_secs(6);
/// How often it is asked whether it is done.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// Runs a server until it is told to end. The result is the exit status: 0 after a signal, 1
/// after an error of a plugin, 2 when it was forced.
///
/// # Errors
/// It could not start. The first diagnostic is the one that CoreDNS would tell.
pub async fn run(options: Options) -> Result<u8, Vec<Diagnostic>> {
    let Options { setup, driver, workers, metrics, lines, mut signals, on_start, on_debug, extras } =
        options;
    let (ends, mut ended) = mpsc::channel(4);
    let fatal = ends.clone();
    let panicked = Control::new(move |_| _ = fatal.try_send(End::Panic));
    let shared = Arc::new(Shared::new(&metrics, panicked));
    let control = Control::new(move |text| _ = ends.try_send(End::Error(text)));
    let sockets = Sockets::start(driver, workers, &metrics).map_err(|error| bare(&error))?;

    let mut reload = Reload::new(&metrics);
    let (loaded, draft) = reload.first(&setup, &metrics, &lines)?;
    let mut controller = Controller {
        setup,
        metrics,
        lines,
        generation: Generation::assemble(Draft::default()),
        shared,
        sockets,
        listeners: HashMap::new(),
        endpoints: Endpoints::default(),
        drains: TaskTracker::new(),
        control,
        on_debug,
        extras,
        has_missing: false,
    };
    controller.apply(draft).await.map_err(|text| bare(&text))?;
    reload.arm(&controller, &loaded);
    on_start(&controller.started(&loaded.hash));
    // What the start alone has needed is given back once everything has had its first turn.
    let settled = tokio::spawn(async {
        tokio::time::sleep(SETTLING).await;
        dunlin_os::process::release_program_pages();
    });

    let status = controller.serve(&mut signals, &mut ended, &mut reload).await;
    settled.abort();
    Ok(status)
}

fn bare(text: &impl ToString) -> Vec<Diagnostic> {
    let position = dunlin_core::corefile::Position { file: "Corefile".into(), line: 1, column: 1 };
    vec![Diagnostic::bare(position, text.to_string(), text.to_string())]
}

impl Controller {
    async fn serve(
        mut self,
        signals: &mut Signals,
        ended: &mut mpsc::Receiver<End>,
        reload: &mut Reload,
    ) -> u8 {
        loop {
            // Every branch is cancel-safe: signals and channels keep what was not taken.
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::Reload => reload.forced(&mut self).await,
                    Wish::Quit => {
                        tracing::info!("SIGQUIT: Quitting process immediately");
                        return 0;
                    }
                    Wish::Terminate => {
                        tracing::info!("SIGTERM: Shutting down servers then terminating");
                        return self.shut_down(signals).await;
                    }
                    Wish::Interrupt => {
                        tracing::info!("SIGINT: Shutting down");
                        return self.shut_down(signals).await;
                    }
                },
                Some(end) = ended.recv() => match end {
                    End::Panic => return 2,
                    End::Error(text) => {
                        tracing::error!(target: "fatal", "{text}");
                        self.generation.lameduck = Duration::ZERO;
                        self.shut_down(signals).await;
                        return 1;
                    }
                },
                () = reload.due() => reload.look(&mut self).await,
                () = extras::retry_if(self.has_missing) => self.open_missing().await,
                nudge = self.extras.nudge() => match nudge {
                    Nudge::Look => reload.look(&mut self).await,
                    Nudge::Load => reload.forced(&mut self).await,
                },
            }
        }
    }

    /// Makes a draft the running configuration, in full or not at all.
    ///
    /// # Errors
    /// Sockets, endpoints or start hooks that failed; the old configuration runs on.
    pub(crate) async fn apply(&mut self, draft: Draft) -> Result<(), String> {
        let mut generation = Generation::assemble(draft);
        self.extras.add_to(&mut generation.endpoints);
        let (mut opened, mut missing) = (Vec::new(), Vec::new());
        let mut real: HashMap<SocketAddr, SocketAddr> = HashMap::new();
        for (plan, table) in &generation.tables {
            if let Some(listener) = self.listeners.get(&plan.address) {
                real.insert(plan.address, listener.address);
                continue;
            }
            let count = self.sockets.count(plan.sockets);
            let pairs = match self.sockets.open(plan.address, count) {
                Ok(pairs) => pairs,
                Err(error) if self.extras.is_patient => {
                    missing.push(error);
                    continue;
                }
                Err(error) => return Err(error.to_string()),
            };
            let address = pairs.first().map_or(plan.address, |pair| pair.address(plan.address));
            real.insert(plan.address, address);
            opened.push((plan.address, self.listener(address, count, table), pairs));
        }
        if let (Some(error), true) = (missing.first(), real.is_empty()) {
            return Err(error.to_string());
        }
        let prepared = self.endpoints.prepare(&generation.endpoints).await?;
        if let Err(error) = generation.start(&real, &self.control).await {
            generation.stop().await;
            return Err(format!("{error:#}"));
        }
        // Nothing can fail from here on.
        self.has_missing = !missing.is_empty();
        for error in missing {
            let error = error.told().await;
            tracing::warn!("{error}: serving without it, and trying again");
        }
        (self.on_debug)(generation.debug);
        self.endpoints.commit(&generation.endpoints, prepared);
        for (plan, table) in &generation.tables {
            if let Some(listener) = self.listeners.get(&plan.address) {
                listener.table.store(Arc::clone(table));
            }
        }
        for (planned, listener, pairs) in opened {
            self.sockets.serve(&listener, pairs).await;
            self.listeners.insert(planned, listener);
        }
        self.close_unwanted(&generation);
        self.resize(&generation).await;
        let old = std::mem::replace(&mut self.generation, generation);
        self.drains.spawn(drain(old));
        Ok(())
    }

    /// Opens what could not be opened before.
    async fn open_missing(&mut self) {
        let tables = self.generation.tables.iter();
        let missing: Vec<_> = tables
            .filter(|(plan, _)| !self.listeners.contains_key(&plan.address))
            .map(|(plan, table)| {
                (plan.address, self.sockets.count(plan.sockets), Arc::clone(table))
            })
            .collect();
        self.has_missing = false;
        for (planned, count, table) in missing {
            let Ok(pairs) = self.sockets.open(planned, count) else {
                self.has_missing = true;
                continue;
            };
            let address = pairs.first().map_or(planned, |pair| pair.address(planned));
            let listener = self.listener(address, count, &table);
            self.sockets.serve(&listener, pairs).await;
            self.listeners.insert(planned, listener);
            tracing::info!("Serving on {address} too");
        }
    }

    fn listener(&self, address: SocketAddr, sockets: usize, table: &Arc<Table>) -> Arc<Listener> {
        Arc::new(Listener {
            table: arc_swap::ArcSwap::new(Arc::clone(table)),
            address,
            sockets,
            shared: Arc::clone(&self.shared),
            stop: tokio_util::sync::CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    fn close_unwanted(&mut self, generation: &Generation) {
        let wanted: Vec<SocketAddr> =
            generation.tables.iter().map(|(plan, _)| plan.address).collect();
        self.listeners.retain(|planned, listener| {
            let keep = wanted.contains(planned);
            if !keep {
                listener.close();
            }
            keep
        });
    }

    /// Gives listeners another number of sockets (`multisocket`): new ones take over, then the old
    /// ones close. Only descriptors can be lacking for that; then all stays as it is.
    async fn resize(&mut self, generation: &Generation) {
        for (plan, table) in &generation.tables {
            let count = self.sockets.count(plan.sockets);
            let listener = self.listeners.get(&plan.address);
            let Some(old) = listener.filter(|listener| listener.sockets != count) else { continue };
            match self.sockets.open(old.address, count) {
                Ok(pairs) => {
                    let new = self.listener(old.address, count, table);
                    self.sockets.serve(&new, pairs).await;
                    if let Some(old) = self.listeners.insert(plan.address, new) {
                        old.close();
                    }
                }
                Err(error) => {
                    let (address, sockets) = (old.address, old.sockets);
                    tracing::error!("{address} keeps its {sockets} sockets: {error}");
                }
            }
        }
    }

    /// What the generation before leaves to the next.
    pub(crate) fn retain(&self) -> Retain {
        self.generation.retain.next()
    }

    fn started(&self, hash: &str) -> Started {
        let plans = self.generation.tables.iter().map(|(plan, _)| plan);
        let zones = plans.clone().flat_map(|plan| &plan.zones);
        let odd = zones
            .map(|(zone, _)| zone.as_str())
            .filter(|zone| !dunlin_core::corefile::preferred_syntax(zone));
        Started {
            zone_lines: plans.flat_map(|plan| self.zone_lines(plan)).collect(),
            odd_zones: odd.map(str::to_owned).collect(),
            addresses: self.listeners.values().map(|listener| listener.address).collect(),
            hash: self.generation.reload.map(|_| hash.to_owned()),
        }
    }
}

impl Controller {
    /// As in CoreDNS, each of the servers that `multisocket` makes names its zones.
    fn zone_lines(&self, plan: &ListenPlan) -> Vec<String> {
        let servers = plan.sockets.map_or(1, |wanted| self.sockets.count(Some(wanted)));
        std::iter::repeat_n(plan.zone_lines(), servers).flatten().collect()
    }
}

/// Waits for the queries of an old generation, then ends it.
async fn drain(mut old: Generation) {
    let deadline = Instant::now() + DRAIN;
    while old.is_busy() && Instant::now() < deadline {
        tokio::time::sleep(DRAIN_STEP).await;
    }
    old.stop().await;
}
