//! The Corefile side: `pprof [ADDRESS] [{ block [RATE] }]`.

use std::sync::Arc;

use dunlin_core::corefile::go::atoi;
use dunlin_core::directive::{Closing, HttpEndpoint, OnListenFailure, host_and_port};
use dunlin_core::{Directive, Entry};

use super::pages::PAGES;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "pprof", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let address = parse(directive)?;
    let endpoints = PAGES.iter().map(|page| HttpEndpoint {
        address: address.clone(),
        path: page.path,
        handler: Arc::new(page.answer),
        on_failure: OnListenFailure::Abort,
        closing: Closing::Last,
    });
    directive.parts().endpoints.extend(endpoints);
    Ok(())
}

/// The address. A rate for `block` is read, and means nothing: no lock here is profiled.
fn parse(directive: &mut Directive<'_>) -> anyhow::Result<String> {
    let mut address = DEFAULT_ADDRESS.to_owned();
    let mut is_first = true;
    while directive.next() {
        if !std::mem::take(&mut is_first) {
            directive.only_once()?;
        }
        match directive.remaining_args().as_slice() {
            [] => {}
            [text] => {
                host_and_port(text).map_err(|error| directive.error(error))?;
                address = (*text).to_owned();
            }
            _ => return Err(directive.arg_error().into()),
        }
        while directive.next_block() {
            match directive.val() {
                "block" => check_rate(directive)?,
                other => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    Ok(address)
}

fn check_rate(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    match directive.remaining_args().as_slice() {
        [] => Ok(()),
        [rate] if atoi(rate).is_ok() => Ok(()),
        [rate] => {
            let text = format!("property 'block' invalid integer value '{rate}'");
            Err(directive.error(text).into())
        }
        _ => Err(directive.arg_error().into()),
    }
}

const DEFAULT_ADDRESS: &str = "localhost:6053";
