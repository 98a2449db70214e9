//! Which server block answers a name: the zones of one listener.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use dunlin_core::directive::Timeouts;
use dunlin_core::gate::Opcodes;
use dunlin_core::plugin::Chain;
use dunlin_core::site::Site;
use dunlin_core::wire::types;
use dunlin_core::zones::{Zone, Zones};
use foldhash::fast::RandomState;

/// What one listener serves in one generation.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) zones: HashMap<Box<[u8]>, Vec<Arc<Place>>, RandomState>,
    /// As metrics and messages name the listener: `dns://127.0.0.1:53`.
    pub(crate) server: String,
    /// Opcodes beside QUERY that some chain of the listener asked for.
    pub(crate) opcodes: Opcodes,
    /// What connections may take.
    pub(crate) timeouts: Timeouts,
    /// Whether some chain of the listener serves classes other than IN.
    pub(crate) any_class: bool,
}

/// One zone of one server block on one listener.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) site: Arc<Site>,
    pub(crate) chain: Arc<Chain>,
    /// The zones whose queries get their metadata filled.
    pub(crate) metadata: Option<Zones>,
    /// Whether a panic ends the process.
    pub(crate) debug: bool,
    /// Whether the log of a panic shows where it came from.
    pub(crate) stacktrace: bool,
}

impl Table {
    /// Adds a zone; of several blocks with one zone the first in file order is asked first.
    pub(crate) fn add(&mut self, zone: &Zone, place: Place) {
        self.zones.entry(zone.as_wire().into()).or_default().push(Arc::new(place));
    }

    /// The place for a name in lower-case wire form: the longest zone; for DS, which belongs to
    /// the parent (RFC 4035 §3.1.4.1), the closest zone above the name, the root excepted.
    pub(crate) fn find(&self, qname: &[u8], qtype: u16) -> Option<&Arc<Place>> {
        let exact = self.zone(qname);
        if qtype != types::DS && exact.is_some() {
            return exact;
        }
        let mut suffix = qname;
        while let Some(parent) = parent_of(suffix) {
            suffix = parent;
            let is_root = suffix.len() == 1;
            if is_root && exact.is_some() {
                break;
            }
            if let Some(place) = self.zone(suffix) {
                return Some(place);
            }
        }
        exact
    }

    /// Whether some query is still in work at one of the places: it holds its place until then.
    pub(crate) fn is_busy(&self) -> bool {
        self.zones.values().flatten().any(|place| Arc::strong_count(place) > 1)
    }

    fn zone(&self, name: &[u8]) -> Option<&Arc<Place>> {
        self.zones.get(name)?.first()
    }
}

/// The name without its first label.
fn parent_of(name: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*name.first()?);
    if length == 0 { None } else { name.get(length + 1..) }
}
