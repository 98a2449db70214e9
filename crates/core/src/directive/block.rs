//! A server block while it is set up, and what came of it.

use std::fmt;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dunlin_corefile::{ServerBlock, ServerKey};
use foldhash::quality::FixedState;

use super::{Directive, Entry, Hooks, HttpEndpoint, SetupContext, View};
use crate::gate::Opcodes;
use crate::lookup::Lookup;
use crate::metrics::CounterFamily;
use crate::plugin::{Chain, Plugin};
use crate::tap::Tap;
use crate::tasks::Tasks;
use crate::zones::{Zone, Zones};

/// One server block of the Corefile.
#[derive(Debug)]
pub struct Block {
    /// Its number in the file, from 0.
    pub index: usize,
    /// What its setups made.
    pub parts: Parts,
    tree: ServerBlock,
    keys: Vec<ServerKey>,
    order: Vec<&'static str>,
}

/// What the setups of a block made.
#[derive(Default)]
#[non_exhaustive]
pub struct Parts {
    /// The handlers, in chain order.
    pub plugins: Vec<Box<dyn Plugin>>,
    /// Addresses to listen on (`bind`): text that parses as an IP address, perhaps with a
    /// `%scope`; `None` means all of them.
    pub hosts: Option<Vec<String>>,
    /// Whether a panic may end the process, and DEBUG lines are written (`debug`).
    pub debug: bool,
    /// Whether the log of a panic shows where it came from (`errors { stacktrace }`).
    pub stacktrace: bool,
    /// The directory for relative file arguments (`root`).
    pub root: PathBuf,
    /// How often the configuration is looked at (`reload`).
    pub reload: Option<ReloadTimes>,
    /// How long to serve on after the end was announced (`health`).
    pub lameduck: Duration,
    /// HTTP endpoints.
    pub endpoints: Vec<HttpEndpoint>,
    /// What runs at start and at the end of this generation.
    pub hooks: Hooks,
    /// The zones whose queries get a metadata store filled (`metadata`).
    pub metadata: Option<Zones>,
    /// Files on which this generation depends, beside those of the Corefile.
    pub watched: Vec<PathBuf>,
    /// Opcodes beside QUERY that reach the chain.
    pub opcodes: Opcodes,
    /// Whether classes other than IN reach the chain.
    pub any_class: bool,
    /// How its plugins ask the whole server; bound by the engine.
    pub lookup: Lookup,
    /// What connections of clients may take (`timeouts`).
    pub timeouts: Timeouts,
    /// Sockets of each listener (`multisocket`).
    pub sockets: Option<SocketCount>,
    /// What replies over UDP wait in while the kernel takes no more (`shed`).
    pub send_queue: Option<SendQueue>,
    /// Which queries the block takes (`view`); all of its zones without one.
    pub view: Option<View>,
    /// Task sets to stop at the end of this generation.
    pub tasks: Vec<Tasks>,
    /// Who wants to know of exchanges with upstreams (`dnstap`).
    pub taps: Vec<Arc<dyn Tap>>,
    /// What each plugin of the block is put into when the chain is made (`trace`, `dunlin explain`).
    pub wraps: Vec<Wrap>,
}

/// Puts a plugin into one that does something around it. What comes of it has the same name, and passes
/// on all that it does not change.
pub type Wrap = Box<dyn FnMut(Box<dyn Plugin>) -> Box<dyn Plugin> + Send + Sync>;

impl Parts {
    /// Makes the chain of all plugins, each in its wraps: the first of them is the innermost. Without
    /// wraps the chain holds the plugins as they are, so that nobody pays for not being watched.
    #[must_use]
    pub fn chain(&mut self) -> Arc<Chain> {
        let plugins = std::mem::take(&mut self.plugins);
        let into = |plugin, wrap: &mut Wrap| wrap(plugin);
        Chain::new(
            plugins.into_iter().map(|plugin| self.wraps.iter_mut().fold(plugin, into)).collect(),
        )
    }
}

/// What a connection of a client may take; `None` is the engine's own limit. Of several server blocks
/// on one listener, the last that sets a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// Until a message is there in full.
    pub read: Option<Duration>,
    /// Until the client has taken what it is sent.
    pub write: Option<Duration>,
    /// Between two messages.
    pub idle: Option<Duration>,
    /// How many queries are answered on one connection.
    pub queries: Option<QueryLimit>,
}

impl Timeouts {
    /// These, where they say something, else those.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            read: self.read.or(other.read),
            write: self.write.or(other.write),
            idle: self.idle.or(other.idle),
            queries: self.queries.or(other.queries),
        }
    }
}

/// How many queries are answered on one connection, which is then closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryLimit {
    /// As many as there are.
    #[default]
    Unlimited,
    /// So many.
    AtMost(NonZeroUsize),
}

/// How many pairs of sockets, UDP and TCP, share the queries of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketCount {
    /// One for each worker.
    PerWorker,
    /// So many.
    Exactly(NonZeroUsize),
}

/// Replies over UDP that the kernel does not take at once wait in a queue, one for each socket, which
/// sends the newest first and drops the oldest for a new one. Without it, a socket whose replies cannot
/// be sent reads no more queries. It holds for all server blocks of a listener.
#[derive(Debug, Clone)]
pub struct SendQueue {
    /// Replies that may wait.
    pub depth: usize,
    /// Counts the replies that were not sent; its labels are `server` and `reason`.
    pub dropped: CounterFamily,
}

/// The arguments of `reload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadTimes {
    /// Between two looks at the files.
    pub interval: Duration,
    /// How much of the interval is left to chance.
    pub jitter: Duration,
}

impl Block {
    /// A block of the tree, before any setup. `order` has the directive names in chain order.
    #[must_use]
    pub fn new(
        index: usize,
        tree: ServerBlock,
        keys: Vec<ServerKey>,
        order: Vec<&'static str>,
    ) -> Self {
        Self { index, parts: Parts::default(), tree, keys, order }
    }

    /// Runs the setup of a directive, if the block has it.
    ///
    /// # Errors
    /// What the setup says, without the `plugin/NAME: ` in front.
    pub fn set_up(&mut self, entry: &Entry, context: &SetupContext) -> anyhow::Result<()> {
        if self.occurrences_of(entry.name) == 0 {
            return Ok(());
        }
        let tokens = self.tree.tokens_of(entry.name);
        (entry.setup)(&mut Directive::new(entry.name, &tokens, self, context))
    }

    /// The keys: transport, zone, port.
    #[must_use]
    pub fn keys(&self) -> &[ServerKey] {
        &self.keys
    }

    /// The block as the parser read it.
    #[must_use]
    pub fn tree(&self) -> &ServerBlock {
        &self.tree
    }

    /// The zones of its keys, in order.
    #[must_use]
    pub fn zones(&self) -> Zones {
        Zones::new(self.keys.iter().filter_map(|key| Zone::new(&key.zone).ok()).collect())
    }

    pub(super) fn occurrences_of(&self, name: &str) -> usize {
        self.tree.directives.iter().filter(|directive| directive.name.is(name)).count()
    }

    pub(super) fn key_text(&self) -> String {
        let keys = self.tree.keys.iter().map(|key| key.text.to_ascii_lowercase());
        keys.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn fingerprint_of(&self, name: &str) -> String {
        let mut text = format!("root {:?}\n", self.parts.root);
        for token in self.tree.tokens_of(name) {
            text.push_str(&format!("{:?} ", token.text));
            text.push_str(&content_of(&self.parts.root.join(&*token.text)));
        }
        text.push('\n');
        text
    }

    pub(super) fn fingerprint_behind(&self, name: &str) -> String {
        let behind = self.order.iter().skip_while(|known| **known != name);
        behind.map(|name| self.fingerprint_of(name)).collect()
    }
}

/// What a word that names a file stands for: a changed `resolv.conf` is another upstream.
fn content_of(path: &Path) -> String {
    let is_file = std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() < MAX_FILE);
    let content = is_file.then(|| std::fs::read(path).ok()).flatten();
    content
        .map(|content| format!("{:x} ", FixedState::default().hash_one(content)))
        .unwrap_or_default()
}

/// Larger files are told apart by their names only, in octets.
const MAX_FILE: u64 = 1 << 20;

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.plugins.iter().map(|plugin| plugin.name()).collect();
        f.debug_struct("Parts")
            .field("plugins", &names)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
