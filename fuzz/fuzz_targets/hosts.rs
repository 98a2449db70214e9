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
            let (found, same) = (both.find(name), forward.find(name));
            assert_eq!((found.v4(), found.v6()), (same.v4(), same.v6()));
            let v4 = found.v4().iter().map(|octets| IpAddr::from(*octets));
            let v6 = found.v6().iter().map(|octets| IpAddr::from(*octets));
            let is_exact = !name.starts_with(b"\x01*");
            for address in v4.chain(v6).take(16) {
                // A name that only a wildcard stands for is in no reverse entry.
                let known = both.names_of(address).any(|found| found == name);
                assert!(known || !is_exact || text.contains("*."), "{word}");
            }
        }
    }
});
