//! The Corefile side: `nsid [DATA...]`.

use dunlin_core::{Directive, Entry};

use super::Nsid;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "nsid", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let data = parse(directive)?;
    directive.add(Nsid { data: data.into_bytes().into() });
    Ok(())
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<String> {
    let mut data = directive.host_name();
    let mut is_first = true;
    while directive.next() {
        if !std::mem::take(&mut is_first) {
            directive.only_once()?;
        }
        let arguments = directive.remaining_args();
        if directive.next_arg() {
            return Err(directive.arg_error().into()); // a block
        }
        if !arguments.is_empty() {
            data = arguments.join(" ");
        }
    }
    Ok(data)
}
