//! What becomes of a response: its lifetime, its place in the store, and whether it may refresh
//! what is there. Pure: bytes in, verdict out.
//!
//! | RFC | section | done |
//! |---|---|---|
//! | 2308 | 5 negative TTL, no SOA means no caching | yes |
//! | 7871 | 7.3.1 scoped replies | not stored, not shared |
//! | 8767 | 4, 5 what refreshes stale data | yes |
//! | 9520 | 3.2 failures are remembered | yes, by `servfail` |

use dunlin_core::classify::Kind;
use dunlin_core::edns::{EdnsOptions, options};
use dunlin_core::wire::{Flags, HEADER_LEN, Summary, counts, is_name, read_u16, skip};
use dunlin_core::zones::Zones;

use super::answers::{Question, answers};
use super::config::{Bounds, Config};
use super::store::{Facts, Side};

/// What a response is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What is known about it; its lifetime is also the TTL that all its records get.
    pub(super) facts: Facts,
    /// Where it is stored, if it is.
    pub(super) side: Option<Side>,
    /// Whether it answers another question.
    pub(super) is_stray: bool,
    /// Whether it may take the place of an entry that is or could be served.
    pub(super) refreshes: bool,
    /// Whether it holds for part of the clients only (a client subnet with a scope).
    pub(super) is_scoped: bool,
}

/// Judges a response, OPT and all. `wall` is the time of day in seconds since 1970, for
/// signatures; `recursive` is the RD flag of the query.
pub(super) fn judge(
    message: &[u8],
    summary: &Summary,
    question: &Question<'_>,
    recursive: bool,
    config: &Config,
    wall: u32,
) -> Verdict {
    let answering = Flags::of(message).rcode() == 0 && answers(message, question);
    let kind = kind_of(message, summary, question, answering, wall);
    let facts = Facts {
        lifetime: lifetime(kind, summary, config),
        answering,
        failure: kind == Kind::ServerError,
    };
    let is_scoped = has_scope(message, summary);
    let matches = matches(message, question);
    let is_complete = !Flags::of(message).has(Flags::TC);
    let side = place(kind, summary, answering)
        .filter(|_| is_complete && facts.lifetime > 0 && !is_scoped)
        // Without RD the upstream only tells what it happens to know: a referral, or nothing.
        .filter(|_| recursive || answering || matches!(kind, Kind::NameError | Kind::NoData));
    Verdict {
        facts,
        side: side.filter(|side| matches && !is_disabled(*side, question, config)),
        is_stray: !matches,
        refreshes: matches && is_complete && is_refresh(kind, message, answering, config),
        is_scoped,
    }
}

/// CoreDNS's class, except that an answer section that leads nowhere is a denial if there is an
/// SOA (RFC 2308 §2.2).
fn kind_of(
    message: &[u8],
    summary: &Summary,
    question: &Question<'_>,
    answering: bool,
    wall: u32,
) -> Kind {
    match Kind::of(message, summary, question.qtype, wall) {
        Kind::NoError if summary.soa.is_some() && leads_nowhere(summary, answering) => Kind::NoData,
        kind => kind,
    }
}

fn leads_nowhere(summary: &Summary, answering: bool) -> bool {
    let [answers, ..] = summary.records;
    answers > 0 && !answering
}

fn place(kind: Kind, summary: &Summary, answering: bool) -> Option<Side> {
    match kind {
        // An incomplete chain without SOA: a denial without TTL (RFC 2308 §5).
        Kind::NoError if leads_nowhere(summary, answering) => None,
        Kind::NoError | Kind::Delegation => Some(Side::Success),
        Kind::NameError if summary.soa.is_none() => None,
        Kind::NameError | Kind::NoData | Kind::ServerError => Some(Side::Denial),
        Kind::Meta | Kind::Update | Kind::OtherError => None,
    }
}

/// RFC 8767 §5: only NOERROR and NXDOMAIN refresh, and with `prefer_positive` only an answer.
fn is_refresh(kind: Kind, message: &[u8], answering: bool, config: &Config) -> bool {
    if config.prefers_positive() {
        return kind == Kind::NoError && answering;
    }
    let is_data = !matches!(kind, Kind::OtherError | Kind::Meta | Kind::Update);
    is_data && matches!(Flags::of(message).rcode(), 0 | 3)
}

fn lifetime(kind: Kind, summary: &Summary, config: &Config) -> u32 {
    let (base, bounds) = match kind {
        Kind::ServerError => return config.servfail,
        Kind::NameError | Kind::NoData => (negative_ttl(summary, &config.denial), &config.denial),
        Kind::NoError => (positive_ttl(summary, &config.success), &config.success),
        _ => (SHORT_TTL, &config.success),
    };
    base.max(bounds.min_ttl).min(bounds.max_ttl)
}

fn positive_ttl(summary: &Summary, bounds: &Bounds) -> u32 {
    summary.min_ttl.map_or(SHORT_TTL, |ttl| ttl.min(bounds.max_ttl))
}

/// The SOA's MINIMUM counts (RFC 2308 §5), which CoreDNS does not look at.
fn negative_ttl(summary: &Summary, bounds: &Bounds) -> u32 {
    let minimum = summary.soa.map_or(u32::MAX, |(_, minimum)| minimum);
    positive_ttl(summary, bounds).min(minimum)
}

/// Seconds that a reply without any TTL lives, and a referral.
const SHORT_TTL: u32 = 5;

/// Whether the response repeats the question. A name right behind the header cannot be
/// compressed, so that its octets may later be replaced by a client's spelling.
fn matches(message: &[u8], question: &Question<'_>) -> bool {
    let [questions, ..] = counts(message);
    let end = HEADER_LEN + question.qname.len();
    questions == 1
        && Flags::of(message).has(Flags::QR)
        && is_name(message, HEADER_LEN, question.qname)
        && read_u16(message, end) == Some(question.qtype)
        && read_u16(message, end + 2) == Some(question.qclass)
}

fn is_disabled(side: Side, question: &Question<'_>, config: &Config) -> bool {
    zones_without(side, config).longest(question.qname).is_some()
}

/// The zones whose entries of this side are not stored.
pub(super) fn zones_without(side: Side, config: &Config) -> &Zones {
    match side {
        Side::Success => &config.no_success,
        Side::Denial => &config.no_denial,
    }
}

/// Whether the OPT says that the reply holds for one client subnet only (RFC 7871 §7.2.1).
fn has_scope(message: &[u8], summary: &Summary) -> bool {
    let Some(opt) = &summary.opt else { return false };
    let Some(fixed) = skip(message, opt.start) else { return false };
    let data = EdnsOptions(message.get(fixed + 10..opt.end).unwrap_or_default());
    data.into_iter().any(|(code, data)| {
        code == options::CLIENT_SUBNET && data.get(3).is_some_and(|scope| *scope > 0)
    })
}
