//! The plugins of Dunlin, one folder each, and the ordered list of their directives: that list
//! *is* the chain. A plugin knows `dunlin_core` and, if it asks other servers, `dunlin_upstream`;
//! never another plugin, never the engine.
#![forbid(unsafe_code)]

pub mod cache;

use dunlin_core::Registry;

/// All directives, outermost first. The order is CoreDNS's.
#[must_use]
pub fn registry() -> Registry {
    Registry::new(vec![cache::ENTRY])
}
