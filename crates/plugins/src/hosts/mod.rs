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

use std::net::IpAddr;
use std::sync::Arc;

use dunlin_core::op::ResponseCode;
use dunlin_core::wire::types;
use dunlin_core::zones::{Fallthrough, Zones};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::answer::Answer;
use self::file::HostsFile;
pub use self::setup::ENTRY;
pub use self::table::Table;
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
        let answer = self.addresses(query);
        if answer.is_empty() && !self.has_addresses(query) {
            return self.unknown(query);
        }
        Some(answer.reply())
    }

    /// Reverse zones need not be among the zones, and what is not here is never denied.
    fn names(&self, query: &Query) -> Option<Result<Reply>> {
        let address = reverse::address(query.qname())?;
        let file = self.file.table();
        let mut answer = Answer::to(query, self.ttl);
        for name in file.names_of(address).chain(self.inline.names_of(address)) {
            answer.pointer(name);
            if answer.is_full() {
                break;
            }
        }
        (!answer.is_empty()).then(|| answer.reply())
    }

    fn addresses<'q>(&self, query: &'q Query) -> Answer<'q> {
        let file = self.file.table();
        let (name, mut answer) = (query.qname(), Answer::to(query, self.ttl));
        match query.qtype_code() {
            types::A => {
                let all = file.v4(name).iter().chain(self.inline.v4(name));
                all.for_each(|address| answer.address(IpAddr::V4(*address)));
            }
            types::AAAA => {
                let all = file.v6(name).iter().chain(self.inline.v6(name));
                all.for_each(|address| answer.address(IpAddr::V6(*address)));
            }
            _ => {}
        }
        answer
    }

    fn has_addresses(&self, query: &Query) -> bool {
        let (file, name) = (self.file.table(), query.qname());
        [&**file, &self.inline]
            .iter()
            .any(|table| !table.v4(name).is_empty() || !table.v6(name).is_empty())
    }

    /// A denial needs an SOA record, and a hosts file has none: so it is a failure, as in CoreDNS.
    fn unknown(&self, query: &Query) -> Option<Result<Reply>> {
        let denied = || Ok(query.error(ResponseCode::ServFail));
        (!self.fallthrough.through(query)).then(denied)
    }
}
