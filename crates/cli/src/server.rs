//! Starting the server: configuration, logging, runtime, and what is said about it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context;
use dunlin_core::Registry;
use dunlin_core::lines::{Format, Lines, Style};
use dunlin_core::metrics::Metrics;
use dunlin_engine::{Driver, Options, Origin, Setup, Signals, Started};

use crate::arguments::Flags;
use crate::logging::install;
use crate::{DEFAULT_COREFILE, banner, to_stderr};

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
    let debug = install(&lines);
    let setup = setup(registry, flags)?;
    let options = Options {
        on_start: announce(&setup, flags, lines.clone()),
        setup,
        driver: if flags.hickory { Driver::Hickory } else { Driver::Native },
        workers: None,
        metrics,
        lines: lines.clone(),
        signals,
        on_debug: Box::new(move |on| debug.store(on, Relaxed)),
    };
    let result = runtime.block_on(dunlin_engine::run(options));
    lines.close(LAST_LINES);
    runtime.shutdown_background();
    if let Some(path) = &flags.pidfile {
        // It may be gone already, or belong to a successor's directory.
        let _gone = std::fs::remove_file(path);
    }
    result.map_err(|mistakes| match mistakes.into_iter().find(|found| found.is_error()) {
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
fn announce(setup: &Setup, flags: &Flags, lines: Lines) -> Box<dyn FnOnce(&Started) + Send> {
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
