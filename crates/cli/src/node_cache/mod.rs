//! `node-cache` around the server: its flags, the Corefile that it writes, its endpoint. Wiring only;
//! what is decided is decided in `dunlin_node`.

mod arguments;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dunlin_core::Registry;
use dunlin_core::corefile::Diagnostic;
use dunlin_core::directive::{Closing, HttpEndpoint, HttpResponse, OnListenFailure};
use dunlin_core::metrics::Metrics;
use dunlin_engine::{Extras, Held, Nudge, Origin, Setup, Started};
use dunlin_node::{Config, ConfigMaps, Failure, Keeper, Server, SetupErrors};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::Instant;

use self::arguments::{Arguments, parse, usage};
use crate::go_flags::Stop;
use crate::logging::local_time;
use crate::server::{Ground, announce, finish, options, setup};
use crate::{banner, to_stderr, to_stdout};

/// Does what the arguments of this process say, as [`run`](crate::run) does, with what `node-cache`
/// does around the server. The exit status is the original's.
#[must_use]
pub fn run_node_cache(registry: Registry) -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let version = dunlin_core::release::VERSION;
    early("INFO", &format!("Starting node-cache image: {version}"));
    match parse(&given) {
        Err(Stop::Help) => {
            to_stderr(&usage());
            ExitCode::SUCCESS
        }
        Err(Stop::Wrong(text, status)) => {
            to_stderr(&text);
            ExitCode::from(status)
        }
        Ok(arguments) => checked(registry, arguments),
    }
}

fn checked(registry: Registry, Arguments { mut server, node }: Arguments) -> ExitCode {
    let config = match node.check() {
        Ok(config) => config,
        Err(error) => {
            early("FATAL", &format!("Error parsing flags - {error}, Exiting"));
            return ExitCode::FAILURE;
        }
    };
    if server.version {
        return to_stdout(&banner::version());
    }
    if server.plugins {
        return to_stdout(&banner::plugins(&registry));
    }
    let flags = &config.flags;
    server.port = Some(config.port);
    server.conf = Some(flags.conf.clone());
    server.pidfile.clone_from(&flags.pidfile);
    match serve(registry, &server, &config) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            to_stderr(&format!("{error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn serve(
    registry: Registry,
    server: &crate::arguments::Flags,
    config: &Config,
) -> anyhow::Result<u8> {
    let dropped = dunlin_node::drop_privileges(config);
    let mut ground = Ground::prepare(server)?;
    ground.switches.early.store(true, Relaxed);
    if let Err(error) = dropped {
        tracing::warn!(%error, "rights that are not needed could not be given up");
    }
    let flags = &config.flags;
    let pidfile = flags.pidfile.as_deref().unwrap_or_else(|| "".as_ref());
    tracing::info!("Using Corefile {}", flags.conf.display());
    tracing::info!("Using Pidfile {}", pidfile.display());
    if let Some(warning) = &flags.warning {
        tracing::warn!("{warning}");
    }

    let held = Held::default();
    let setup = Setup {
        origin: Origin::Made(flags.conf.clone(), held.clone()),
        ..setup(registry, server)?
    };
    let errors = SetupErrors::new(&ground.metrics);
    let (nudges, nudged) = mpsc::channel(1);
    let handles = handles(&setup, held, &nudges);
    let maps = dunlin_node::prepare(config, &errors, handles, &|name| std::env::var(name).ok());

    let (keeper, failure) = Keeper::start(config, &errors)?;

    ground.switches.early.store(false, Relaxed);
    let end = Arc::new(OnceLock::new());
    let extras = Extras {
        endpoints: vec![endpoint(config, ground.metrics.clone())],
        is_patient: true,
        nudges: Some(nudged),
        before_drain: (!flags.skip_teardown).then(|| before_drain(&keeper, &end)),
    };
    let (announce, ready) = (announce(&setup, server, ground.lines.clone()), keeper.clone());
    let on_start = move |started: &Started| {
        announce(started);
        ready.ready();
    };
    let options = options(&mut ground, server, setup, Box::new(on_start), extras)?;
    let result = ground.runtime.block_on(async {
        let result = around(maps, failure, options).await;
        tear_down(&keeper, flags.skip_teardown, result.is_err(), &end).await;
        result
    });
    finish(ground, server, result)
}

/// The server, and what goes on beside it.
async fn around(
    maps: ConfigMaps,
    failure: Failure,
    options: dunlin_engine::Options,
) -> Result<u8, Vec<Diagnostic>> {
    let watching = tokio::spawn(maps.run());
    let result = tokio::select! {
        result = dunlin_engine::run(options) => result,
        // Nothing of the server can be waited for.
        () = failure.happened() => Ok(1),
    };
    watching.abort();
    result
}

/// Nobody is sent to us any more, and whoever was is answered.
fn before_drain(
    keeper: &Keeper,
    end: &Arc<OnceLock<Instant>>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (keeper, end) = (keeper.clone(), Arc::clone(end));
    Box::pin(async move {
        tracing::info!("Tearing down");
        end.get_or_init(|| Instant::now() + TEARDOWN);
        let _too_long = tokio::time::timeout(WITHDRAWAL, keeper.withdraw()).await;
    })
}

async fn tear_down(keeper: &Keeper, is_skipped: bool, has_failed: bool, end: &OnceLock<Instant>) {
    let now = Instant::now();
    let until = *end.get_or_init(|| now + TEARDOWN).max(&(now + LINK));
    let _too_long = match (has_failed, is_skipped) {
        (true, _) => tokio::time::timeout_at(until, keeper.abandon()).await,
        (false, true) => Ok(()),
        (false, false) => tokio::time::timeout_at(until, keeper.remove()).await,
    };
}

/// For all: the kubelet does not wait for ever.
const TEARDOWN: Duration = Duration::from_secs(5);
/// For the rules, of this: the rest is for queries that are still to be answered, and for the interface.
const WITHDRAWAL: Duration = Duration::from_secs(3);
/// What the interface takes at most, if all that was before took too long.
const LINK: Duration = Duration::from_millis(500);

/// What the node half needs of the server.
fn handles(setup: &Setup, held: Held, nudges: &Sender<Nudge>) -> Server {
    let tried = setup.clone();
    let (look, load) = (nudges.clone(), nudges.clone());
    Server {
        check: Box::new(move |text| {
            let one = Held::default();
            one.hold(Some(text.to_vec()));
            let Origin::Made(path, _) = &tried.origin else { return Ok(()) };
            let origin = Origin::Made(path.clone(), one);
            let found = dunlin_engine::check(&Setup { origin, ..tried.clone() });
            let mistake = found.into_iter().find(|found| found.is_error());
            mistake.map_or(Ok(()), |mistake| Err(mistake.to_string()))
        }),
        hold: Box::new(move |text| held.hold(text)),
        // A full channel has a nudge that is as good.
        look: Box::new(move || _ = look.try_send(Nudge::Look)),
        load: Box::new(move || _ = load.try_send(Nudge::Load)),
    }
}

/// All metrics of the process, at `-metrics-listen-address`.
fn endpoint(config: &Config, metrics: Metrics) -> HttpEndpoint {
    let page = move || HttpResponse {
        status: 200,
        content_type: "text/plain; version=0.0.4; charset=utf-8",
        body: metrics.page().into_bytes(),
    };
    HttpEndpoint {
        address: config.flags.metrics_address.clone(),
        path: "/metrics",
        handler: Arc::new(page),
        on_failure: OnListenFailure::Retry("Failed to start metrics handler: "),
        closing: Closing::Last,
    }
}

/// Before there is a log.
fn early(label: &str, text: &str) {
    to_stderr(&format!("{} [{label}] {text}\n", local_time()));
}
