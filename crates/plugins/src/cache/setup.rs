//! Wires the plugin to its server block: settings, numbers, and the store, which may have been
//! there before.

use std::sync::Arc;

use dunlin_core::{Directive, Entry};

use super::flight::Flights;
use super::metrics::{Families, Table};
use super::parse::parse;
use super::refresh::MAX_REFRESHES;
use super::store::{Limits, Store};
use super::{Cache, Inner};

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "cache", setup };

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let config = parse(directive)?;
    let limits = Limits::of(&config, directive.memory_limit().unwrap_or(MEMORY_LIMIT));
    // Never an answer of other upstreams, or of a cache that would not have stored it.
    let store = directive.retain(&directive.fingerprint_behind(), || Store::new(limits));
    let zones: Vec<&str> = config.zones.iter().map(|zone| zone.as_str()).collect();
    let families = Families::of(directive.metrics(), zones.join(","));
    let table = Arc::new(Table::new(families));
    let filled = Arc::clone(&table);
    directive.parts().hooks.on_start(move |context| async move {
        filled.fill(context.sites.iter().map(|site| &**site));
        Ok(())
    });
    let tasks = directive.tasks(MAX_REFRESHES);
    let flights = Flights::new();
    let probes_pass = directive.stands_with("loop");
    directive.add(Cache(Arc::new(Inner { config, store, flights, tasks, table, probes_pass })));
    Ok(())
}

/// Octets that the process is taken to have where nothing limits it.
const MEMORY_LIMIT: usize = 512 << 20;
