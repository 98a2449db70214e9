#![doc = include_str!("README.md")]

mod direct;
mod edns;
mod index;
mod matching;
mod names;
mod parse;
mod passing;
mod question;
mod response;
mod revert;
mod rule;
mod rules;
#[cfg(test)]
mod scenes;
mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::lookup::Lookup;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait, gate};

use self::revert::revert;
use self::rules::{Fired, Rules};
pub use self::setup::ENTRY;

/// Changes queries on their way down, and replies on their way up.
#[derive(Debug)]
struct Rewrite {
    rules: Rules,
    lookup: Lookup,
}

#[async_trait]
impl Plugin for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn ignores(&self, query: &Query) -> bool {
        is_alien(query) || self.rules.ignores(query)
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if is_alien(query) {
            return next.run(query).await;
        }
        match self.rules.apply(query)? {
            None => next.run(query).await,
            // Its future is large, and is copied to the heap for every query.
            Some(fired) => Box::pin(self.fire(query, next, fired)).await,
        }
    }
}

impl Rewrite {
    async fn fire(&self, query: &mut Query, next: Next<'_>, fired: Fired<'_>) -> Result<Reply> {
        let result = match &fired.change {
            None => next.run(query).await,
            Some(change) => {
                let mut changed = query.changed(change)?;
                let result = next.run(&mut changed).await;
                query.take_back(changed);
                result
            }
        };
        match result {
            Ok(mut reply) => {
                if direct::revert(query, &fired, &mut reply) {
                    return Ok(reply);
                }
                revert(query, &fired, reply, &self.lookup).await
            }
            Err(error) => {
                let rcode = fired.rcode(error.rcode());
                Err(error.with_rcode(rcode))
            }
        }
    }
}

/// Other opcodes, and IXFR, carry records that belong to their question.
fn is_alien(query: &Query) -> bool {
    query.flags().opcode() != gate::QUERY || query.qtype_code() == IXFR
}

/// Incremental zone transfer (RFC 1995).
const IXFR: u16 = 251;
