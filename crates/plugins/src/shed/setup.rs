//! The Corefile side: `shed` takes neither arguments nor a block.

use anyhow::bail;
use dunlin_core::corefile::Transport;
use dunlin_core::directive::SendQueue;
use dunlin_core::{Directive, Entry};

use super::Shed;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "shed", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    parse(directive)?;
    let dropped = directive.metrics().counter(
        "coredns_shed_dropped_total",
        "Queries and responses over UDP that were dropped under load.",
        &["server", "reason"],
    );
    directive.parts().send_queue = Some(SendQueue { depth: DEPTH, dropped: dropped.clone() });
    directive.add(Shed { dropped });
    Ok(())
}

fn parse(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.only_once()?;
    while directive.next() {
        if !directive.remaining_args().is_empty() {
            return Err(directive.arg_error().into());
        }
        if directive.next_block() {
            return Err(directive.error("shed takes no options").into());
        }
    }
    if let Some(key) = directive.keys().iter().find(|key| key.transport != Transport::Dns) {
        let scheme = key.transport.scheme();
        bail!("only plain DNS server blocks are supported; \"{key}\" uses transport \"{scheme}\"");
    }
    Ok(())
}

/// Replies that may wait on one socket: CoreDNS's number.
const DEPTH: usize = 1024;
