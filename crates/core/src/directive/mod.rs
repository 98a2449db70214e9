//! The Corefile side of a plugin: its directive, and what its setup may ask for.
//!
//! A setup reads tokens and makes things; it opens no socket, starts no task and reads no clock:
//! `dunlin check` runs every setup. Work begins in the start hooks.

mod block;
mod entry;
mod hooks;
mod http;
mod interfaces;
mod readiness;
mod retain;
mod view;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dunlin_corefile::{Reader, ServerKey, Token};

use crate::gate::Opcodes;
use crate::lines::Lines;
use crate::lookup::Lookup;
use crate::metrics::Metrics;
use crate::plugin::Plugin;
use crate::tasks::Tasks;
use crate::zones::{Zone, Zones};

pub use self::block::{
    Block, Parts, QueryLimit, ReloadTimes, SendQueue, SocketCount, Timeouts, Wrap,
};
pub use self::entry::{Entry, Registry, UnknownNeighbor};
pub use self::hooks::{Control, Hooks, StartContext};
pub use self::http::{
    BadAddress, Closing, HttpEndpoint, HttpHandler, HttpResponse, OnListenFailure, host_and_port,
};
pub use self::interfaces::{Interface, Interfaces};
pub use self::readiness::{Monitor, Readiness};
pub use self::retain::Retain;
pub use self::view::View;

/// All occurrences of one directive in one server block, and the block that they shape. It is a
/// [`Reader`] over their tokens, in file order.
#[derive(Debug)]
pub struct Directive<'a> {
    name: &'static str,
    reader: Reader<'a>,
    block: &'a mut Block,
    context: &'a SetupContext,
}

/// What all setups of one generation share.
#[derive(Debug)]
pub struct SetupContext {
    /// The metrics of the process.
    pub metrics: Metrics,
    /// Where log lines go.
    pub lines: Lines,
    /// State that may outlive a reload.
    pub retain: Retain,
    /// Who is ready.
    pub readiness: Readiness,
    /// The addresses that this generation will listen on, as far as the directives before this
    /// one tell.
    pub listeners: Vec<SocketAddr>,
    /// Lists the network interfaces of this machine.
    pub interfaces: Interfaces,
    /// Octets of memory that the process may use, if something limits it.
    pub memory_limit: Option<u64>,
}

impl<'a> Directive<'a> {
    pub(crate) fn new(
        name: &'static str,
        tokens: &'a [Token],
        block: &'a mut Block,
        context: &'a SetupContext,
    ) -> Self {
        let file = tokens.first().map_or("", |token| &token.position.file);
        Self { name, reader: Reader::new(file, tokens), block, context }
    }

    /// Adds a handler to the chain of this server block.
    pub fn add(&mut self, plugin: impl Plugin) {
        self.block.parts.plugins.push(Box::new(plugin));
    }

    /// Puts each plugin of this server block, those that are yet to come included, into one that
    /// `wrap` makes: see [`Wrap`].
    pub fn wrap_plugins(
        &mut self,
        wrap: impl FnMut(Box<dyn Plugin>) -> Box<dyn Plugin> + Send + Sync + 'static,
    ) {
        self.block.parts.wraps.push(Box::new(wrap));
    }

    /// Fails unless the directive stands there bare.
    ///
    /// # Errors
    /// `Wrong argument count …` or `Unexpected token '{', expecting argument`, with its place.
    pub fn no_arguments(&mut self) -> anyhow::Result<()> {
        while self.reader.next() {
            if self.reader.next_arg() {
                return Err(self.reader.arg_error().into());
            }
        }
        Ok(())
    }

    /// Fails if the directive occurs a second time in the block.
    ///
    /// # Errors
    /// `this plugin can only be used once per Server Block`
    pub fn only_once(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.block.occurrences_of(self.name) < 2,
            "this plugin can only be used once per Server Block"
        );
        Ok(())
    }

    /// The ADDRESS of an HTTP endpoint, the only argument that its directive takes, if it is
    /// there: `HOST:PORT` or `:PORT`.
    ///
    /// # Errors
    /// An address without a port, or more than one argument.
    pub fn endpoint_address(&mut self) -> anyhow::Result<Option<String>> {
        match self.reader.remaining_args().as_slice() {
            [] => Ok(None),
            [address] => {
                host_and_port(address)?;
                Ok(Some((*address).to_owned()))
            }
            _ => Err(self.reader.arg_error().into()),
        }
    }

    /// The keys of the server block: transport, zone, port.
    #[must_use]
    pub fn keys(&self) -> &[ServerKey] {
        self.block.keys()
    }

    /// The zones of the server block.
    #[must_use]
    pub fn zones(&self) -> Zones {
        self.block.zones()
    }

    /// The zones that these arguments name, or those of the server block without any. What cannot
    /// be a zone is left out; a network in CIDR form becomes its reverse zones.
    #[must_use]
    pub fn zones_or_block(&self, arguments: &[&str]) -> Zones {
        if arguments.is_empty() { self.zones() } else { parse_zones(arguments) }
    }

    /// The directory for relative file arguments (`root`); empty without one.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.block.parts.root
    }

    /// A file argument made absolute by `root`, if it is relative and there is one.
    #[must_use]
    pub fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// What the block is to have beside handlers: listeners, hooks, endpoints.
    pub fn parts(&mut self) -> &mut Parts {
        &mut self.block.parts
    }

    /// Names a file on which this generation depends: when it changes, the configuration is
    /// loaded again.
    pub fn watch(&mut self, path: impl Into<PathBuf>) {
        self.block.parts.watched.push(path.into());
    }

    /// Lets queries with this opcode reach the chain; without it they get NOTIMP.
    pub fn serve_opcode(&mut self, opcode: u8) {
        let opcodes = &mut self.block.parts.opcodes;
        *opcodes = opcodes.union(Opcodes::default().with(opcode));
    }

    /// Lets queries of classes other than IN reach the chain; without it they are refused.
    pub fn serve_any_class(&mut self) {
        self.block.parts.any_class = true;
    }

    /// The metrics of the process. Resolve handles here or in a start hook, not per query.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// The whole server, to ask it for other names; it answers from the start on.
    #[must_use]
    pub fn lookup(&self) -> Lookup {
        self.block.parts.lookup.clone()
    }

    /// Where log lines go.
    #[must_use]
    pub fn lines(&self) -> Lines {
        self.context.lines.clone()
    }

    /// The addresses that this server will listen on.
    #[must_use]
    pub fn listeners(&self) -> &[SocketAddr] {
        &self.context.listeners
    }

    /// The network interfaces of this machine, in the kernel's order.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn interfaces(&self) -> std::io::Result<Vec<Interface>> {
        self.context.interfaces.list()
    }

    /// The name of this machine, or of this container; `localhost` if it has none.
    #[must_use]
    pub fn host_name(&self) -> String {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = name.trim();
        if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
    }

    /// Octets of memory that the process may use; `None` if nothing limits it.
    #[must_use]
    pub fn memory_limit(&self) -> Option<usize> {
        self.context.memory_limit.and_then(|limit| usize::try_from(limit).ok())
    }

    /// Who is ready, for whoever reports it.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.context.readiness.clone()
    }

    /// Has the readiness of this server block reported from now on.
    pub fn report_readiness(&mut self, monitor: Monitor) {
        self.context.readiness.report(self.block.index, monitor);
    }

    /// Makes readiness depend on this plugin: `check` says whether it is ready.
    pub fn ready_when(&mut self, check: impl Fn() -> bool + Send + Sync + 'static) {
        self.context.readiness.add(self.block.index, self.name, Arc::new(check));
    }

    /// Room for at most `limit` background tasks, which end with this generation.
    pub fn tasks(&mut self, limit: usize) -> Tasks {
        let tasks = Tasks::new(limit);
        self.block.parts.tasks.push(tasks.clone());
        tasks
    }

    /// The state that this directive left in the generation before under the same `key`, in a
    /// server block with the same keys; else a new one. `key` must hold all configuration that the
    /// state depends on: [`Directive::fingerprint`] or [`Directive::fingerprint_behind`].
    pub fn retain<T: Send + Sync + 'static>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let place = self.block.key_text();
        self.context.retain.get_or_make(&format!("{}\n{place}\n{key}", self.name), make)
    }

    /// As [`Directive::retain`], but the state is one for all server blocks.
    pub fn share<T: Send + Sync + 'static>(&self, key: &str, make: impl FnOnce() -> T) -> Arc<T> {
        self.context.retain.get_or_make(&format!("{}\n{key}", self.name), make)
    }

    /// Whether the server block has this directive too.
    #[must_use]
    pub fn stands_with(&self, directive: &str) -> bool {
        self.block.occurrences_of(directive) > 0
    }

    /// The words of this directive as they count: without places and comments.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.block.fingerprint_of(self.name)
    }

    /// The words of this directive and of all that stand behind it in the chain.
    #[must_use]
    pub fn fingerprint_behind(&self) -> String {
        self.block.fingerprint_behind(self.name)
    }
}

impl<'a> Deref for Directive<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}

impl<'a> DerefMut for Directive<'a> {
    fn deref_mut(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }
}

/// Zone arguments: what cannot be a zone is left out, as in CoreDNS.
#[must_use]
pub fn parse_zones(arguments: &[&str]) -> Zones {
    let names = arguments.iter().flat_map(|argument| dunlin_corefile::normalize_zone(argument));
    Zones::new(names.filter_map(|name| Zone::new(&name).ok()).collect())
}
