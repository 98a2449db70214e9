//! The Corefile side: `health [ADDRESS] [{ lameduck DURATION }]`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use dunlin_core::corefile::go::parse_duration;
use dunlin_core::directive::{Closing, HttpEndpoint, HttpResponse, OnListenFailure};
use dunlin_core::{Directive, Entry};

use super::get::get;
use super::self_check::{SelfCheck, Target};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "health", setup };

/// What all `health` of a server block say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) address: String,
    pub(super) lameduck: Duration,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    let check = SelfCheck::new(Target::new(&config.address), directive.metrics());
    let tasks = directive.tasks(1);
    let parts = directive.parts();
    parts.lameduck = config.lameduck;
    parts.endpoints.push(HttpEndpoint {
        address: config.address,
        path: "/health",
        // The process lives if it answers at all.
        handler: Arc::new(|| HttpResponse::text(200, "OK")),
        on_failure: OnListenFailure::Abort,
        closing: Closing::Last,
    });
    parts.hooks.on_start(async move |_| {
        tasks.spawn(check.run(get))?;
        Ok(())
    });
    Ok(())
}

/// The last ADDRESS and the last `lameduck` of all occurrences.
fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config { address: DEFAULT_ADDRESS.into(), lameduck: Duration::ZERO };
    while directive.next() {
        if let Some(address) = directive.endpoint_address()? {
            config.address = address;
        }
        while directive.next_block() {
            match directive.val() {
                "lameduck" => config.lameduck = lameduck(directive)?,
                other => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    Ok(config)
}

/// Less than nothing is nothing, as in CoreDNS.
fn lameduck(directive: &mut Directive<'_>) -> anyhow::Result<Duration> {
    let &[text] = directive.remaining_args().as_slice() else {
        return Err(directive.arg_error().into());
    };
    let duration = parse_duration(text)
        .map_err(|error| anyhow!("unable to parse lameduck duration value: '{text}' : {error}"))?;
    Ok(duration.positive().unwrap_or_default())
}

const DEFAULT_ADDRESS: &str = ":8080";
