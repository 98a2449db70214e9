#![doc = include_str!("README.md")]

mod consolidate;
mod limit;
mod setup;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use dunlin_core::tasks::Tasks;
use dunlin_core::wire::Presentation;
use dunlin_core::{Error, Next, Plugin, Query, Reply, Result, async_trait, mnemonic};
use tracing::Level;

use self::consolidate::Consolidation;
use self::limit::Limit;

pub use self::setup::ENTRY;

/// Logs the failures of the plugins behind it, once each, and changes nothing.
#[derive(Debug)]
struct Errors {
    consolidations: Vec<Arc<Consolidation>>,
    limit: Arc<Limit>,
    /// One timer for each consolidation and each limited text, at most.
    tasks: Tasks,
}

#[async_trait]
impl Plugin for Errors {
    fn name(&self) -> &'static str {
        "errors"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let result = next.run(query).await;
        if let Err(error) = &result {
            self.report(query, error);
        }
        result
    }
}

impl Errors {
    /// The first consolidation whose expression matches takes the failure; the limit has the rest.
    fn report(&self, query: &Query, error: &Error) {
        let text = error.to_string();
        let Some(taker) = self.consolidations.iter().find(|taker| taker.takes(&text)) else {
            if self.limit.admits(&text, &self.tasks) {
                write(Level::ERROR, &line(query, error, &text));
            }
            return;
        };
        if !taker.count(&self.tasks) {
            write(taker.level(), &line(query, error, &text));
        }
    }
}

/// `RCODE NAME TYPE: TEXT`, to the letter: scripts look for it.
fn line(query: &Query, error: &Error, text: &str) -> String {
    let rcode = u16::from(error.rcode());
    let name = Presentation(query.qname());
    let code = query.qtype_code();
    match mnemonic::rtype(code) {
        Some(qtype) => format!("{rcode} {name} {qtype}: {text}"),
        None => format!("{rcode} {name} TYPE{code}: {text}"),
    }
}

/// Writes one line at a level.
fn write(level: Level, text: &str) {
    let text = OnOneLine(text);
    match level {
        Level::ERROR => tracing::error!(target: "plugin/errors", "{text}"),
        Level::WARN => tracing::warn!(target: "plugin/errors", "{text}"),
        Level::INFO => tracing::info!(target: "plugin/errors", "{text}"),
        _ => tracing::debug!(target: "plugin/errors", "{text}"),
    }
}

/// Text that may hold what came from the network, kept on its line.
struct OnOneLine<'a>(&'a str);

impl fmt::Display for OnOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                fmt::Write::write_char(f, letter)?;
            }
        }
        Ok(())
    }
}
