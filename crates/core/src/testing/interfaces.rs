//! The interfaces of the machine on which tests seem to run.

use crate::directive::{Interface, Interfaces};

pub(super) fn of_a_test() -> Interfaces {
    Interfaces::new(|| {
        let machine = [
            ("lo", &["127.0.0.1", "::1"][..]),
            ("eth0", &["192.0.2.1", "2001:db8::1", "fe80::1"]),
            ("dummy0", &[]),
        ];
        let interface = |(name, addresses): (&str, &[&str])| Interface {
            name: name.to_owned(),
            addresses: addresses.iter().filter_map(|text| text.parse().ok()).collect(),
        };
        Ok(machine.into_iter().map(interface).collect())
    })
}
