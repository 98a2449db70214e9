//! What is told of a query: the place that took it, each run of a plugin, the reply that was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_core::edns::EdnsOptions;
use dunlin_core::site::Site;
use dunlin_core::wire::{Summary, read_u16};
use dunlin_core::{Reply, Transport};

use super::changes::{self, all_of_reply, flags_text};
use super::state::{ReplyState, option_text};
use super::watch::Recorded;

/// What happened to one query.
#[derive(Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The listener that was asked, for example `dns://:53`.
    pub listener: String,
    /// All others of the Corefile.
    pub other_listeners: Vec<String>,
    /// The zones of the listener that hold the name, the longest first.
    pub candidates: Vec<Candidate>,
    /// The views that were asked, in order; those of lookups too.
    pub views: Vec<ViewAsked>,
    /// Where the server block stands that took the query, `FILE:LINE`; empty if none did.
    pub place: String,
    /// The zone and view that took it.
    pub site: Option<Arc<Site>>,
    /// What was known of the query before the chain ran: labels and values.
    pub metadata: Vec<(String, String)>,
    /// The runs of plugins in the order in which they began.
    pub steps: Vec<Step>,
    /// The plugins of the block that the query never came to.
    pub not_reached: Vec<&'static str>,
    /// What was sent; none for silence.
    pub reply: Option<Sent>,
    /// From the query to the reply.
    pub elapsed: Duration,
}

/// A zone that holds the name.
#[derive(Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The zone, with its final dot.
    pub zone: String,
    /// Where its server block stands, `FILE:LINE`.
    pub place: String,
    /// The view of the server block.
    pub view: Option<String>,
}

/// A view that was asked whether it takes the query.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewAsked {
    /// Its name.
    pub name: String,
    /// Where its server block stands, `FILE:LINE`.
    pub place: String,
    /// What it said.
    pub took: bool,
}

/// One run of a plugin.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step {
    /// The plugin.
    pub plugin: &'static str,
    /// The step that this one is part of.
    pub parent: Option<usize>,
    /// How many steps around it had it asked by lookup, or ran the rest of the chain more than once.
    pub depth: usize,
    /// With all that lies behind it in the chain; none if it did not end.
    pub elapsed: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// The changes of the query, a line each.
    pub query: Vec<String>,
    /// The records of a reply that it made, or the changes of another's, a line each.
    pub reply: Vec<String>,
    /// What it told of the query: labels and values.
    pub metadata: Vec<(String, String)>,
    /// What it asked upstreams, send by send.
    pub exchanges: Vec<Exchanged>,
}

/// One send to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exchanged {
    /// The upstream.
    pub upstream: SocketAddr,
    /// How it went.
    pub transport: Transport,
    /// The rcode of the response, and how long it took; `None` if none came, or nobody waited for it.
    pub response: Option<(String, Duration)>,
}

/// How a run of a plugin ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It made the reply: rcode and flags.
    Answered(String),
    /// The reply, or the failure, is that of a plugin behind it.
    HandedOn,
    /// It answers with silence.
    Silent,
    /// It failed: the text, and the rcode for the client.
    Failed(String),
    /// It panicked, or went on longer than anybody waited.
    Unfinished,
}

/// The reply as the client gets it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sent {
    /// Rcode and flags.
    pub header: String,
    /// Its octets.
    pub size: usize,
    /// Its OPT record: size, DO, options.
    pub edns: Option<String>,
    /// The records, a line each, led by the section.
    pub records: Vec<String>,
}

impl Sent {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let reply = Reply::from_wire(Buffer::copy_of(bytes));
        let state = reply.as_ref().map(ReplyState::of).unwrap_or_default();
        let edns = Summary::of(bytes).ok().and_then(|summary| opt_text(bytes.get(summary.opt?)?));
        Self { header: header(&state), size: bytes.len(), edns, records: all_of_reply(&state) }
    }
}

/// The steps of these records.
pub(super) fn steps(all: &[Recorded]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (number, record) in all.iter().enumerate() {
        let inner: Vec<&Recorded> =
            all.iter().filter(|other| other.parent == Some(number)).collect();
        let depth = record.parent.map_or(0, |parent| {
            let beside = all.iter().filter(|other| other.parent == Some(parent)).count();
            let is_lookup = all.get(parent).is_some_and(|o| o.query.depth < record.query.depth);
            let outer = steps.get(parent).map_or(0, |outer| outer.depth);
            outer + usize::from(beside > 1 || is_lookup)
        });
        let (outcome, reply) = outcome(record, &inner);
        steps.push(Step {
            plugin: record.plugin,
            parent: record.parent,
            depth,
            elapsed: record.end.as_ref().map(|end| end.elapsed),
            outcome,
            query: query_changes(record, &inner),
            reply,
            metadata: told(record, &inner),
            exchanges: record.exchanges.clone(),
        });
    }
    steps
}

fn outcome(record: &Recorded, inner: &[&Recorded]) -> (Outcome, Vec<String>) {
    let Some(end) = &record.end else { return (Outcome::Unfinished, Vec::new()) };
    let last = inner.last().and_then(|step| step.end.as_ref()).map(|end| &end.result);
    match (&end.result, last) {
        (Err(error), Some(Err(other))) if error.text == other.text => {
            (Outcome::HandedOn, changes::of_error(other, error))
        }
        (Err(error), _) => {
            let text = format!("{} ({})", error.text, error.rcode);
            let extended = error.extended_error.iter();
            (Outcome::Failed(text), extended.map(|text| format!("extended error {text}")).collect())
        }
        (Ok(reply), Some(Ok(other))) if !reply.is_new && reply.is_silence == other.is_silence => {
            (Outcome::HandedOn, changes::of_reply(other, reply))
        }
        (Ok(reply), _) if reply.is_silence => (Outcome::Silent, Vec::new()),
        (Ok(reply), _) => (Outcome::Answered(header(reply)), all_of_reply(reply)),
    }
}

fn query_changes(record: &Recorded, inner: &[&Recorded]) -> Vec<String> {
    let mut lines = Vec::new();
    for (run, step) in inner.iter().enumerate() {
        let number = if inner.len() > 1 { format!("{}: ", run + 1) } else { String::new() };
        if step.query.depth > record.query.depth {
            let (name, kind, zone) = (&step.query.name, &step.query.kind, &step.site.zone);
            lines.push(format!("{number}looks up {name} {kind} in zone {zone}"));
        } else {
            let changes = changes::of_query(&record.query, &step.query);
            lines.extend(changes.into_iter().map(|line| format!("{number}{line}")));
        }
    }
    lines
}

/// The metadata that came up, or changed, while the plugin itself was at work: before, between and
/// behind the runs of those further down. A lookup has metadata of its own.
fn told(record: &Recorded, inner: &[&Recorded]) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut known = &record.metadata;
    let own = inner.iter().filter(|step| step.query.depth == record.query.depth);
    for step in own {
        told.extend(step.metadata.iter().filter(|pair| !known.contains(pair)).cloned());
        known = step.end.as_ref().map_or(&step.metadata, |end| &end.metadata);
    }
    if let Some(end) = &record.end {
        told.extend(end.metadata.iter().filter(|pair| !known.contains(pair)).cloned());
    }
    told
}

/// `NOERROR aa ra`.
fn header(reply: &ReplyState) -> String {
    let flags = flags_text(reply.flags);
    if flags.is_empty() { reply.rcode.clone() } else { format!("{} {flags}", reply.rcode) }
}

/// `1232 octets, DO, options 15=0x000f`: an OPT record from its owner on.
fn opt_text(opt: &[u8]) -> Option<String> {
    let mut text = format!("{} octets", read_u16(opt, 3)?);
    if opt.get(7)? & 0x80 != 0 {
        text.push_str(", DO");
    }
    let options: Vec<String> = EdnsOptions(opt.get(11..)?).map(option_text).collect();
    if !options.is_empty() {
        text.push_str(&format!(", options {}", options.join(" ")));
    }
    Some(text)
}
