//! The Corefile side: `log [NAMES...] [FORMAT] [{ class CLASS... }]`.

use dunlin_core::replacer::Format;
use dunlin_core::zones::Zone;
use dunlin_core::{Directive, Entry};

use super::{Classes, Log, Rule};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "log", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let rules = parse(directive)?;
    let lines = directive.lines();
    directive.add(Log { rules, lines });
    Ok(())
}

/// All occurrences of the directive, in their order.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    while directive.next() {
        let arguments = directive.remaining_args();
        let (scopes, format) = scopes_and_format(&arguments);
        let classes = parse_block(directive)?;
        let format = Format::compile(format);
        let rule = |scope| Rule { scope, classes, format: format.clone() };
        rules.extend(scopes.iter().copied().filter_map(scope_of).map(rule));
    }
    Ok(rules)
}

/// A single argument is a scope, whatever it looks like; of several the last one is the format if
/// there is a brace in it.
fn scopes_and_format<'a, 'b>(arguments: &'a [&'b str]) -> (&'a [&'b str], &'b str) {
    match arguments {
        [] => (&["."], Format::COMMON),
        [scopes @ .., format] if !scopes.is_empty() && format.contains('{') => (scopes, format),
        scopes => (scopes, Format::COMMON),
    }
}

/// CoreDNS takes any text for a scope; what cannot be a name never matches one.
fn scope_of(text: &str) -> Option<Zone> {
    let scope = Zone::new(text);
    if scope.is_err() {
        tracing::warn!(target: "plugin/log", "no query can be in {text:?}: not a domain name");
    }
    scope.ok()
}

fn parse_block(directive: &mut Directive<'_>) -> anyhow::Result<Classes> {
    let mut classes = Classes::default();
    while directive.next_block() {
        match directive.val() {
            "class" => {
                let names = directive.remaining_args();
                if names.is_empty() {
                    return Err(directive.arg_error().into());
                }
                for name in names {
                    classes.select(name)?;
                }
            }
            other => return Err(directive.error(format!("unknown property '{other}'")).into()),
        }
    }
    Ok(if classes == Classes::default() { Classes::ALL } else { classes })
}

impl Classes {
    fn select(&mut self, name: &str) -> anyhow::Result<()> {
        match name {
            "all" => self.all = true,
            "success" => self.success = true,
            "denial" => self.denial = true,
            "error" => self.error = true,
            _ => anyhow::bail!("invalid Class: {name}"),
        }
        Ok(())
    }
}
