//! The way back: the client sees its own question, and the records as the rules want them.

use dunlin_core::change::Change;
use dunlin_core::lookup::Lookup;
use dunlin_core::op::{Message, Query as Question};
use dunlin_core::rr::{Name, RData};
use dunlin_core::wire::{Flags, Records, types};
use dunlin_core::{Query, Reply, Result};

use super::matching::Matching;
use super::names::{name_of, text_of, wire_of};
use super::response::{Collected, ResponseRule};
use super::rules::{Fired, rcode_of};

/// Makes a reply to what was asked in place of `query` one to `query`.
pub(super) async fn revert(
    query: &Query,
    fired: &Fired<'_>,
    mut reply: Reply,
    lookup: &Lookup,
) -> Result<Reply> {
    let other = fired.change.as_ref().filter(|change| asks_other(change, query));
    if reply.is_silence() || (fired.responses.is_empty() && other.is_none()) {
        return Ok(reply);
    }
    if other.is_none() && is_plain_work(&mut reply, fired) {
        return plainly(reply, fired);
    }
    let qtype = other.map_or_else(|| query.qtype_code(), |change| change.qtype);
    let message = reply.message_mut()?;
    if other.is_some() {
        message.queries = vec![question_of(query)];
    }
    // Records that the lookup of an alias brought have been through the rules already.
    let mut own = message.answers.len();
    // What was done last is undone first.
    for response in fired.responses.iter().rev() {
        match response {
            Collected::Fixed(ResponseRule::Rcode { from, to }) => {
                if u16::from(message.metadata.response_code) == *from {
                    message.metadata.response_code = rcode_of(*to);
                }
            }
            Collected::Fixed(ResponseRule::Cname { matching, to }) => {
                let Some(alias) = Alias::find(message, own, matching, to) else { continue };
                match alias.follow(query, qtype, lookup).await {
                    Ok(found) => own = alias.splice(message, found),
                    Err(error) => {
                        tracing::error!(target: "plugin/rewrite", "upstream lookup failed: {error}");
                    }
                }
            }
            _ => edit(message, own, response)?,
        }
    }
    Ok(reply)
}

/// Whether no records have to be decoded. Rules for aliases see every reply, and most have none.
/// Rcodes above 15 need an OPT for their upper bits.
fn is_plain_work(reply: &mut Reply, fired: &Fired<'_>) -> bool {
    let mut follows_aliases = false;
    let is_plain = fired.responses.iter().all(|response| match response {
        Collected::Fixed(ResponseRule::Ttl { .. }) => true,
        Collected::Fixed(ResponseRule::Rcode { to, .. }) => *to < 16,
        Collected::Fixed(ResponseRule::Cname { .. }) => {
            follows_aliases = true;
            true
        }
        _ => false,
    });
    is_plain && !(follows_aliases && has_alias(reply))
}

fn has_alias(reply: &mut Reply) -> bool {
    let Ok((bytes, _)) = reply.wire() else { return true };
    let mut records = Records::new(bytes).into_iter().flatten();
    records.any(|record| record.kind == types::CNAME)
}

/// TTLs and rcode, changed where they stand.
fn plainly(mut reply: Reply, fired: &Fired<'_>) -> Result<Reply> {
    for response in fired.responses.iter().rev() {
        if let Collected::Fixed(ResponseRule::Ttl { min, max }) = response {
            reply.clamp_ttls(*min, *max)?;
        }
    }
    let rcode = fired.rcode(reply.rcode());
    if rcode == reply.rcode() { Ok(reply) } else { Ok(reply.with_rcode(rcode)) }
}

fn asks_other(change: &Change, query: &Query) -> bool {
    change.name != query.qname_as_sent()
        || change.qtype != query.qtype_code()
        || change.qclass != query.qclass_code()
}

fn question_of(query: &Query) -> Question {
    let mut question = Question::query(query.name().clone(), query.qtype());
    question.set_query_class(query.qclass());
    question
}

/// Lets a rule change all records but those that a lookup brought.
fn edit(message: &mut Message, own: usize, response: &Collected<'_>) -> Result<()> {
    let answers = message.answers.iter_mut().take(own);
    let records = message.authorities.iter_mut().chain(answers);
    for record in records.chain(&mut message.additionals) {
        response.edit(record)?;
    }
    Ok(())
}

/// An alias that is to lead elsewhere.
struct Alias {
    /// Its place in the answer section.
    place: usize,
    /// Where it is to lead, as text.
    target: String,
}

impl Alias {
    /// The first alias among the `own` first answers whose target matches.
    fn find(message: &Message, own: usize, matching: &Matching, to: &str) -> Option<Self> {
        message.answers.iter().take(own).enumerate().find_map(|(place, record)| {
            let RData::CNAME(target) = &record.data else { return None };
            let target = matching.replace(&text_of(target).to_ascii_lowercase(), to)?;
            Some(Self { place, target })
        })
    }

    /// Asks the server for the new target.
    async fn follow(&self, query: &Query, qtype: u16, lookup: &Lookup) -> Result<Found> {
        let name = name_of(&self.target)?;
        let mut reply = lookup.ask(query, &wire_of(&self.target)?, qtype).await?;
        let is_truncated = reply.flags().has(Flags::TC);
        let answers = std::mem::take(&mut reply.message_mut()?.answers);
        Ok(Found { name, answers, is_truncated })
    }

    /// Aliases up to this one stay, then comes what was found. Says how many stay.
    fn splice(&self, message: &mut Message, found: Found) -> usize {
        message.answers.truncate(self.place + 1);
        if let Some(RData::CNAME(target)) =
            message.answers.last_mut().map(|record| &mut record.data)
        {
            target.0 = found.name;
        }
        message.answers.retain(|record| matches!(record.data, RData::CNAME(_)));
        let own = message.answers.len();
        message.answers.extend(found.answers);
        message.metadata.truncation = found.is_truncated;
        own
    }
}

/// What a lookup brought.
struct Found {
    name: Name,
    answers: Vec<dunlin_core::rr::Record>,
    is_truncated: bool,
}
