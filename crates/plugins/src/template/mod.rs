#![doc = include_str!("README.md")]

mod answer;
mod conditions;
mod data;
mod engine;
mod matching;
mod metrics;
mod rdata;
mod record;
#[cfg(test)]
mod scenes;
mod setup;
#[cfg(test)]
mod tests;
mod words;

use dunlin_core::lookup::Lookup;
use dunlin_core::op::ResponseCode;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::matching::{Answers, Verdict};
use self::metrics::Metrics;
pub use self::setup::ENTRY;

/// Answers from templates, in the order of the file.
#[derive(Debug)]
struct Template {
    templates: Vec<Answers>,
    metrics: Metrics,
    lookup: Lookup,
}

#[async_trait]
impl Plugin for Template {
    fn name(&self) -> &'static str {
        "template"
    }

    fn ignores(&self, query: &Query) -> bool {
        self.templates.iter().all(|template| template.ignores(query))
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        for template in &self.templates {
            match template.judge(query) {
                Verdict::Next => {}
                Verdict::Miss => return Ok(query.error(ResponseCode::ServFail)),
                Verdict::Match(found) => {
                    let reply = template.answer(query, &found, &self.metrics)?;
                    if !answer::follows_aliases(query, &reply) {
                        return Ok(reply);
                    }
                    // Its future is large, and few queries need it.
                    return Box::pin(self.follow(query, reply)).await;
                }
            }
        }
        next.run(query).await
    }
}
