//! The Corefile side: `errors [stdout] { stacktrace; consolidate … }`.

use std::sync::Arc;

use dunlin_core::corefile::go;
use dunlin_core::{Directive, Entry};
use regex::Regex;
use tracing::Level;

use super::Errors;
use super::consolidate::{Consolidation, Settings};
use super::limit::{Limit, TEXTS};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "errors", setup };

/// Longer expressions are refused, as by CoreDNS. Octets.
const MAX_PATTERN_LEN: usize = 10_000;

/// What the directive says.
#[derive(Debug, Default)]
pub(super) struct Config {
    pub(super) stacktrace: bool,
    pub(super) consolidate: Vec<Settings>,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    directive.parts().stacktrace |= config.stacktrace;
    let consolidations: Vec<Arc<Consolidation>> = config
        .consolidate
        .into_iter()
        .map(|settings| Arc::new(Consolidation::new(settings)))
        .collect();
    let limit = Arc::new(Limit::default());
    let tasks = directive.tasks(consolidations.len() + TEXTS);
    let pending = (consolidations.clone(), Arc::clone(&limit));
    directive.parts().hooks.on_stop(move || async move {
        pending.0.iter().for_each(|consolidation| consolidation.flush());
        pending.1.flush();
    });
    directive.add(Errors { consolidations, limit, tasks });
    Ok(())
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    let mut config = Config::default();
    let mut is_second = false;
    while directive.next() {
        if is_second {
            directive.only_once()?;
        }
        is_second = true;
        match directive.remaining_args().as_slice() {
            [] | ["stdout"] => {}
            [other] => return Err(directive.error(format!("invalid log file: {other}")).into()),
            _ => return Err(directive.arg_error().into()),
        }
        while directive.next_block() {
            match directive.val() {
                "stacktrace" => config.stacktrace = true,
                "consolidate" => config.consolidate.push(parse_consolidate(directive)?),
                other => {
                    return Err(directive.syntax_error(&format!("Unknown field {other}")).into());
                }
            }
        }
    }
    Ok(config)
}

fn parse_consolidate(directive: &mut Directive<'_>) -> anyhow::Result<Settings> {
    let arguments = directive.remaining_args();
    let [period, pattern, options @ ..] = arguments.as_slice() else {
        return Err(directive.arg_error().into());
    };
    if options.len() > 2 {
        return Err(directive.arg_error().into());
    }
    let period = go::parse_duration(period).map_err(|text| directive.error(text))?;
    let pattern = parse_pattern(pattern).map_err(|text| directive.error(text))?;
    let (level, show_first) = parse_options(options).map_err(|text| directive.error(text))?;
    Ok(Settings { period, pattern, level, show_first })
}

/// The level, if any, stands before `show_first`.
fn parse_options(options: &[&str]) -> Result<(Level, bool), String> {
    let mut level = None;
    let mut show_first = false;
    for option in options {
        let named = match *option {
            "show_first" => {
                show_first = true;
                continue;
            }
            "warning" => Level::WARN,
            "error" => Level::ERROR,
            "info" => Level::INFO,
            "debug" => Level::DEBUG,
            other => return Err(format!("unknown option in consolidate: {other}")),
        };
        if level.is_some() {
            return Err("multiple log levels specified in consolidate".into());
        }
        if show_first {
            return Err("log level must come before show_first in consolidate".into());
        }
        level = Some(named);
    }
    Ok((level.unwrap_or(Level::ERROR), show_first))
}

fn parse_pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN_LEN {
        let length = pattern.len();
        return Err(format!("regex pattern too long: {length} > {MAX_PATTERN_LEN}"));
    }
    Regex::new(pattern).map_err(|error| go::regexp_error(&error.to_string(), pattern))
}
