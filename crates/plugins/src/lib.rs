//! The plugins of Dunlin, one folder each, and the ordered list of their directives: that list
//! *is* the chain. A plugin knows `dunlin_core` and, if it asks other servers, `dunlin_upstream`;
//! never another plugin, never the engine.
#![forbid(unsafe_code)]

pub mod bind;
pub mod cache;
pub mod debug;
pub mod dns64;
pub mod errors;
pub mod forward;
#[cfg(feature = "geoip")]
pub mod geoip;
pub mod health;
pub mod import;
pub mod loadbalance;
pub mod log;
pub mod r#loop;
pub mod metadata;
pub mod multisocket;
pub mod pprof;
pub mod prometheus;
pub mod ready;
pub mod reload;
pub mod root;
pub mod timeouts;
pub mod view;
pub mod whoami;

use dunlin_core::Registry;

/// All directives, outermost first. The order is CoreDNS's; `import` has no place in it, because
/// the parser replaces it.
#[must_use]
pub fn registry() -> Registry {
    Registry::new(vec![
        root::ENTRY,
        metadata::ENTRY,
        #[cfg(feature = "geoip")]
        geoip::ENTRY,
        timeouts::ENTRY,
        multisocket::ENTRY,
        reload::ENTRY,
        bind::ENTRY,
        debug::ENTRY,
        ready::ENTRY,
        health::ENTRY,
        pprof::ENTRY,
        prometheus::ENTRY,
        errors::ENTRY,
        log::ENTRY,
        dns64::ENTRY,
        loadbalance::ENTRY,
        cache::ENTRY,
        r#loop::ENTRY,
        forward::ENTRY,
        whoami::ENTRY,
        view::ENTRY,
    ])
}

#[cfg(test)]
mod tests {
    use dunlin_core::corefile::DIRECTIVES;

    use super::registry;

    #[test]
    fn the_order_of_the_list_is_that_of_coredns() {
        let names = registry().names();
        let place = |name: &&str| DIRECTIVES.iter().position(|known| known == name);
        assert!(names.iter().map(place).is_sorted(), "{names:?}");
        assert!(names.iter().all(|name| place(name).is_some()), "{names:?}");
    }
}
