//! The Corefile side: `multisocket [NUMBER]`. The other side is the engine's.

use std::num::NonZeroUsize;

use anyhow::{anyhow, bail};
use dunlin_core::corefile::go::atoi;
use dunlin_core::directive::SocketCount;
use dunlin_core::{Directive, Entry};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "multisocket", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.parts().sockets = Some(parse(directive)?);
    Ok(())
}

fn parse(directive: &mut Directive<'_>) -> anyhow::Result<SocketCount> {
    directive.next();
    let arguments = directive.remaining_args();
    if arguments.len() > 1 || directive.next() {
        return Err(directive.arg_error().into());
    }
    let Some(text) = arguments.first() else { return Ok(SocketCount::PerWorker) };
    let number = atoi(text).map_err(|error| anyhow!("invalid num sockets: {error}"))?;
    match usize::try_from(number).ok().and_then(NonZeroUsize::new) {
        None => bail!("num sockets can not be zero or negative: {number}"),
        Some(count) if count.get() > MAX_SOCKETS => {
            bail!("num sockets exceeds maximum ({MAX_SOCKETS}): {number}")
        }
        Some(count) => Ok(SocketCount::Exactly(count)),
    }
}

const MAX_SOCKETS: usize = 1024;
