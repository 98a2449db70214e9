//! A server with the plugin `boom`, which panics over names that begin with `boom`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use dunlin_core::{Directive, Entry, Next, Plugin, Query, Reply, Result, async_trait};

struct Boom;

#[async_trait]
impl Plugin for Boom {
    fn name(&self) -> &'static str {
        "boom"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let reply = next.run(query).await;
        assert!(!query.qname().starts_with(b"\x04boom"), "somebody said boom");
        reply
    }
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.no_arguments()?;
    directive.add(Boom);
    Ok(())
}

fn main() -> anyhow::Result<ExitCode> {
    let mut registry = dunlin_plugins::registry();
    registry.insert_before("cache", Entry { name: "boom", setup })?;
    Ok(dunlin::run(registry))
}
