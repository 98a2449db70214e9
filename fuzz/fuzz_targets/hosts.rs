//! Any text as a hosts file: no panic, bounded work, and what goes in comes out both ways.
//!
//! `cargo +nightly fuzz run hosts`
#![no_main]

use std::net::IpAddr;

use dunlin_core::zones::{Zone, Zones, wire_name};
use dunlin_plugins::hosts::{Direction, Options, Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let of_root = |reverse| Options { zones: Zones::new(vec![Zone::root()]), reverse };
    let Ok(both) = Table::read(octets, &of_root(Direction::Both)) else { return };
    let Ok(forward) = Table::read(octets, &of_root(Direction::Forward)) else { panic!("one way only") };
    assert!(forward.len() <= both.len() && both.len() <= 2 * forward.len());
    let text = String::from_utf8_lossy(octets);
    for word in text.split_ascii_whitespace() {
        if let Ok(name) = wire_name(word) {
            let name = name.as_bytes();
            assert_eq!(both.v4(name), forward.v4(name));
            assert_eq!(both.v6(name), forward.v6(name));
            let v4 = both.v4(name).iter().map(|address| IpAddr::V4(*address));
            let v6 = both.v6(name).iter().map(|address| IpAddr::V6(*address));
            let is_exact = !name.starts_with(b"\x01*");
            for address in v4.chain(v6).take(16) {
                // A name that only a wildcard stands for is in no reverse entry.
                let known = both.names_of(address).any(|found| found == name);
                assert!(known || !is_exact || text.contains("*."), "{word}");
            }
        }
    }
});
