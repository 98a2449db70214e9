//! The plugins of Dunlin, one folder each, and the ordered list of their directives: that list
//! *is* the chain. A plugin knows `dunlin_core` and, if it asks other servers, `dunlin_upstream`;
//! never another plugin, never the engine.
#![forbid(unsafe_code)]

pub mod acl;
pub mod any;
pub mod bind;
pub mod bufsize;
pub mod cache;
pub mod cancel;
pub mod chaos;
pub mod debug;
pub mod dns64;
#[cfg(feature = "dnstap")]
pub mod dnstap;
pub mod erratic;
pub mod errors;
pub mod forward;
#[cfg(feature = "geoip")]
pub mod geoip;
pub mod header;
pub mod health;
pub mod hosts;
pub mod import;
pub mod loadbalance;
pub mod local;
pub mod log;
pub mod r#loop;
pub mod metadata;
pub mod minimal;
pub mod multisocket;
pub mod nsid;
pub mod pprof;
pub mod prometheus;
pub mod ready;
pub mod reload;
pub mod rewrite;
pub mod root;
pub mod shed;
pub mod template;
pub mod timeouts;
#[cfg(feature = "trace")]
pub mod trace;
pub mod view;
pub mod whoami;

use dunlin_core::Registry;

/// All directives, outermost first. The order is CoreDNS's, but for `cancel`; `import` has no place in
/// it, because the parser replaces it.
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
        nsid::ENTRY,
        bufsize::ENTRY,
        bind::ENTRY,
        debug::ENTRY,
        #[cfg(feature = "trace")]
        trace::ENTRY,
        ready::ENTRY,
        health::ENTRY,
        pprof::ENTRY,
        shed::ENTRY,
        prometheus::ENTRY,
        errors::ENTRY,
        log::ENTRY,
        #[cfg(feature = "dnstap")]
        dnstap::ENTRY,
        // Before `timeouts` in CoreDNS. It ends all work behind it at once here, which those that count
        // and log must live to tell.
        cancel::ENTRY,
        local::ENTRY,
        dns64::ENTRY,
        any::ENTRY,
        chaos::ENTRY,
        loadbalance::ENTRY,
        rewrite::ENTRY,
        acl::ENTRY,
        cache::ENTRY,
        header::ENTRY,
        minimal::ENTRY,
        template::ENTRY,
        hosts::ENTRY,
        r#loop::ENTRY,
        forward::ENTRY,
        erratic::ENTRY,
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
        let others = names.iter().filter(|name| **name != "cancel");
        assert!(others.map(place).is_sorted(), "{names:?}");
        assert!(names.iter().all(|name| place(name).is_some()), "{names:?}");
    }
}
