//! The Corefile side: one rule for each directive, on a line or in braces.

use dunlin_core::{Directive, Entry};

use super::Rewrite;
use super::parse::parse_rule;
use super::rules::Rules;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "rewrite", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let rules = parse(directive)?;
    let lookup = directive.lookup();
    directive.add(Rewrite { rules, lookup });
    Ok(())
}

/// All rules of the server block, in file order.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Rules> {
    let mut rules = Vec::new();
    while directive.next() {
        let mut arguments = directive.remaining_args();
        if arguments.len() < 2 {
            // The words of a block simply go on with the line; its own lines mean nothing.
            while directive.next_block() {
                arguments.push(directive.val());
            }
        }
        rules.push(parse_rule(&arguments)?);
    }
    Ok(Rules::new(rules))
}
