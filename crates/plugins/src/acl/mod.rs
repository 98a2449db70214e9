#![doc = include_str!("README.md")]

mod metrics;
mod rule;
mod setup;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dunlin_core::edns::ExtendedError;
use dunlin_core::op::ResponseCode;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::metrics::{Denial, Numbers};
use self::rule::{Action, Rule};
pub use self::setup::ENTRY;

/// Lets queries pass or not, by who asks for what.
#[derive(Debug)]
struct Acl {
    rules: Box<[Rule]>,
    numbers: Arc<Numbers>,
}

#[async_trait]
impl Plugin for Acl {
    fn name(&self) -> &'static str {
        "acl"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        match self.verdict(query) {
            Some(denial) => Ok(denied(query, denial)),
            None => next.run(query).await,
        }
    }
}

impl Acl {
    /// The first rule that has something to say decides. What nobody denies passes.
    fn verdict(&self, query: &Query) -> Option<Denial> {
        let (client, qtype) = (query.client().ip(), query.qtype_code());
        for (rule, place) in self.rules.iter().zip(0..) {
            let Some(zone) = rule.zones.of(query) else { continue };
            let denial = match rule.action(client, qtype) {
                None => continue,
                Some(Action::Allow) => break,
                Some(Action::Deny(denial)) => denial,
            };
            self.numbers.count_denied(query.site(), denial, (place, zone));
            return Some(denial);
        }
        self.numbers.count_allowed(query.site());
        None
    }
}

fn denied(query: &Query, denial: Denial) -> Reply {
    let (rcode, info_code) = match denial {
        Denial::Drop => return Reply::silence(),
        Denial::Block => (ResponseCode::Refused, ExtendedError::BLOCKED),
        Denial::Filter => (ResponseCode::NoError, ExtendedError::FILTERED),
    };
    query.error(rcode).with_extended_error(ExtendedError::new(info_code, ""))
}
