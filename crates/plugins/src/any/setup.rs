//! The Corefile side: `any` takes neither arguments nor a block.

use dunlin_core::{Directive, Entry};

use super::Any;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "any", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()?;
    directive.add(Any);
    Ok(())
}
