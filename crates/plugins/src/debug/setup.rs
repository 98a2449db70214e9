//! The Corefile side: `debug` takes neither arguments nor a block. There is no other side: what
//! it switches on is done elsewhere.

use dunlin_core::{Directive, Entry};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "debug", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()?;
    directive.parts().debug = true;
    Ok(())
}
