//! The Corefile side: `local [{ localhost_prefix on|off }]`.

use dunlin_core::corefile::go::quote;
use dunlin_core::{Directive, Entry};

use super::{Local, Prefix};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "local", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let prefix = parse(directive)?;
    let requests = directive.metrics().counter(
        "coredns_local_localhost_requests_total",
        "Counter of special localhost subdomain requests.",
        &[],
    );
    directive.add(Local { prefix, requests: requests.with(&[]) });
    Ok(())
}

/// The last occurrence counts.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Prefix> {
    let mut prefix = Prefix::default();
    while directive.next() {
        prefix = Prefix::default();
        if !directive.remaining_args().is_empty() {
            return Err(directive.arg_error().into());
        }
        while directive.next_block() {
            match directive.val() {
                "localhost_prefix" => prefix = choice(directive)?,
                other => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    Ok(prefix)
}

fn choice(directive: &mut Directive<'_>) -> anyhow::Result<Prefix> {
    match directive.remaining_args().as_slice() {
        ["on"] => Ok(Prefix::Answer),
        ["off"] => Ok(Prefix::Pass),
        [other] => {
            let text = format!("localhost_prefix expects 'on' or 'off', got {}", quote(other));
            Err(directive.error(text).into())
        }
        _ => Err(directive.arg_error().into()),
    }
}
