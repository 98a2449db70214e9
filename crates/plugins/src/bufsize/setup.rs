//! The Corefile side: `bufsize [SIZE]`.

use std::ops::RangeInclusive;

use dunlin_core::corefile::go;
use dunlin_core::edns::OUR_UDP_SIZE;
use dunlin_core::{Directive, Entry};

use super::Bufsize;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "bufsize", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    // CoreDNS names the plugin in its error, and then once more.
    let size = parse(directive).map_err(|error| anyhow::anyhow!("plugin/bufsize: {error}"))?;
    directive.add(Bufsize { size });
    Ok(())
}

/// Octets. As in CoreDNS only the first occurrence is looked at.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<u16> {
    directive.next();
    match directive.remaining_args().as_slice() {
        [] => Ok(OUR_UDP_SIZE),
        [text] => {
            let size = go::atoi(text).ok().and_then(|size| u16::try_from(size).ok());
            let size = size.filter(|size| SIZES.contains(size));
            Ok(size.ok_or_else(|| directive.arg_error())?)
        }
        _ => Err(directive.arg_error().into()),
    }
}

const SIZES: RangeInclusive<u16> = 512..=4096;
