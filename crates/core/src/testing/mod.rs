//! Tools for plugin tests: ask a plugin, set a directive up, stand in for the rest of a chain.
//! Everything runs in process, without sockets; with a paused clock if the test says so. The machine
//! has the interfaces `lo` (127.0.0.1, ::1), `eth0` (192.0.2.1, 2001:db8::1, fe80::1) and `dummy0`
//! (nothing).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be built must fail"
)]
#![allow(clippy::missing_panics_doc, reason = "as the line above")]

mod interfaces;
mod query;
mod stub;
mod written;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use dunlin_corefile::{MemoryLoader, ServerKey, Settings, Source};

use crate::directive::{
    Block, Control, Entry, Parts, Readiness, Retain, SetupContext, StartContext,
};
use crate::error::Result;
use crate::lines::Lines;
use crate::metrics::Metrics;
use crate::plugin::Chain;
use crate::query::Query;
use crate::reply::Reply;
use crate::rr::Record;
use crate::site::Site;

pub use self::query::{TestQuery, query};
pub use self::stub::{Stub, stub};
use self::written::Written;

/// A server block that a test has set up.
#[derive(Debug)]
pub struct TestBlock {
    block: Block,
    context: SetupContext,
    chain: Option<Arc<Chain>>,
    ended: Arc<Mutex<Vec<String>>>,
    written: Written,
}

/// Sets up a single directive inside `.:53 { … }`.
///
/// # Errors
/// What the setup says.
pub fn setup(entry: &Entry, text: &str) -> anyhow::Result<TestBlock> {
    block(std::slice::from_ref(entry), text)
}

/// Sets up several directives inside `.:53 { … }`, in the order of `entries`.
///
/// # Errors
/// What the first failing setup says.
pub fn block(entries: &[Entry], text: &str) -> anyhow::Result<TestBlock> {
    block_for(".:53", entries, text, &Retain::default())
}

/// Sets up several directives in a server block with these keys. `retain` carries state from an
/// earlier block: [`TestBlock::retain`].
///
/// # Errors
/// What the first failing setup says.
pub fn block_for(
    keys: &str,
    entries: &[Entry],
    text: &str,
    retain: &Retain,
) -> anyhow::Result<TestBlock> {
    let text = format!("{keys} {{\n{text}\n}}\n");
    let names: Vec<&'static str> = entries.iter().map(|entry| entry.name).collect();
    let settings =
        Settings { loader: &MemoryLoader::new(), environment: &|_| None, directives: Some(&names) };
    let source = Source { name: "Corefile", directory: Path::new("/"), text: text.as_bytes() };
    let corefile = dunlin_corefile::parse(&source, &settings).into_result()?;
    let tree = corefile.blocks.into_iter().next().expect("one block was written");
    let keys = tree.keys.iter().flat_map(|key| ServerKey::parse(&key.text, 53).unwrap()).collect();
    let mut block = Block::new(0, tree, keys, names);
    let metrics = Metrics::new(0);
    let dropped = metrics.counter("dunlin_test_lines_dropped_total", "Lines.", &[]).with(&[]);
    let written = Written::default();
    let context = SetupContext {
        metrics,
        lines: Lines::new(written.clone(), dropped)?,
        retain: retain.clone(),
        readiness: Readiness::default(),
        listeners: vec!["127.0.0.1:53".parse()?],
        interfaces: interfaces::of_a_test(),
        memory_limit: None,
    };
    for entry in entries {
        block.set_up(entry, &context)?;
    }
    Ok(TestBlock { block, context, chain: None, ended: Arc::default(), written })
}

impl TestBlock {
    /// Replaces the rest of the chain: `plugin` stands behind what was set up.
    #[must_use]
    pub fn before(mut self, plugin: impl crate::Plugin) -> Self {
        self.block.parts.plugins.push(Box::new(plugin));
        self
    }

    /// Changes where this block seems to listen, which start hooks are told; `127.0.0.1:53` otherwise.
    #[must_use]
    pub fn listening_on(mut self, listener: SocketAddr) -> Self {
        self.context.listeners = vec![listener];
        self
    }

    /// Runs the start hooks: one site, server `dns://:53`, the first zone of the block.
    ///
    /// # Errors
    /// What a hook says.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let ended = Arc::clone(&self.ended);
        let plugins = self.block.parts.plugins.iter().map(|plugin| plugin.name()).collect();
        let context = StartContext {
            sites: vec![self.site()].into(),
            plugins,
            listeners: self.context.listeners.clone().into(),
            offline: false,
            control: Control::new(move |text| ended.lock().push(text)),
        };
        self.block.parts.hooks.start(&context).await
    }

    /// Stops all tasks, then runs the stop hooks.
    pub async fn stop(&mut self) {
        for tasks in std::mem::take(&mut self.block.parts.tasks) {
            tasks.stop(std::time::Duration::from_secs(5)).await;
        }
        self.block.parts.hooks.stop().await;
    }

    /// Asks the chain.
    ///
    /// # Errors
    /// What the chain says.
    pub async fn ask(&mut self, query: TestQuery) -> Result<Reply> {
        let mut query = query.at(self.site()).build();
        let chain = self.chain();
        self.prepare(&chain, &mut query);
        let mut result = chain.run(&mut query).await;
        if let Ok(reply) = &mut result
            && let Some(watcher) = reply.take_watcher()
        {
            watcher.show(&query, reply.wire()?.0);
        }
        result
    }

    /// The chain, for tests that keep the query.
    #[must_use]
    pub fn chain(&mut self) -> Arc<Chain> {
        if self.chain.is_none() {
            let chain = self.block.parts.chain();
            self.answer_lookups(&chain);
            self.chain = Some(chain);
        }
        Arc::clone(self.chain.as_ref().expect("just made"))
    }

    /// Lookups of plugins come to the block itself.
    fn answer_lookups(&self, chain: &Arc<Chain>) {
        let chain = Arc::downgrade(chain);
        self.block.parts.lookup.bind(move |mut query| {
            let chain = chain.upgrade().expect("the block is still there");
            Box::pin(async move { chain.run(&mut query).await })
        });
    }

    /// The place where [`TestBlock::ask`] asks.
    #[must_use]
    pub fn site(&self) -> Arc<Site> {
        let zone = self.block.zones().iter().next().map_or(".", |zone| zone.as_str()).to_owned();
        Arc::new(Site { server: "dns://:53".into(), zone, view: String::new(), index: 0 })
    }

    /// What the setups made.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.block.parts
    }

    /// The block.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// The texts with which plugins have ended the server.
    #[must_use]
    pub fn ended(&self) -> Vec<String> {
        self.ended.lock().clone()
    }

    /// The metrics of this little process.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// The log lines written so far, those of `tracing` not included.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.context.lines.close(std::time::Duration::from_secs(10));
        self.written.lines()
    }

    /// Who is ready.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.context.readiness
    }

    /// What the generation after this one may take over.
    #[must_use]
    pub fn retain(&self) -> Retain {
        self.context.retain.next()
    }

    fn prepare(&self, chain: &Chain, query: &mut Query) {
        let Some(zones) = &self.block.parts.metadata else { return };
        query.attach_metadata(crate::metadata::Metadata::default());
        if zones.of(query).is_some() {
            chain.describe(query);
        }
    }
}

/// Records as text, to compare with.
pub fn records(records: impl IntoIterator<Item = Record>) -> Vec<String> {
    records.into_iter().map(|record| record.to_string()).collect()
}
