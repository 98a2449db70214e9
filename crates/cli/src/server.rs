//! Starting the server: configuration, logging, runtime, and what is said about it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context;
use dunlin_core::Registry;
use dunlin_core::corefile::Diagnostic;
use dunlin_core::lines::{Format, Lines, Style};
use dunlin_core::metrics::Metrics;
use dunlin_engine::{Driver, Extras, Options, Origin, Setup, Signals, Started};
use tokio::runtime::Runtime;

use crate::arguments::Flags;
use crate::logging::{Switches, install};
use crate::{DEFAULT_COREFILE, banner, to_stderr};

/// What is done once queries are answered.
pub(crate) type Announce = Box<dyn FnOnce(&Started) + Send>;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Serves until it is told to end.
pub(crate) fn serve(registry: Registry, flags: &Flags) -> ExitCode {
    match start(registry, flags) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            to_stderr(&format!("{error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn start(registry: Registry, flags: &Flags) -> anyhow::Result<u8> {
    let mut ground = Ground::prepare(flags)?;
    let setup = setup(registry, flags)?;
    let announce = announce(&setup, flags, ground.lines.clone());
    let options = options(&mut ground, flags, setup, announce, Extras::default())?;
    let result = ground.runtime.block_on(dunlin_engine::run(options));
    finish(ground, flags, result)
}

/// What stands before a server does: runtime, signals, metrics, log.
pub(crate) struct Ground {
    pub(crate) runtime: Runtime,
    signals: Option<Signals>,
    pub(crate) metrics: Metrics,
    pub(crate) lines: Lines,
    pub(crate) switches: Switches,
}

impl Ground {
    pub(crate) fn prepare(flags: &Flags) -> anyhow::Result<Self> {
        dunlin_engine::prepare_process();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if !flags.hickory {
            builder.worker_threads(1);
        }
        let runtime = builder.thread_name("background").enable_all().build()?;
        // Before anything else: by default, a reload signal would end the process.
        let signals = runtime.block_on(async { Signals::install() }).context("signals")?;
        dunlin_engine::install_hook();

        let metrics = Metrics::new(dunlin_engine::worker_count());
        let dropped = metrics.counter(
            "dunlin_log_dropped_lines_total",
            "Log lines lost because nobody read them in time.",
            &[],
        );
        let format = if flags.json { Format::Json } else { Format::Text };
        let lines = Lines::new(std::io::stdout(), dropped.with(&[])).context("log writer")?;
        let lines = lines.styled(Style { format, time: flags.log_time });
        let switches = install(&lines);
        Ok(Self { runtime, signals: Some(signals), metrics, lines, switches })
    }
}

/// What the engine is started with, once.
pub(crate) fn options(
    ground: &mut Ground,
    flags: &Flags,
    setup: Setup,
    on_start: Announce,
    extras: Extras,
) -> anyhow::Result<Options> {
    let debug = Arc::clone(&ground.switches.debug);
    Ok(Options {
        on_start,
        setup,
        driver: if flags.hickory { Driver::Hickory } else { Driver::Native },
        workers: None,
        metrics: ground.metrics.clone(),
        lines: ground.lines.clone(),
        signals: ground.signals.take().context("signals")?,
        on_debug: Box::new(move |on| debug.store(on, Relaxed)),
        extras,
    })
}

/// Clears up behind a server that has ended.
pub(crate) fn finish(
    ground: Ground,
    flags: &Flags,
    result: Result<u8, Vec<Diagnostic>>,
) -> anyhow::Result<u8> {
    ground.lines.close(LAST_LINES);
    ground.runtime.shutdown_background();
    if let Some(path) = &flags.pidfile {
        // It may be gone already, or belong to a successor's directory.
        let _gone = std::fs::remove_file(path);
    }
    result.map_err(|mistakes| match mistakes.into_iter().find(Diagnostic::is_error) {
        Some(first) => anyhow::Error::new(first),
        None => anyhow::anyhow!("the server could not start"),
    })
}

/// What the flags say about the configuration.
pub(crate) fn setup(registry: Registry, flags: &Flags) -> anyhow::Result<Setup> {
    let origin = match &flags.conf {
        Some(path) if path == Path::new("stdin") => Origin::Stdin(standard_input()?),
        Some(path) => Origin::Named(path.clone()),
        None => Origin::Usual("Corefile".into()),
    };
    let fallback = match flags.port {
        Some(port) => DEFAULT_COREFILE.replace(".:1053 {", &format!(".:{port} {{")),
        None => DEFAULT_COREFILE.to_owned(),
    };
    Ok(Setup { origin, port: flags.port.unwrap_or(53), registry, fallback })
}

/// Standard input, whole; on a terminal there is no Corefile to wait for.
pub(crate) fn standard_input() -> anyhow::Result<Vec<u8>> {
    use std::io::IsTerminal;
    let mut input = std::io::stdin();
    let mut text = Vec::new();
    if !input.is_terminal() {
        input.read_to_end(&mut text).context("reading standard input")?;
    }
    Ok(text)
}

/// Prints zones, banner and hints, and writes the pid file, once queries are answered.
pub(crate) fn announce(setup: &Setup, flags: &Flags, lines: Lines) -> Announce {
    let quiet = flags.quiet;
    let pidfile = flags.pidfile.clone();
    let built_in = match &setup.origin {
        Origin::Usual(path) => !path.exists(),
        _ => false,
    };
    Box::new(move |started| {
        let say = |text: String| match lines.style().format {
            _ if quiet => {}
            Format::Text => lines.write(|out| out.extend_from_slice(text.as_bytes())),
            // Who reads objects cannot read a banner.
            Format::Json => text.lines().for_each(|line| tracing::info!("{line}")),
        };
        say(banner::zones(started));
        if let Some(hash) = &started.hash {
            tracing::info!(target: "plugin/reload", "Running configuration SHA512 = {hash}");
        }
        say(banner::version());
        if built_in {
            say(banner::built_in(started));
        }
        if let Some(path) = pidfile {
            write_pid(&path);
        }
    })
}

fn write_pid(path: &PathBuf) {
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        tracing::error!("Could not write pidfile: {error}");
    }
}
