//! The Corefile side: `geoip DBFILE [{ edns-subnet }]`.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_core::corefile::go::quote;
use dunlin_core::metrics::Metrics;
use dunlin_core::{Directive, Entry};

use super::watch::{DatabaseFile, read};
use super::{GeoIp, Lookups, Source};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "geoip", setup };

/// What `geoip` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) path: PathBuf,
    pub(super) source: Source,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let Config { path, source } = parse(directive)?;
    let (stamp, database) = read(&path).map_err(|error| directive.error(error))?;
    let file = path.display().to_string();
    let metrics = directive.metrics();
    let build_epoch = metrics.gauge(
        "dunlin_geoip_database_build_epoch_seconds",
        "When the database in use was made.",
        &["file"],
    );
    let build_epoch = build_epoch.with(&[&file]);
    build_epoch.set(i64::try_from(database.build_epoch()).unwrap_or(i64::MAX));
    let failures = metrics.counter(
        "dunlin_geoip_database_failures_total",
        "Times when a changed database file could not be used.",
        &["file"],
    );
    let failures = failures.with(&[&file]);
    let lookups = Lookups::of(metrics);
    let database = Arc::new(ArcSwap::from_pointee(database));
    directive.add(GeoIp { database: Arc::clone(&database), source, lookups });
    let tasks = directive.tasks(1);
    let watched = DatabaseFile { path, stamp: Some(stamp), database, build_epoch, failures };
    directive.parts().hooks.on_start(async move |_| {
        tasks.spawn(watched.watch())?;
        Ok(())
    });
    Ok(())
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config: Option<Config> = None;
    while directive.next() {
        if config.is_some() {
            let text = "configuring multiple databases is not supported";
            return Err(directive.error(text).into());
        }
        let &[path] = directive.remaining_args().as_slice() else {
            return Err(directive.arg_error().into());
        };
        let mut source = Source::Client;
        while directive.next_block() {
            match directive.val() {
                "edns-subnet" => source = Source::Subnet,
                other => {
                    let text = format!("unknown property {}", quote(other));
                    return Err(directive.error(text).into());
                }
            }
        }
        // CoreDNS does not join it to `root`.
        config = Some(Config { path: path.into(), source });
    }
    config.ok_or_else(|| directive.arg_error().into())
}

impl Lookups {
    fn of(metrics: &Metrics) -> Self {
        let family = metrics.counter(
            "dunlin_geoip_lookups_total",
            "Look-ups of addresses, by what came of them.",
            &["result"],
        );
        Self {
            found: family.with(&["found"]),
            absent: family.with(&["absent"]),
            failed: family.with(&["failed"]),
        }
    }
}
