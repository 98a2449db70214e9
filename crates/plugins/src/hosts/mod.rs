#![doc = include_str!("README.md")]

mod answer;
mod file;
mod reverse;
#[cfg(test)]
mod scenes;
mod setup;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;

use dunlin_core::op::ResponseCode;
use dunlin_core::wire::types;
use dunlin_core::zones::{Fallthrough, Zones};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::answer::Answer;
use self::file::HostsFile;
pub use self::setup::ENTRY;
pub use self::table::{Found, Table};
pub use self::text::{BadText, Direction, MAX_LEN, Options};

/// Answers from a file and from lines in the Corefile.
#[derive(Debug)]
struct Hosts {
    zones: Zones,
    ttl: u32,
    fallthrough: Fallthrough,
    unsupported: Unsupported,
    file: Arc<HostsFile>,
    inline: Table,
}

/// What becomes of types that a hosts file cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Unsupported {
    /// They are answered here: there is no such record.
    #[default]
    Deny,
    /// They fall through where names do.
    Fallthrough,
}

#[async_trait]
impl Plugin for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        match self.answer(query) {
            Some(reply) => reply,
            None => next.run(query).await,
        }
    }
}

impl Hosts {
    /// The reply; `None` if it is for somebody else to answer.
    fn answer(&self, query: &Query) -> Option<Result<Reply>> {
        let qtype = query.qtype_code();
        if qtype == types::PTR {
            return self.names(query);
        }
        self.zones.of(query)?;
        let is_supported = matches!(qtype, types::A | types::AAAA);
        let may_pass = self.unsupported == Unsupported::Fallthrough && !is_supported;
        if may_pass && self.fallthrough.through(query) {
            return None;
        }
        let file = self.file.table();
        let found = [file.find(query.qname()), self.inline.find(query.qname())];
        if found.iter().any(|found| found.is_known()) {
            return Some(addresses(query, self.ttl, found).reply());
        }
        self.unknown(query)
    }

    /// Reverse zones need not be among the zones, and what is not here is never denied.
    fn names(&self, query: &Query) -> Option<Result<Reply>> {
        let address = reverse::address(query.qname())?;
        let file = self.file.table();
        let mut names = file.names_of(address).chain(self.inline.names_of(address)).peekable();
        names.peek()?;
        let mut answer = Answer::to(query, self.ttl);
        for name in names {
            answer.pointer(name);
            if answer.is_full() {
                break;
            }
        }
        Some(answer.reply())
    }

    /// A denial needs an SOA record, and a hosts file has none: so it is a failure, as in CoreDNS.
    fn unknown(&self, query: &Query) -> Option<Result<Reply>> {
        let denied = || Ok(query.error(ResponseCode::ServFail));
        (!self.fallthrough.through(query)).then(denied)
    }
}

/// The addresses of the family that was asked for: none at all to other types.
fn addresses<'q>(query: &'q Query, ttl: u32, found: [Found<'_>; 2]) -> Answer<'q> {
    let mut answer = Answer::to(query, ttl);
    for found in found {
        match query.qtype_code() {
            types::A => found.v4().iter().for_each(|address| answer.v4(*address)),
            types::AAAA => found.v6().iter().for_each(|address| answer.v6(*address)),
            _ => {}
        }
    }
    answer
}
