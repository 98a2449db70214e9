//! From the files of the operator to server blocks that are set up: everything that
//! `dunlin check` does, and the first half of a start or reload. No socket is opened here.

mod disk;
mod interfaces;
mod listeners;
mod origin;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use dunlin_core::corefile::{
    Corefile, DIRECTIVES, Diagnostic, Position, ServerBlock, Settings, Source,
};
use dunlin_core::directive::{Block, Readiness, Retain, SetupContext};
use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use dunlin_core::tap::Tap;
use dunlin_core::{Entry, Registry};
use sha2::{Digest, Sha512};

pub(crate) use self::listeners::{ListenPlan, plan};
pub use self::origin::{Held, Origin};

/// What a configuration is made from, the same for every generation.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the Corefile comes from.
    pub origin: Origin,
    /// The port of keys without one (`-dns.port`).
    pub port: u16,
    /// The directives of this binary, in chain order.
    pub registry: Registry,
    /// The Corefile that stands in for one without server blocks, at the first start.
    pub fallback: String,
}

/// A Corefile as it was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) corefile: Corefile,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Files and directories that the outcome depends on.
    pub(crate) sources: BTreeSet<PathBuf>,
    /// Of all that counts, not of comments and places.
    pub(crate) hash: String,
    /// Whether the files have no server blocks, and the fallback stands in for them.
    pub(crate) is_fallback: bool,
}

impl Loaded {
    /// Whether there is an error among the diagnostics.
    pub(crate) fn is_broken(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Server blocks that are set up, and the listeners that they want.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) blocks: Vec<Block>,
    pub(crate) plans: Vec<ListenPlan>,
    pub(crate) retain: Retain,
}

impl Setup {
    /// Reads the Corefile and all that it imports; in place of one without server blocks, or of a
    /// usual file that is not there, the fallback.
    pub(crate) fn load(&self) -> Loaded {
        let read = disk::consistently(|loader| self.read(loader));
        if read.is_broken() || !read.corefile.blocks.is_empty() {
            return read;
        }
        let fallback = disk::consistently(|loader| self.parse(self.fallback.as_bytes(), loader));
        let mut sources = read.sources;
        sources.extend(fallback.sources);
        let mut diagnostics = read.diagnostics;
        diagnostics.extend(fallback.diagnostics);
        Loaded { is_fallback: true, sources, diagnostics, ..fallback }
    }

    fn read(&self, loader: &disk::DiskLoader) -> Loaded {
        match self.origin.read(loader) {
            Ok(text) => self.parse(&text.unwrap_or_default(), loader),
            Err(diagnostic) => {
                let sources = self.origin.path().into_iter().collect();
                Loaded { diagnostics: vec![diagnostic], sources, ..Loaded::default() }
            }
        }
    }

    fn parse(&self, text: &[u8], loader: &disk::DiskLoader) -> Loaded {
        let mut names = DIRECTIVES.to_vec();
        names.extend(self.registry.names());
        let directory = self.origin.directory();
        let source = Source { name: self.origin.name(), directory: &directory, text };
        let settings = Settings {
            loader,
            environment: &|name| std::env::var(name).ok(),
            directives: Some(&names),
        };
        let outcome = dunlin_core::corefile::parse(&source, &settings);
        let mut sources = outcome.sources.files;
        sources.extend(outcome.sources.directories);
        sources.extend(self.origin.path());
        let json = dunlin_core::corefile::semantic_json(&outcome.corefile);
        let mut diagnostics = outcome.diagnostics;
        let (_, doubts) = outcome.corefile.server_keys(self.port);
        diagnostics.extend(doubts.into_iter().filter(|found| !found.is_error()));
        Loaded {
            corefile: outcome.corefile,
            diagnostics,
            sources,
            hash: hex(&Sha512::digest(json)),
            is_fallback: false,
        }
    }

    /// Sets all server blocks up. `known` is what the generation before left.
    ///
    /// # Errors
    /// All mistakes, the one that CoreDNS would tell first.
    pub(crate) fn set_up(
        &self,
        corefile: &Corefile,
        metrics: &Metrics,
        lines: &Lines,
        known: &Retain,
    ) -> Result<Draft, Vec<Diagnostic>> {
        self.set_up_watched(corefile, metrics, lines, known, &[])
    }

    /// As [`Setup::set_up`], for somebody who watches the exchanges of all blocks.
    pub(crate) fn set_up_watched(
        &self,
        corefile: &Corefile,
        metrics: &Metrics,
        lines: &Lines,
        known: &Retain,
        taps: &[Arc<dyn Tap>],
    ) -> Result<Draft, Vec<Diagnostic>> {
        let (keys, mut mistakes) = corefile.server_keys(self.port);
        // Doubts about keys were told when the file was loaded.
        mistakes.retain(Diagnostic::is_error);
        let keys_are_good = mistakes.is_empty();
        let order = self.registry.names();
        let mut blocks: Vec<Block> = corefile
            .blocks
            .iter()
            .zip(keys)
            .enumerate()
            .map(|(index, (tree, keys))| Block::new(index, tree.clone(), keys, order.clone()))
            .collect();
        blocks.iter_mut().for_each(|block| block.parts.taps.extend_from_slice(taps));
        let mut absent = self.absent();
        let mut context = SetupContext {
            metrics: metrics.clone(),
            lines: lines.clone(),
            retain: known.clone(),
            readiness: Readiness::default(),
            listeners: Vec::new(),
            interfaces: interfaces::of_this_machine(),
            memory_limit: dunlin_os::limits::memory(),
        };
        for entry in self.registry.iter() {
            for name in split_before(&mut absent, entry.name) {
                mistakes.extend(missing(corefile, name));
            }
            for block in &mut blocks {
                mistakes.extend(set_up_one(entry, block, &context));
            }
            if entry.name == "bind" {
                context.listeners = listeners::addresses(&blocks);
            }
        }
        mistakes.extend(absent.into_iter().flat_map(|name| missing(corefile, name)));
        let plans = if keys_are_good { plan(&blocks) } else { Ok(Vec::new()) };
        let plans = plans.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            Vec::new()
        });
        if mistakes.is_empty() {
            Ok(Draft { blocks, plans, retain: context.retain })
        } else {
            Err(mistakes)
        }
    }

    /// Directives that CoreDNS has and this binary has not, in chain order.
    fn absent(&self) -> Vec<&'static str> {
        let own = self.registry.names();
        DIRECTIVES.iter().copied().filter(|name| !own.contains(name)).collect()
    }
}

/// Takes the absent directives that CoreDNS would set up before this one.
fn split_before(absent: &mut Vec<&'static str>, name: &str) -> Vec<&'static str> {
    let place = |name: &str| DIRECTIVES.iter().position(|known| *known == name);
    let Some(end) = place(name) else { return Vec::new() };
    let count = absent.iter().take_while(|name| place(name) < Some(end)).count();
    absent.drain(..count).collect()
}

/// One mistake for each use of a directive that CoreDNS has and this binary has not.
fn missing(corefile: &Corefile, name: &str) -> Vec<Diagnostic> {
    let all = corefile.blocks.iter().flat_map(|block: &ServerBlock| &block.directives);
    let uses = all.filter(|directive| directive.name.is(name));
    uses.map(|directive| {
        let compatible = format!(
            "no action found for directive '{name}' with server type 'dns' (missing a plugin?)"
        );
        let message = format!("directive '{name}' is known to CoreDNS but not to Dunlin yet");
        Diagnostic::bare(directive.name.position.clone(), message, compatible)
    })
    .collect()
}

/// Runs one setup; its error gets the prefix `plugin/NAME: ` and a place.
fn set_up_one(entry: &Entry, block: &mut Block, context: &SetupContext) -> Option<Diagnostic> {
    let error = block.set_up(entry, context).err()?;
    let first = block.tree().tokens_of(entry.name).into_iter().next()?;
    let compatible = format!("plugin/{}: {error:#}", entry.name);
    let mut diagnostic = match error.downcast::<Diagnostic>() {
        Ok(known) => known,
        Err(other) => Diagnostic::bare(first.position, format!("{other:#}"), String::new()),
    };
    diagnostic.compatible = compatible;
    Some(diagnostic)
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _always = write!(text, "{octet:02x}");
        text
    })
}

const EMPTY: &str = "the Corefile has no server blocks";

/// What `dunlin check` tells: all mistakes and warnings of a configuration, without a socket.
#[must_use]
pub fn check(setup: &Setup) -> Vec<Diagnostic> {
    let loaded = setup.load();
    let mut diagnostics = loaded.diagnostics;
    if loaded.is_fallback && matches!(setup.origin, Origin::Made(..)) {
        // Nobody made it on purpose.
        let position = Position { file: setup.origin.name().into(), line: 1, column: 1 };
        diagnostics.push(Diagnostic::bare(position, EMPTY.into(), EMPTY.into()));
    }
    let metrics = Metrics::new(0);
    let result = setup.set_up(&loaded.corefile, &metrics, &Lines::discarded(), &Retain::default());
    diagnostics.extend(result.err().unwrap_or_default());
    diagnostics
}
