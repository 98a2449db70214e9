//! Queries made from a query: the same one for later, one that a plugin has changed, and our own on
//! behalf of a client.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use super::Query;
use crate::buffer::Buffer;
use crate::change::Change;
use crate::error::Result;
use crate::transport::Transport;

impl Query {
    /// The same question from the same client for work that goes on after the reply was sent,
    /// with a metadata store of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            bytes: Buffer::copy_of(&self.bytes),
            view: self.view.clone(),
            source: self.source,
            site: self.site.clone(),
            metadata: self.metadata.as_ref().map(|known| Box::new(known.emptied())),
            our_size: self.our_size,
            reply_options: Vec::new(),
            depth: self.depth,
            lookups: OnceLock::new(),
            options_are_ours: self.options_are_ours,
            is_congested: false,
            name: OnceLock::new(),
            message: OnceLock::new(),
        }
    }

    /// As [`Query::duplicate`], but as if it had come over TCP, so that nothing is truncated.
    #[must_use]
    pub fn duplicate_over_tcp(&self) -> Self {
        let mut query = self.duplicate();
        query.source.transport = Transport::Tcp;
        query
    }

    /// A change of this query, to be filled and then made with [`Query::changed`].
    #[must_use]
    pub fn change(&self) -> Change {
        Change::of(self)
    }

    /// The query that plugins further down are to see in place of this one. The metadata goes along;
    /// [`Query::take_back`] brings it home. The reply to it has the other question.
    ///
    /// # Errors
    /// A question that no client may ask either; what was to change is to blame.
    pub fn changed(&mut self, change: &Change) -> Result<Self> {
        let (bytes, view, name) = change.pass(self)?;
        let mut query = Self::new(bytes, view, &name, self.source);
        query.view.flags = self.view.flags;
        query.site.clone_from(&self.site);
        query.our_size = self.our_size;
        query.depth = self.depth;
        query.lookups = self.lookups.clone();
        query.options_are_ours = self.options_are_ours || change.options.is_some();
        query.is_congested = self.is_congested;
        query.metadata = self.metadata.take();
        Ok(query)
    }

    /// Ends a change: what plugins have told each other about the other query holds for this one, and
    /// so do the options that they want in the reply.
    pub fn take_back(&mut self, mut changed: Self) {
        self.reply_options.append(&mut changed.reply_options);
        self.metadata = changed.metadata;
    }

    /// A query of ours on behalf of this one, for another name in class IN.
    ///
    /// # Errors
    /// As for [`Query::changed`].
    pub(crate) fn nested(&self, name: &[u8], qtype: u16) -> Result<Self> {
        let (bytes, view, name) = Change::ask(name, qtype).pass(self)?;
        let mut query = Self::new(bytes, view, &name, self.source);
        query.view.flags = self.view.flags;
        query.site.clone_from(&self.site);
        query.our_size = self.our_size;
        query.depth = self.depth.saturating_add(1);
        query.lookups = Arc::clone(self.lookups.get_or_init(Arc::default)).into();
        query.options_are_ours = self.options_are_ours;
        Ok(query)
    }

    /// How many lookups of plugins led to this query; 0 for a client's.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// Counts one more lookup for the client's query, and says how many there were before.
    pub(crate) fn count_lookup(&self) -> u32 {
        self.lookups.get_or_init(Arc::default).fetch_add(1, Ordering::Relaxed)
    }
}
