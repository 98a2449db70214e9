//! A plugin under watch: it does what it does, and a record is kept of what it was given and what it
//! returned. Nothing of query or reply is changed by being looked at.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dunlin_core::edns::ExtendedError;
use dunlin_core::metadata::Metadata;
use dunlin_core::site::Site;
use dunlin_core::tap::{Exchange, Tap};
use dunlin_core::wire::Flags;
use dunlin_core::{Error, Next, Plugin, Query, Reply, Result, async_trait};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Upstreams;
use super::report::Exchanged;
use super::state::{ErrorState, QueryState, ReplyState, rcode_text};

/// A plugin, and where its record goes.
pub(super) struct Watched {
    pub(super) plugin: Box<dyn Plugin>,
    /// The number of its server block.
    pub(super) block: usize,
    /// Its place in the chain of the block.
    pub(super) index: usize,
    pub(super) asks: Upstreams,
    pub(super) recorder: Arc<Recorder>,
}

/// What one run of a plugin came to.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// The run that this one is part of; none for the first of a client's query, and for work that
    /// goes on in the background.
    pub(super) parent: Option<usize>,
    pub(super) block: usize,
    pub(super) index: usize,
    pub(super) plugin: &'static str,
    pub(super) site: Arc<Site>,
    pub(super) query: QueryState,
    /// All that was known of the query before.
    pub(super) metadata: Vec<(String, String)>,
    /// None while it is at work.
    pub(super) end: Option<End>,
    /// What it asked upstreams.
    pub(super) exchanges: Vec<Exchanged>,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) elapsed: Duration,
    pub(super) result: std::result::Result<ReplyState, ErrorState>,
    /// All that was known of the query by then.
    pub(super) metadata: Vec<(String, String)>,
}

/// The records of one query, in the order in which the runs began.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    steps: Mutex<Vec<Recorded>>,
    views: Mutex<Vec<(usize, bool)>>,
}

/// Runs that are recorded of one query at most: plugins can ask each other often.
const MAX_STEPS: usize = 1000;

tokio::task_local! {
    /// The run that this task is in.
    static PARENT: usize;
}

impl Recorder {
    /// Forgets what was recorded.
    pub(super) fn begin(&self) {
        self.steps.lock().clear();
        self.views.lock().clear();
    }

    /// What was recorded since the beginning.
    pub(super) fn end(&self) -> (Vec<Recorded>, Vec<(usize, bool)>) {
        (self.steps.lock().clone(), self.views.lock().clone())
    }

    pub(super) fn view(&self, block: usize, took: bool) {
        let mut views = self.views.lock();
        if views.len() < MAX_STEPS {
            views.push((block, took));
        }
    }

    fn enter(&self, watched: &Watched, query: &Query) -> usize {
        let mut steps = self.steps.lock();
        let number = steps.len();
        if number < MAX_STEPS {
            steps.push(Recorded {
                parent: PARENT.try_get().ok(),
                block: watched.block,
                index: watched.index,
                plugin: watched.plugin.name(),
                site: Arc::clone(query.site()),
                query: QueryState::of(query),
                metadata: known(query),
                end: None,
                exchanges: Vec::new(),
            });
        }
        number
    }

    fn leave(&self, number: usize, end: End) {
        if let Some(step) = self.steps.lock().get_mut(number) {
            step.end = Some(end);
        }
    }
}

impl Tap for Recorder {
    fn wants_messages(&self) -> bool {
        true
    }

    /// The run that the task is in is that of the plugin that asked.
    fn exchanged(&self, _query: &Query, exchange: &Exchange<'_>) {
        let Ok(number) = PARENT.try_get() else { return };
        let took =
            |received: SystemTime| received.duration_since(exchange.sent).unwrap_or_default();
        let rcode = || rcode_text(Flags::of(exchange.response).rcode().into());
        let exchanged = Exchanged {
            upstream: exchange.upstream,
            transport: exchange.transport,
            response: exchange.received.map(|received| (rcode(), took(received))),
        };
        if let Some(step) = self.steps.lock().get_mut(number) {
            step.exchanges.push(exchanged);
        }
    }
}

#[async_trait]
impl Plugin for Watched {
    fn name(&self) -> &'static str {
        self.plugin.name()
    }

    // `ignores` stays `false`: plugins that let a query by are shown, too.

    fn describe(&self, query: &Query) {
        self.plugin.describe(query);
    }

    fn asks_upstreams(&self, query: &Query) -> bool {
        self.plugin.asks_upstreams(query)
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if query.metadata().is_none() {
            query.attach_metadata(Metadata::unread());
        }
        let number = self.recorder.enter(self, query);
        let started = Instant::now();
        let result = if self.asks == Upstreams::Offline && self.plugin.asks_upstreams(query) {
            Err(offline())
        } else {
            PARENT.scope(number, self.plugin.serve(query, next)).await
        };
        let metadata = known(query);
        let state = result.as_ref().map(ReplyState::of).map_err(ErrorState::of);
        self.recorder.leave(number, End { elapsed: started.elapsed(), result: state, metadata });
        result
    }
}

fn known(query: &Query) -> Vec<(String, String)> {
    query.metadata().map(Metadata::all).unwrap_or_default()
}

fn offline() -> Error {
    let error = ExtendedError::new(ExtendedError::NETWORK_ERROR, "offline");
    Error::new("offline: no upstream was asked").with_extended_error(error)
}
