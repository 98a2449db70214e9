#![doc = include_str!("README.md")]

mod line;
mod setup;

#[cfg(test)]
mod tests;

use dunlin_core::classify::{Class, Kind};
use dunlin_core::lines::Lines;
use dunlin_core::replacer::{Event, Format, Outcome, kind_of};
use dunlin_core::zones::Zone;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use tokio::time::Instant;

pub use self::setup::ENTRY;

/// Writes a line about each query that a rule selects, once its reply is known.
#[derive(Debug)]
struct Log {
    rules: Vec<Rule>,
    lines: Lines,
}

/// Which queries are logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    scope: Zone,
    classes: Classes,
    format: Format,
}

/// The response classes that a rule selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Classes {
    all: bool,
    success: bool,
    denial: bool,
    error: bool,
}

#[async_trait]
impl Plugin for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn ignores(&self, query: &Query) -> bool {
        !self.rules.iter().any(|rule| rule.scope.contains(query.qname()))
    }

    /// The first rule whose scope has the name decides; later ones are never looked at.
    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let Some(rule) = self.rules.iter().find(|rule| rule.scope.contains(query.qname())) else {
            return next.run(query).await;
        };
        let mut result = next.run(query).await;
        if rule.selects(query, &mut result) {
            let outcome = Outcome::of(query, &mut result);
            let duration = Instant::now().saturating_duration_since(query.received());
            let event = Event { query, outcome, duration: Some(duration) };
            let style = self.lines.style();
            self.lines.write(|out| line::append(style, &rule.format, &event, out));
        }
        result
    }
}

impl Rule {
    /// Classifies the result, if anybody wants to know, and says whether it is to be logged.
    fn selects(&self, query: &Query, result: &mut Result<Reply>) -> bool {
        if self.classes.all && query.metadata().is_none() {
            return true;
        }
        let kind = kind_of(query, result);
        publish(query, kind);
        self.classes.has(kind.class())
    }
}

/// Tells the plugins around this one, and the format, what the reply is.
fn publish(query: &Query, kind: Kind) {
    if let Some(metadata) = query.metadata() {
        metadata.set("log/type", kind.label());
        metadata.set("log/class", kind.class().label());
    }
}

impl Classes {
    const ALL: Self = Self { all: true, success: false, denial: false, error: false };

    fn has(self, class: Class) -> bool {
        self.all
            || match class {
                Class::Success => self.success,
                Class::Denial => self.denial,
                Class::Error => self.error,
            }
    }
}
