//! The Corefile side: `ready [ADDRESS] [{ monitor until-ready|continuously }]`.

use std::sync::Arc;

use dunlin_core::directive::{Closing, HttpEndpoint, Monitor, OnListenFailure};
use dunlin_core::{Directive, Entry};

use super::answer;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "ready", setup };

/// What one `ready` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) address: String,
    pub(super) monitor: Monitor,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    directive.report_readiness(config.monitor);
    let readiness = directive.readiness();
    directive.parts().endpoints.push(HttpEndpoint {
        address: config.address,
        path: "/ready",
        handler: Arc::new(move || answer(&readiness.unready())),
        on_failure: OnListenFailure::Retry("plugin/ready: Failed to start readiness handler: "),
        // Whoever balances load is to notice before the last query is answered.
        closing: Closing::First,
    });
    Ok(())
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config { address: DEFAULT_ADDRESS.into(), monitor: Monitor::default() };
    let mut is_first = true;
    while directive.next() {
        if !std::mem::take(&mut is_first) {
            directive.only_once()?;
        }
        if let Some(address) = directive.endpoint_address()? {
            config.address = address;
        }
        while directive.next_block() {
            match directive.val() {
                "monitor" => config.monitor = monitor(directive)?,
                other => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    Ok(config)
}

fn monitor(directive: &mut Directive<'_>) -> anyhow::Result<Monitor> {
    match directive.remaining_args().as_slice() {
        ["until-ready"] => Ok(Monitor::UntilReady),
        ["continuously"] => Ok(Monitor::Continuously),
        [other] => Err(directive.error(format!("monitor type '{other}' not supported")).into()),
        _ => Err(directive.arg_error().into()),
    }
}

const DEFAULT_ADDRESS: &str = ":8181";
