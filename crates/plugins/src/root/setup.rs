//! The Corefile side: `root PATH`. There is no other side: setups that read files start from it.

use std::io;
use std::path::PathBuf;

use dunlin_core::error::in_gos_words;
use dunlin_core::{Directive, Entry};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "root", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let root = parse(directive)?;
    if let Some(complaint) = complaint(&root, std::fs::metadata(&root).err()) {
        return Err(directive.error(complaint).into());
    }
    directive.parts().root = root;
    Ok(())
}

/// The last PATH of all occurrences.
fn parse(directive: &mut Directive<'_>) -> anyhow::Result<PathBuf> {
    let mut root = PathBuf::new();
    while directive.next() {
        let Some(path) = directive.arg() else { return Err(directive.arg_error().into()) };
        root = path.into();
        if directive.next_arg() {
            return Err(directive.arg_error().into());
        }
    }
    Ok(root)
}

/// A directory that is not there may come later; anything else that keeps us out is an error.
pub(super) fn complaint(root: &std::path::Path, error: Option<io::Error>) -> Option<String> {
    let root = root.display();
    let error = error?;
    if error.kind() == io::ErrorKind::NotFound {
        tracing::warn!(target: "plugin/root", "Root path does not exist: {root}");
        return None;
    }
    Some(format!("unable to access root path '{root}': stat {root}: {}", in_gos_words(&error)))
}
