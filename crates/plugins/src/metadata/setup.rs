//! The Corefile side: `metadata [ZONES...]`.

use dunlin_core::zones::Zones;
use dunlin_core::{Directive, Entry};

use super::Metadata;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "metadata", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let zones = parse(directive)?;
    directive.parts().metadata = Some(zones);
    directive.add(Metadata);
    Ok(())
}

/// The zones. Neither a block with something in it nor a second directive is understood.
fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Zones> {
    directive.next();
    let arguments = directive.remaining_args();
    let zones = directive.zones_or_block(&arguments);
    if directive.next_block() || directive.next() {
        return Err(directive.arg_error().into());
    }
    Ok(zones)
}
