//! The Corefile side: `loop [{ on_loop exit|servfail }]`; the block is ours, CoreDNS has none.

use std::sync::{Arc, OnceLock};

use dunlin_core::zones::Zone;
use dunlin_core::{Directive, Entry};

use super::detector::Detector;
use super::exchange::exchange;
use super::prober::{Listeners, watch};
use super::{Loop, OnLoop};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "loop", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let on_loop = parse(directive)?;
    let detector = Arc::new(Detector::new(first_zone(directive)));
    let control = Arc::new(OnceLock::new());
    directive.add(Loop { detector: Arc::clone(&detector), on_loop, control: Arc::clone(&control) });
    let tasks = directive.tasks(1);
    directive.parts().hooks.on_start(async move |context| {
        let _only_once = control.set(context.control);
        tasks.spawn(watch(detector, Listeners::new(&context.listeners), on_loop, exchange))?;
        Ok(())
    });
    Ok(())
}

fn parse(directive: &mut Directive<'_>) -> anyhow::Result<OnLoop> {
    let mut on_loop = OnLoop::default();
    let mut is_first = true;
    while directive.next() {
        if !std::mem::take(&mut is_first) {
            directive.only_once()?;
        }
        // CoreDNS knows no block: what does not set anything is refused as CoreDNS refuses it.
        let mut ahead = (**directive).clone();
        if ahead.next_arg() {
            let error = ahead.arg_error();
            if ahead.val() != "{" || !ahead.next() || ahead.val() == "}" {
                return Err(error.into());
            }
        }
        while directive.next_block() {
            match directive.val() {
                "on_loop" => on_loop = choice(directive)?,
                other => {
                    return Err(directive.error(format!("unknown property '{other}'")).into());
                }
            }
        }
    }
    Ok(on_loop)
}

fn choice(directive: &mut Directive<'_>) -> anyhow::Result<OnLoop> {
    match directive.remaining_args().as_slice() {
        ["exit"] => Ok(OnLoop::Exit),
        ["servfail"] => Ok(OnLoop::Servfail),
        [other] => {
            Err(directive.error(format!("on_loop is exit or servfail, not '{other}'")).into())
        }
        _ => Err(directive.arg_error().into()),
    }
}

/// As in CoreDNS, the first key of the server block stands for all.
fn first_zone(directive: &Directive<'_>) -> Zone {
    directive.zones().iter().next().cloned().unwrap_or_else(Zone::root)
}
