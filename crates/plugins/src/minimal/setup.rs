//! The Corefile side: `minimal` takes neither arguments nor a block.

use dunlin_core::{Directive, Entry};

use super::Minimal;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "minimal", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()?;
    directive.add(Minimal);
    Ok(())
}
