//! What one configuration text became: chains, hooks, endpoints. A generation is built in full
//! before anything of the one before is touched, and it ends when its last query is answered.

mod lookup;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::directive::{
    Control, Hooks, HttpEndpoint, Parts, ReloadTimes, Retain, SendQueue, StartContext, Timeouts,
    View,
};
use dunlin_core::gate::Opcodes;
use dunlin_core::lookup::Lookup;
use dunlin_core::plugin::Chain;
use dunlin_core::site::Site;
use dunlin_core::tasks::Tasks;
use dunlin_core::zones::Zones;

use crate::config::{Draft, ListenPlan};
use crate::table::{self, Place, Table};

/// One built configuration.
#[derive(Debug)]
pub(crate) struct Generation {
    /// Where to listen, and what is served there.
    pub(crate) tables: Vec<(ListenPlan, Arc<Table>)>,
    pub(crate) endpoints: Vec<HttpEndpoint>,
    pub(crate) retain: Retain,
    pub(crate) reload: Option<ReloadTimes>,
    pub(crate) lameduck: Duration,
    pub(crate) debug: bool,
    /// Files beside those of the Corefile.
    pub(crate) watched: Vec<PathBuf>,
    blocks: Vec<BlockLife>,
    offline: bool,
}

/// What a server block needs at its beginning and its end.
#[derive(Debug)]
struct BlockLife {
    hooks: Hooks,
    tasks: Vec<Tasks>,
    lookup: Lookup,
    sites: Vec<Arc<Site>>,
    /// The names of its handlers, in chain order.
    plugins: Arc<[&'static str]>,
    /// The addresses as planned; the real ones are known when the sockets are open.
    listeners: Vec<SocketAddr>,
}

/// What the tables need of a block.
struct BlockTable {
    chain: Arc<Chain>,
    metadata: Option<Zones>,
    opcodes: Opcodes,
    any_class: bool,
    timeouts: Timeouts,
    send_queue: Option<SendQueue>,
    view: Option<Arc<View>>,
    debug: bool,
    stacktrace: bool,
}

/// A start or reload takes no longer: signals have to wait for it.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// Background work may take this long to end.
const TASK_PATIENCE: Duration = Duration::from_secs(5);

impl Generation {
    /// Puts the blocks of a draft together.
    pub(crate) fn assemble(draft: Draft) -> Self {
        let Draft { blocks, plans, retain } = draft;
        let mut generation = Self {
            tables: Vec::new(),
            endpoints: Vec::new(),
            retain,
            reload: None,
            lameduck: Duration::ZERO,
            debug: false,
            watched: Vec::new(),
            blocks: Vec::new(),
            offline: false,
        };
        let blocks: Vec<BlockTable> =
            blocks.into_iter().map(|block| generation.take(block.parts)).collect();
        for plan in plans {
            let table = generation.table(&plan, &blocks);
            generation.tables.push((plan, Arc::new(table)));
        }
        let tables: Arc<[_]> =
            generation.tables.iter().map(|(_, table)| Arc::downgrade(table)).collect();
        for block in &generation.blocks {
            let tables = Arc::clone(&tables);
            block.lookup.bind(move |query| Box::pin(lookup::answer(Arc::clone(&tables), query)));
        }
        generation
    }

    fn take(&mut self, mut parts: Parts) -> BlockTable {
        let chain = parts.chain();
        self.endpoints.extend(parts.endpoints);
        self.watched.extend(parts.watched);
        self.reload = parts.reload.or(self.reload);
        self.lameduck = self.lameduck.max(parts.lameduck);
        self.debug |= parts.debug;
        let (hooks, tasks, lookup) = (parts.hooks, parts.tasks, parts.lookup);
        let plugins = chain.names().collect();
        let (sites, listeners) = (Vec::new(), Vec::new());
        self.blocks.push(BlockLife { hooks, tasks, lookup, sites, plugins, listeners });
        BlockTable {
            chain,
            metadata: parts.metadata,
            opcodes: parts.opcodes,
            any_class: parts.any_class,
            timeouts: parts.timeouts,
            send_queue: parts.send_queue,
            view: parts.view.map(Arc::new),
            debug: parts.debug,
            stacktrace: parts.stacktrace,
        }
    }

    fn table(&mut self, plan: &ListenPlan, blocks: &[BlockTable]) -> Table {
        let mut table = Table::of(plan.server());
        let debug = plan.zones.iter().any(|(_, index)| blocks.get(*index).is_some_and(|b| b.debug));
        for (zone, index) in &plan.zones {
            let (Some(block), Some(life)) = (blocks.get(*index), self.blocks.get_mut(*index))
            else {
                continue;
            };
            if !life.listeners.contains(&plan.address) {
                life.listeners.push(plan.address);
            }
            let site = Arc::new(Site {
                server: plan.server(),
                zone: zone.as_str().to_owned(),
                view: block.view.as_ref().map(|view| view.name().to_owned()).unwrap_or_default(),
                index: life.sites.len(),
            });
            life.sites.push(Arc::clone(&site));
            table.opcodes = table.opcodes.union(block.opcodes);
            table.any_class |= block.any_class;
            table.timeouts = block.timeouts.or(table.timeouts);
            if let Some(SendQueue { depth, dropped }) = &block.send_queue {
                let dropped = dropped.with(&[&table.server, "response"]);
                table.send_queue = Some(table::SendQueue { depth: *depth, dropped });
            }
            let place = Place {
                site,
                chain: Arc::clone(&block.chain),
                metadata: block.metadata.clone(),
                view: block.view.clone(),
                debug,
                stacktrace: block.stacktrace,
            };
            table.add(zone, place);
        }
        table
    }

    /// There will be no sockets: its hooks are told so. `offline`: they are to ask nobody either.
    pub(crate) fn forgo_sockets(&mut self, offline: bool) {
        self.offline = offline;
        self.blocks.iter_mut().for_each(|block| block.listeners.clear());
    }

    /// Runs all start hooks. `real` maps planned addresses to those that the kernel gave.
    ///
    /// # Errors
    /// What the first failing hook says; or they take longer than anybody would wait.
    pub(crate) async fn start(
        &mut self,
        real: &HashMap<SocketAddr, SocketAddr>,
        control: &Control,
    ) -> anyhow::Result<()> {
        let starting = tokio::time::timeout(START_PATIENCE, self.run_start_hooks(real, control));
        starting.await.unwrap_or_else(|_elapsed| {
            Err(anyhow::anyhow!("start hooks did not end within {START_PATIENCE:?}"))
        })
    }

    async fn run_start_hooks(
        &mut self,
        real: &HashMap<SocketAddr, SocketAddr>,
        control: &Control,
    ) -> anyhow::Result<()> {
        for block in &mut self.blocks {
            let listeners = block.listeners.iter();
            let context = StartContext {
                sites: block.sites.clone().into(),
                plugins: Arc::clone(&block.plugins),
                listeners: listeners.map(|planned| *real.get(planned).unwrap_or(planned)).collect(),
                control: control.clone(),
                offline: self.offline,
            };
            block.hooks.start(&context).await?;
        }
        Ok(())
    }

    /// Ends background work, then runs the stop hooks. The queries must have been answered.
    pub(crate) async fn stop(&mut self) {
        for block in &mut self.blocks {
            for tasks in std::mem::take(&mut block.tasks) {
                tasks.stop(TASK_PATIENCE).await;
            }
            block.hooks.stop().await;
        }
    }

    /// Whether queries of this generation are still in work, or may yet begin: whoever reads from a
    /// socket holds the table that was current when the batch came.
    pub(crate) fn is_busy(&self) -> bool {
        self.tables.iter().any(|(_, table)| Arc::strong_count(table) > 1 || table.is_busy())
    }
}
