//! The Corefile side: `greeter [TEXT]`.

use dunlin_core::{Directive, Entry};

use super::Greeter;

/// What the directive list holds for this plugin.
pub(crate) const ENTRY: Entry = Entry { name: "greeter", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let text = parse(directive)?;
    let greeted = directive.metrics().counter("dunlin_greeter_greeted_total", "Greetings.", &[]);
    directive.add(Greeter { text, greeted: greeted.with(&[]) });
    Ok(())
}

/// The greeting.
fn parse(directive: &mut Directive<'_>) -> anyhow::Result<String> {
    directive.only_once()?;
    directive.next();
    match directive.remaining_args()[..] {
        [] => Ok("hello".into()),
        [text] if text.len() <= LONGEST => Ok(text.into()),
        [_] => anyhow::bail!("a greeting has at most {LONGEST} octets"),
        _ => Err(directive.arg_error().into()),
    }
}

/// Of a character string (RFC 1035 §3.3), in octets.
const LONGEST: usize = 255;
