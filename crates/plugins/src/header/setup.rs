//! The Corefile side: `header { query|response set|clear FLAG... }`.

use dunlin_core::wire::Flags;
use dunlin_core::{Directive, Entry};

use super::{Change, Header};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "header", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let header = parse(directive)?;
    directive.add(header);
    Ok(())
}

/// The first block with rules counts. As in CoreDNS, words before the brace are not looked at.
pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Header> {
    let mut header = Header::default();
    while directive.next() {
        while directive.next_block() {
            let selector = directive.val().to_lowercase();
            let change = match selector.as_str() {
                "query" => &mut header.query,
                "response" => &mut header.response,
                _ => anyhow::bail!(
                    "setting up rule: invalid selector={selector} should be query or response"
                ),
            };
            rule(change, &directive.remaining_args())
                .map_err(|text| anyhow::anyhow!("setting up rule: {text}"))?;
        }
        if !header.query.is_nothing() || !header.response.is_nothing() {
            return Ok(header);
        }
    }
    Err(directive.arg_error().into())
}

fn rule(change: &mut Change, arguments: &[&str]) -> Result<(), String> {
    let [action, flags @ ..] = arguments else { return Err("no flag action provided".into()) };
    if flags.is_empty() {
        return Err("invalid length for flags, at least one should be provided".into());
    }
    let action = action.to_lowercase();
    let on = match action.as_str() {
        "set" => true,
        "clear" => false,
        _ => return Err(format!("unknown flag action={action}, should be set or clear")),
    };
    for flag in flags {
        let mask = match flag.to_lowercase().as_str() {
            "aa" => Flags::AA,
            "ra" => Flags::RA,
            "rd" => Flags::RD,
            flag => return Err(format!("unknown/unsupported flag={flag}")),
        };
        change.add(mask, on);
    }
    Ok(())
}
