//! Which server block answers a name: the zones of one listener.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use dunlin_core::Query;
use dunlin_core::directive::{Timeouts, View};
use dunlin_core::gate::Opcodes;
use dunlin_core::metadata::Metadata;
use dunlin_core::metrics::{Counter, SiteSeries};
use dunlin_core::plugin::Chain;
use dunlin_core::site::Site;
use dunlin_core::wire::types;
use dunlin_core::zones::{Zone, Zones};
use foldhash::fast::RandomState;

/// What one listener serves in one generation.
#[derive(Debug, Default)]
pub(crate) struct Table {
    zones: HashMap<Box<[u8]>, Vec<Arc<Place>>, RandomState>,
    /// The places of the root zone, where most queries of a forwarder end up.
    root: Vec<Arc<Place>>,
    /// Bit N tells that some zone has N labels: no other suffix of a name is looked up.
    depths: u128,
    /// What no place takes is counted here.
    pub(crate) dropped: OnceLock<SiteSeries>,
    /// As metrics and messages name the listener: `dns://127.0.0.1:53`.
    pub(crate) server: String,
    /// Opcodes beside QUERY that some chain of the listener asked for.
    pub(crate) opcodes: Opcodes,
    /// Whether some place takes only some of the queries for its zone.
    pub(crate) has_views: bool,
    /// What connections may take.
    pub(crate) timeouts: Timeouts,
    /// Whether some chain of the listener serves classes other than IN.
    pub(crate) any_class: bool,
    /// What replies over UDP wait in while the kernel takes no more.
    pub(crate) send_queue: Option<SendQueue>,
}

/// The send queue that some block of the listener asks for.
#[derive(Debug, Clone)]
pub(crate) struct SendQueue {
    /// Replies that may wait.
    pub(crate) depth: usize,
    /// Counts those that were not sent.
    pub(crate) dropped: Counter,
}

/// One zone of one server block on one listener.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) site: Arc<Site>,
    pub(crate) chain: Arc<Chain>,
    /// The zones whose queries get their metadata filled.
    pub(crate) metadata: Option<Zones>,
    /// Which queries it takes; all without.
    pub(crate) view: Option<Arc<View>>,
    /// Whether a panic ends the process.
    pub(crate) debug: bool,
    /// Whether the log of a panic shows where it came from.
    pub(crate) stacktrace: bool,
}

impl Table {
    /// An empty table of the listener that is named so.
    pub(crate) fn of(server: String) -> Self {
        Self { server, ..Self::default() }
    }

    /// Adds a zone; of several blocks with one zone the first in file order is asked first.
    pub(crate) fn add(&mut self, zone: &Zone, place: Place) {
        self.has_views |= place.view.is_some();
        let labels = labels_of(zone.as_wire());
        self.depths |= 1 << labels;
        let places = match labels {
            0 => &mut self.root,
            _ => self.zones.entry(zone.as_wire().into()).or_default(),
        };
        places.push(Arc::new(place));
    }

    /// The place that takes a query. `admits` is asked only if there are views.
    pub(crate) fn dispatch(
        &self,
        query: &mut Query,
        mut admits: impl FnMut(&Place, &mut Query) -> bool,
    ) -> Option<&Arc<Place>> {
        if !self.has_views {
            return self.find(query.qname(), query.qtype_code(), |_| true);
        }
        let (qname, qtype) = (query.qname().to_vec(), query.qtype_code());
        self.find(&qname, qtype, |place| admits(place, query))
    }

    /// The place for a name in lower-case wire form: the longest zone; for DS, which belongs to
    /// the parent (RFC 4035 §3.1.4.1), the closest zone above the name, the root excepted. Places
    /// that do not admit the query are not there.
    fn find(
        &self,
        qname: &[u8],
        qtype: u16,
        mut admits: impl FnMut(&Place) -> bool,
    ) -> Option<&Arc<Place>> {
        if self.zones.is_empty() {
            return self.root.iter().find(|place| admits(place));
        }
        let mut labels = labels_of(qname);
        let exact = self.zone(qname, labels, &mut admits);
        if qtype != types::DS && exact.is_some() {
            return exact;
        }
        let mut suffix = qname;
        while let Some(parent) = parent_of(suffix) {
            suffix = parent;
            labels = labels.saturating_sub(1);
            if labels == 0 && exact.is_some() {
                break;
            }
            if let Some(place) = self.zone(suffix, labels, &mut admits) {
                return Some(place);
            }
        }
        exact
    }

    /// Whether some query is still in work at one of the places: it holds its place until then.
    pub(crate) fn is_busy(&self) -> bool {
        self.places().any(|place| Arc::strong_count(place) > 1)
    }

    /// All places, in no order.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Arc<Place>> {
        self.zones.values().flatten().chain(&self.root)
    }

    fn zone(
        &self,
        name: &[u8],
        labels: u32,
        admits: &mut impl FnMut(&Place) -> bool,
    ) -> Option<&Arc<Place>> {
        if self.depths >> labels & 1 == 0 {
            return None;
        }
        let places = if labels == 0 { &self.root } else { self.zones.get(name)? };
        places.iter().find(|place| admits(place))
    }
}

impl Place {
    /// Whether it takes the query. A view may rest on what the plugins of the block know of it.
    pub(crate) fn admits(&self, query: &mut Query) -> bool {
        let Some(view) = &self.view else { return true };
        self.describe(query);
        view.admits(query)
    }

    /// Fills the metadata of the query before the chain runs, unless its view needed them already.
    pub(crate) fn prepare(&self, query: &mut Query) {
        if self.view.is_none() {
            self.describe(query);
        }
    }

    fn describe(&self, query: &mut Query) {
        let Some(zones) = &self.metadata else { return query.detach_metadata() };
        query.attach_metadata(Metadata::default());
        if zones.of(query).is_some() {
            self.chain.describe(query);
        }
    }
}

/// How many labels a name has, the root not counted: at most 127 fit in 255 octets.
fn labels_of(mut name: &[u8]) -> u32 {
    let mut labels = 0;
    while let Some(parent) = parent_of(name)
        && labels < u128::BITS - 1
    {
        name = parent;
        labels += 1;
    }
    labels
}

/// The name without its first label.
fn parent_of(name: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*name.first()?);
    if length == 0 { None } else { name.get(length + 1..) }
}
