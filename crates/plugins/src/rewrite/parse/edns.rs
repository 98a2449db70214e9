//! `edns0 local|nsid|subnet set|replace|append|unset …`.

use anyhow::{anyhow, bail, ensure};
use dunlin_core::corefile::go::quote;

use crate::rewrite::edns::{EdnsAction, EdnsData, EdnsRule, Variable};

pub(super) fn parse(words: &[&str]) -> anyhow::Result<EdnsRule> {
    let [kind, action, rest @ ..] = words else { bail!("too few arguments for an EDNS0 rule") };
    let kind = kind.to_ascii_lowercase();
    let action = action.to_ascii_lowercase();
    let action = match action.as_str() {
        "set" => EdnsAction::Set,
        "replace" => EdnsAction::Replace,
        "append" => EdnsAction::Append,
        "unset" => return parse_unset(&kind, rest),
        _ => bail!("invalid action: {}", quote(&action)),
    };
    // No option of a query comes back in a reply, so there is nothing to revert.
    let rest = rest.strip_suffix(&["revert"]).unwrap_or(rest);
    let (code, data) = match kind.as_str() {
        "local" => {
            let [code, data] = rest else {
                bail!("EDNS0 local rules require three or four args");
            };
            (parse_code(code)?, parse_data(data)?)
        }
        "nsid" => {
            ensure!(rest.is_empty(), "EDNS0 NSID rules can accept no more than one arg");
            (EdnsRule::NSID, EdnsData::Fixed(Vec::new()))
        }
        "subnet" => {
            let [v4, v6] = rest else { bail!("EDNS0 subnet rules require three or four args") };
            let data = EdnsData::Subnet {
                v4: parse_bits(v4, "IPv4", 32)?,
                v6: parse_bits(v6, "IPv6", 128)?,
            };
            (EdnsRule::SUBNET, data)
        }
        _ => bail!("invalid rule type {}", quote(&kind)),
    };
    Ok(EdnsRule { action, code, data })
}

fn parse_unset(kind: &str, rest: &[&str]) -> anyhow::Result<EdnsRule> {
    let code = match (kind, rest) {
        ("local", [code]) => parse_code(code)?,
        ("local", _) => bail!("local unset action requires exactly two arguments"),
        ("nsid", []) => EdnsRule::NSID,
        ("nsid", _) => bail!("nsid unset action requires exactly one argument"),
        ("subnet", []) => EdnsRule::SUBNET,
        ("subnet", _) => bail!("subnet unset action requires exactly one argument"),
        _ => bail!("invalid rule type {}", quote(kind)),
    };
    Ok(EdnsRule { action: EdnsAction::Unset, code, data: EdnsData::Fixed(Vec::new()) })
}

fn parse_data(word: &str) -> anyhow::Result<EdnsData> {
    if let Some(name) = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let variable = Variable::named(name);
        return variable
            .map(EdnsData::Variable)
            .ok_or_else(|| anyhow!("unsupported variable name {}", quote(word)));
    }
    let octets = match word.strip_prefix("0x") {
        Some(digits) => parse_hex(digits)?,
        None => word.as_bytes().to_vec(),
    };
    Ok(EdnsData::Fixed(octets))
}

/// Go's `hex.DecodeString`.
fn parse_hex(digits: &str) -> anyhow::Result<Vec<u8>> {
    let bad = digits.chars().find(|digit| !digit.is_ascii_hexdigit());
    if let Some(bad) = bad {
        bail!("encoding/hex: invalid byte: U+{:04X} '{bad}'", u32::from(bad));
    }
    let digits: Vec<u8> =
        digits.chars().filter_map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { bail!("encoding/hex: odd length hex string") };
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn parse_bits(word: &str, family: &str, max: u8) -> anyhow::Result<u8> {
    let bits = parse_code(word)?;
    let fitting = u8::try_from(bits).ok().filter(|bits| *bits <= max);
    fitting.ok_or_else(|| anyhow!("invalid {family} bit mask length {bits}"))
}

/// Go's `strconv.ParseUint(word, 0, 16)`: decimal, or `0x`, `0o`, `0b`, `0` in front.
fn parse_code(word: &str) -> anyhow::Result<u16> {
    let lower = word.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (lower.get(2..), 16),
        [b'0', b'b', ..] => (lower.get(2..), 2),
        [b'0', b'o', ..] => (lower.get(2..), 8),
        [b'0', _, ..] => (lower.get(1..), 8),
        _ => (Some(lower.as_str()), 10),
    };
    let digits = digits.unwrap_or_default();
    let error = |reason: &str| anyhow!("strconv.ParseUint: parsing {}: {reason}", quote(word));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(error("invalid syntax"));
    }
    u16::from_str_radix(digits, radix).map_err(|_| error("value out of range"))
}
