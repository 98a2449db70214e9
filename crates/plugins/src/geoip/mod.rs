#![doc = include_str!("README.md")]

mod database;
#[cfg(test)]
mod fixture;
mod labels;
mod setup;
mod subnet;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_core::metadata::Metadata;
use dunlin_core::metrics::Counter;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

use self::database::{Database, Place};
pub use self::setup::ENTRY;

/// Tells other plugins where a client is.
#[derive(Debug)]
struct GeoIp {
    /// Replaced as a whole when the file changed.
    database: Arc<ArcSwap<Database>>,
    source: Source,
    lookups: Lookups,
}

/// Whose address is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Source {
    /// The client's.
    #[default]
    Client,
    /// That of the EDNS client subnet, if there is one.
    Subnet,
}

/// Look-ups by what came of them.
#[derive(Debug)]
struct Lookups {
    found: Counter,
    absent: Counter,
    failed: Counter,
}

#[async_trait]
impl Plugin for GeoIp {
    fn name(&self) -> &'static str {
        "geoip"
    }

    /// All that it does is to describe.
    fn ignores(&self, _query: &Query) -> bool {
        true
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        next.run(query).await
    }

    fn describe(&self, query: &Query) {
        if let Some(metadata) = query.metadata() {
            self.tell(query, metadata);
        }
    }
}

impl GeoIp {
    /// An address that is not in the database has labels too: empty ones.
    fn tell(&self, query: &Query, metadata: &Metadata) {
        let subnet = (self.source == Source::Subnet).then(|| subnet::address(query)).flatten();
        let address = subnet.unwrap_or_else(|| query.client().ip());
        let database = self.database.load();
        match database.look_up(address) {
            Ok(Place { is_known, labels }) => {
                let counter = if is_known { &self.lookups.found } else { &self.lookups.absent };
                counter.inc();
                for (label, value) in labels {
                    metadata.set(label, value);
                }
            }
            Err(error) => {
                self.lookups.failed.inc();
                let schema = database.schema().name();
                tracing::debug!(
                    target: "plugin/geoip",
                    "Setting up {schema} metadata failed due to database lookup error: {error}"
                );
            }
        }
    }
}
