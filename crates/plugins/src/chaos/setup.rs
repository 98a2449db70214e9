//! The Corefile side: `chaos [VERSION] [AUTHORS...]`.

use dunlin_core::{Directive, Entry, release};

use super::{Chaos, Text};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "chaos", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let chaos = parse(directive)?;
    directive.serve_any_class();
    directive.add(chaos);
    Ok(())
}

/// As in CoreDNS only the first occurrence is looked at.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Chaos> {
    directive.next();
    let arguments = directive.remaining_args();
    if directive.next_block() {
        return Err(directive.error(format!("unknown property '{}'", directive.val())).into());
    }
    let version = arguments
        .first()
        .map_or_else(|| cut(&format!("Dunlin-{}", release::VERSION)), |version| cut(version));
    let mut authors: Vec<Text> = arguments.iter().skip(1).map(|author| cut(author)).collect();
    authors.sort();
    authors.dedup();
    Ok(Chaos { version, authors: authors.into(), host_name: cut(&directive.host_name()) })
}

/// A character-string has 255 octets at most (RFC 1035 §3.3).
fn cut(text: &str) -> Text {
    text.bytes().take(255).collect()
}
