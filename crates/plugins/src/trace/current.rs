//! The span that this task is in. It goes with the task, not with the query, so that plugins that know
//! nothing of it, and queries that they make, are part of the right one. Work in the background has
//! none.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dunlin_core::{Query, Reply, Result};
use tokio::time::Instant;

use super::exporter::Exporter;
use super::span::{Facts, SERVE, Served, Span, SpanId, TraceId};

tokio::task_local! {
    static CURRENT: Context;
}

/// What spans below one have to know of it.
#[derive(Debug, Clone)]
pub(super) struct Context {
    exporter: Arc<Exporter>,
    pub(super) trace: TraceId,
    span: SpanId,
}

/// The span that this task is in.
pub(super) fn current() -> Option<Context> {
    CURRENT.try_with(Clone::clone).ok()
}

impl Context {
    /// A span below, which begins now.
    pub(super) fn child(&self, name: &'static str) -> Open {
        Open::new(&self.exporter, self.trace, Some(self.span), name, Facts::Plugin)
    }

    /// A span below that is over.
    pub(super) fn past(
        &self,
        name: &'static str,
        (start, end): (SystemTime, SystemTime),
        facts: Facts,
    ) {
        let duration = end.duration_since(start).unwrap_or(Duration::ZERO);
        let (trace, parent, id) = (self.trace, Some(self.span), SpanId::random());
        self.exporter.push(Span { trace, id, parent, name, start, duration, facts });
    }
}

/// A span that has begun. It ends when this is dropped, also if the work was given up.
#[derive(Debug)]
pub(super) struct Open {
    context: Context,
    parent: Option<SpanId>,
    name: &'static str,
    start: SystemTime,
    began: Instant,
    facts: Facts,
}

impl Open {
    /// The span of a query.
    pub(super) fn query(exporter: &Arc<Exporter>) -> Self {
        let trace = TraceId::random(exporter.kind(), SystemTime::now());
        Self::new(exporter, trace, None, SERVE, Facts::Query(None))
    }

    fn new(
        exporter: &Arc<Exporter>,
        trace: TraceId,
        parent: Option<SpanId>,
        name: &'static str,
        facts: Facts,
    ) -> Self {
        let context = Context { exporter: Arc::clone(exporter), trace, span: SpanId::random() };
        Self { context, parent, name, start: SystemTime::now(), began: Instant::now(), facts }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Does work inside this span. It is begun there as well: plugins are called when the rest of a
    /// chain is run, not when it is first waited for.
    pub(super) async fn scope<T, F: Future<Output = T>>(&self, work: impl FnOnce() -> F) -> T {
        CURRENT.scope(self.context.clone(), async { work().await }).await
    }

    /// What came of the query.
    pub(super) fn served(&mut self, query: &Query, result: &Result<Reply>) {
        self.facts = Facts::Query(Some(Box::new(Served::of(query, result))));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.context.exporter.push(Span {
            trace: self.context.trace,
            id: self.context.span,
            parent: self.parent,
            name: self.name,
            start: self.start,
            duration: self.began.elapsed(),
            facts: std::mem::replace(&mut self.facts, Facts::Plugin),
        });
    }
}
