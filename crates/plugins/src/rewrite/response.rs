//! What rules do to the records of a reply.

use dunlin_core::Result;
use dunlin_core::rr::{Name, RData, Record};
use dunlin_core::wire::{Presentation, types};

use super::matching::{Matching, Pattern};
use super::names::{name_of, text_of, wire_of};

/// What a rule does to replies, known when the Corefile was read.
#[derive(Debug)]
pub(super) enum ResponseRule {
    /// Changes owner names.
    Name(Mapping),
    /// Changes the names that records lead to.
    Value(Mapping),
    /// Keeps TTLs within these bounds, in seconds.
    Ttl { min: u32, max: u32 },
    /// Replaces an rcode.
    Rcode { from: u16, to: u16 },
    /// Follows another alias.
    Cname { matching: Matching, to: String },
}

/// What a rule that fired does to this reply.
#[derive(Debug)]
pub(super) enum Collected<'r> {
    /// As written in the Corefile.
    Fixed(&'r ResponseRule),
    /// Gives the name that a rule made, and names below it, the former one back.
    Remap { from: String, to: String },
}

/// How a name becomes another one.
#[derive(Debug)]
pub(super) enum Mapping {
    /// This end of the text becomes that one, label or not.
    Suffix { from: String, to: String },
    /// What an expression finds.
    Regex { pattern: Pattern, to: String },
}

impl Mapping {
    fn apply(&self, name: &str) -> Option<String> {
        match self {
            Self::Suffix { from, to } => {
                let (rest, end) = split_before_end(name, from.len())?;
                end.eq_ignore_ascii_case(from).then(|| format!("{rest}{to}"))
            }
            Self::Regex { pattern, to } => pattern.replace(name, to),
        }
    }
}

/// The new name for `name`, which is `from` or lies below it.
fn remapped(name: &str, from: &str, to: &str) -> Option<String> {
    let (rest, end) = split_before_end(name, from.len())?;
    let is_below = rest.is_empty() || rest.ends_with('.');
    (is_below && end.eq_ignore_ascii_case(from)).then(|| format!("{rest}{to}"))
}

fn split_before_end(name: &str, length: usize) -> Option<(&str, &str)> {
    name.split_at_checked(name.len().checked_sub(length)?)
}

impl Collected<'_> {
    /// Changes one record; rcodes and aliases are not its business.
    ///
    /// # Errors
    /// `invalid name after rewrite: TEXT`
    pub(super) fn edit(&self, record: &mut Record) -> Result<()> {
        match self {
            Self::Remap { from, to } => {
                rename(&mut record.name, |name| remapped(name, from, to))?;
                edit_target(&mut record.data, |name| remapped(name, from, to))
            }
            Self::Fixed(ResponseRule::Name(mapping)) => {
                rename(&mut record.name, |name| mapping.apply(name))
            }
            Self::Fixed(ResponseRule::Value(mapping)) => {
                edit_target(&mut record.data, |name| mapping.apply(name))
            }
            Self::Fixed(ResponseRule::Ttl { min, max }) => {
                record.ttl = record.ttl.clamp(*min, *max);
                Ok(())
            }
            Self::Fixed(ResponseRule::Rcode { .. } | ResponseRule::Cname { .. }) => Ok(()),
        }
    }
}

fn rename(name: &mut Name, map: impl Fn(&str) -> Option<String>) -> Result<()> {
    if let Some(text) = map(&text_of(name)) {
        *name = name_of(&text)?;
    }
    Ok(())
}

/// Changes the name that a record leads to: those that CoreDNS changes, the RNAME of SOA is none.
fn edit_target(data: &mut RData, map: impl Fn(&str) -> Option<String>) -> Result<()> {
    match data {
        RData::SRV(srv) => rename(&mut srv.target, map),
        RData::MX(mx) => rename(&mut mx.exchange, map),
        RData::NAPTR(naptr) => rename(&mut naptr.replacement, map),
        RData::SOA(soa) => rename(&mut soa.mname, map),
        RData::CNAME(name) => rename(&mut name.0, map),
        RData::NS(name) => rename(&mut name.0, map),
        RData::PTR(name) => rename(&mut name.0, map),
        RData::Unknown { code, rdata } if u16::from(*code) == types::DNAME => {
            // RFC 6672 §2.5: never compressed.
            if let Some(text) = map(&Presentation(&rdata.anything).to_string()) {
                rdata.anything = wire_of(&text)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
