//! One query through the chain of a Corefile, and what each plugin did about it.
//!
//! Every plugin of the generation is wrapped into a [`Watched`](watch::Watched) of its own when the
//! chain is built, so that the chain of a server never knows of being watched. What is asked is a
//! generation without sockets, endpoints and reload, as in `Embedded`; gate, dispatch, views, lookups,
//! fitting and limits are those of a server.

mod changes;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use dunlin_core::Transport;
use dunlin_core::corefile::Position;
use dunlin_core::directive::{Block, Control, Retain, View};
use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use dunlin_core::tap::Tap;
use dunlin_core::wire::{Flags, types};
use dunlin_core::zones::{spelled_name, wire_name};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::report::{Candidate, Exchanged, Explanation, Outcome, Sent, Step, ViewAsked};
use self::watch::{Recorder, Watched};
use crate::config::{Draft, ListenPlan, Setup};
use crate::generation::Generation;
use crate::hickory;
use crate::listen::Listener;
use crate::serve::Shared;

/// What is asked, by whom, and how.
#[derive(Debug, Clone)]
pub struct Question {
    /// QNAME, with or without the final dot.
    pub name: String,
    /// QTYPE.
    pub qtype: u16,
    /// The client.
    pub client: SocketAddr,
    /// How it comes.
    pub transport: Transport,
    /// Whether the query has an OPT with the DO flag.
    pub dnssec_ok: bool,
    /// The listener that is asked, as messages name it, with or without `dns://`; the first of the
    /// Corefile if there is none.
    pub listener: Option<String>,
}

/// A configuration that is asked without sockets, and watched.
#[derive(Debug)]
pub struct Explainer {
    generation: Generation,
    listeners: Vec<(ListenPlan, Arc<Listener>)>,
    blocks: Vec<BlockFacts>,
    recorder: Arc<Recorder>,
}

/// What a report tells of a server block.
#[derive(Debug)]
struct BlockFacts {
    position: Option<Position>,
    view: Option<String>,
    plugins: Vec<&'static str>,
}

impl Explainer {
    /// Sets the Corefile up and runs its start hooks. `asks` says whether upstreams are.
    ///
    /// # Errors
    /// A mistake in the Corefile, or a start hook that failed.
    pub async fn new(setup: &Setup, asks: Upstreams) -> anyhow::Result<Self> {
        let loaded = setup.load();
        if let Some(error) = loaded.diagnostics.into_iter().find(|found| found.is_error()) {
            return Err(error.into());
        }
        let metrics = Metrics::new(0);
        let recorder = Arc::new(Recorder::default());
        let taps = [Arc::clone(&recorder) as Arc<dyn Tap>];
        let (lines, known) = (Lines::discarded(), Retain::default());
        let draft = setup.set_up_watched(&loaded.corefile, &metrics, &lines, &known, &taps);
        let mut draft = draft.map_err(|mistakes| match mistakes.into_iter().next() {
            Some(first) => anyhow::Error::new(first),
            None => anyhow!("the Corefile could not be set up"),
        })?;
        let blocks = watch_all(&mut draft, &recorder, asks);
        let mut generation = Generation::assemble(draft);
        generation.forgo_sockets(asks == Upstreams::Offline);
        let end = Control::new(|text| tracing::error!("{text}"));
        generation.start(&HashMap::new(), &end).await?;
        let shared = Arc::new(Shared::new(&metrics, end));
        let listeners = generation.tables.iter().map(|(plan, table)| {
            let listener = Listener {
                table: ArcSwap::new(Arc::clone(table)),
                address: plan.address,
                sockets: 0,
                shared: Arc::clone(&shared),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            };
            (plan.clone(), Arc::new(listener))
        });
        let listeners = listeners.collect();
        Ok(Self { generation, listeners, blocks, recorder })
    }

    /// Asks, and tells what happened on the way.
    ///
    /// # Errors
    /// A name or a listener that is none.
    pub async fn ask(&self, question: &Question) -> anyhow::Result<Explanation> {
        let (plan, listener) = self.listener(question.listener.as_deref())?;
        let message = message(question)?;
        self.recorder.begin();
        let started = Instant::now();
        let reply = hickory::answer(listener, &message, question.client, question.transport).await;
        let elapsed = started.elapsed();
        let sent = reply.as_ref().map(|bytes| Sent::of(bytes));
        let (steps, views) = self.recorder.end();
        Ok(Explanation {
            listener: plan.server(),
            other_listeners: self.others(plan),
            candidates: self.candidates(plan, question)?,
            views: views.into_iter().map(|(block, took)| self.view_asked(block, took)).collect(),
            place: steps.first().map(|first| self.position(first.block)).unwrap_or_default(),
            site: steps.first().map(|first| Arc::clone(&first.site)),
            metadata: steps.first().map(|first| first.metadata.clone()).unwrap_or_default(),
            not_reached: self.not_reached(&steps),
            steps: report::steps(&steps),
            reply: sent,
            elapsed,
        })
    }

    /// Ends background work.
    pub async fn stop(mut self) {
        self.generation.stop().await;
    }

    fn listener(&self, wanted: Option<&str>) -> anyhow::Result<&(ListenPlan, Arc<Listener>)> {
        let Some(wanted) = wanted else {
            return self.listeners.first().context("the Corefile has no zones");
        };
        let known = |plan: &ListenPlan| {
            let server = plan.server();
            server == wanted || server.strip_prefix("dns://") == Some(wanted)
        };
        let found = self.listeners.iter().find(|(plan, _)| known(plan));
        found.ok_or_else(|| {
            let all: Vec<String> = self.listeners.iter().map(|(plan, _)| plan.server()).collect();
            anyhow!("no listener {wanted}; there are {}", all.join(", "))
        })
    }

    fn others(&self, plan: &ListenPlan) -> Vec<String> {
        let all = self.listeners.iter().map(|(other, _)| other.server());
        all.filter(|other| *other != plan.server()).collect()
    }

    /// The zones of the listener that hold the name, the longest first.
    fn candidates(&self, plan: &ListenPlan, question: &Question) -> anyhow::Result<Vec<Candidate>> {
        let name = wire_name(&question.name)?;
        let holding = plan.zones.iter().filter(|(zone, _)| zone.contains(name.as_bytes()));
        let mut candidates: Vec<Candidate> = holding
            .map(|(zone, block)| Candidate {
                zone: zone.as_str().to_owned(),
                place: self.position(*block),
                view: self.blocks.get(*block).and_then(|facts| facts.view.clone()),
            })
            .collect();
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.zone.len()));
        Ok(candidates)
    }

    fn view_asked(&self, block: usize, took: bool) -> ViewAsked {
        let name = self.blocks.get(block).and_then(|facts| facts.view.clone());
        ViewAsked { name: name.unwrap_or_default(), place: self.position(block), took }
    }

    /// `FILE:LINE`.
    fn position(&self, block: usize) -> String {
        let position = self.blocks.get(block).and_then(|facts| facts.position.as_ref());
        position.map(ToString::to_string).unwrap_or_default()
    }

    /// The plugins of the block that no query came to.
    fn not_reached(&self, steps: &[watch::Recorded]) -> Vec<&'static str> {
        let Some(block) = steps.first().map(|first| first.block) else { return Vec::new() };
        let Some(facts) = self.blocks.get(block) else { return Vec::new() };
        let of_block = steps.iter().filter(|step| step.block == block);
        let reached = of_block.map(|step| step.index + 1).max().unwrap_or(0);
        facts.plugins.iter().skip(reached).copied().collect()
    }
}

/// Whether servers elsewhere are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstreams {
    /// As a server would.
    Asked,
    /// Never: a plugin that would ask one is passed over, and its query fails.
    Offline,
}

/// Puts every plugin and every view of a draft under watch.
fn watch_all(draft: &mut Draft, recorder: &Arc<Recorder>, asks: Upstreams) -> Vec<BlockFacts> {
    let blocks = draft.blocks.iter_mut().enumerate();
    blocks.map(|(number, block)| watch_block(number, block, recorder, asks)).collect()
}

fn watch_block(
    number: usize,
    block: &mut Block,
    recorder: &Arc<Recorder>,
    asks: Upstreams,
) -> BlockFacts {
    let names = block.parts.plugins.iter().map(|plugin| plugin.name()).collect();
    let (watching, mut next_index) = (Arc::clone(recorder), 0);
    let wrap = move |plugin| {
        let (index, recorder) = (next_index, Arc::clone(&watching));
        next_index += 1;
        Box::new(Watched { plugin, block: number, index, asks, recorder }) as _
    };
    // Innermost: what other wraps do is none of the plugin's doing.
    block.parts.wraps.insert(0, Box::new(wrap));
    let view = block.parts.view.take();
    let name = view.as_ref().map(|view| view.name().to_owned());
    block.parts.view = view.map(|view| {
        let recorder = Arc::clone(recorder);
        View::new(view.name().to_owned(), move |query| {
            let took = view.admits(query);
            recorder.view(number, took);
            took
        })
    });
    let position = block.tree().keys.first().map(|key| key.position.clone());
    BlockFacts { position, view: name, plugins: names }
}

/// The query as a client would write it: RD, and an OPT only if DO is wanted.
fn message(question: &Question) -> anyhow::Result<Vec<u8>> {
    let name = spelled_name(&question.name)?;
    if question.client.port() == 0 {
        bail!("a client has a port");
    }
    let mut bytes = vec![0, 1];
    bytes.extend_from_slice(&Flags::RD.to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(question.dnssec_ok)]);
    bytes.extend_from_slice(&name);
    bytes.extend_from_slice(&question.qtype.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    if question.dnssec_ok {
        bytes.push(0);
        bytes.extend_from_slice(&types::OPT.to_be_bytes());
        bytes.extend_from_slice(&dunlin_core::edns::OUR_UDP_SIZE.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0x80, 0, 0, 0]);
    }
    Ok(bytes)
}
