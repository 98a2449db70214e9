//! The Corefile side: `whoami` takes neither arguments nor a block.

use dunlin_core::{Directive, Entry};

use super::Whoami;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "whoami", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()?;
    directive.add(Whoami);
    Ok(())
}
