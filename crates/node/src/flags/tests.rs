//! Rows of defaults, odd values and mistakes.

use std::time::Duration;

use super::{Flags, Kind, TABLE};

fn of(pairs: &[(&str, &str)]) -> Option<Flags> {
    let mut flags = Flags::default();
    for (name, value) in pairs {
        flags.value(name, value)?;
    }
    Some(flags)
}

#[test]
fn local_addresses_are_checked_with_the_texts_of_node_cache() {
    let table = [
        ("", Err("invalid localip specified - \"\"")),
        (",", Err("invalid localip specified - \",\"")),
        ("1.2.3", Err("invalid localip specified - \"1.2.3\"")),
        ("169.254.20.10", Ok("169.254.20.10")),
        ("169.254.20.10,", Ok("169.254.20.10")),
        (" 127.0.0.21 , 10.96.0.10", Ok("127.0.0.21 10.96.0.10")),
        ("169.254.20.10,fd00::10", Ok("169.254.20.10 fd00::10")),
        ("fd00::0001", Ok("fd00::0001")),
    ];
    for (text, expected) in table {
        let found = of(&[("localip", text)]).unwrap().check();
        let found = found.map(|config| config.bind).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn ports_are_numbers() {
    let table = [
        ("dns.port", "abc", "invalid port specified - \"abc\""),
        ("p", "", "invalid port specified - \"\""),
        ("health-port", "x", "invalid healthcheck port specified - \"x\""),
    ];
    for (name, value, text) in table {
        let flags = of(&[("localip", "::1"), (name, value)]).unwrap();
        assert_eq!(flags.check().unwrap_err().to_string(), text, "{name}");
    }
    let config = of(&[("localip", "::1"), ("p", "5353")]).unwrap().check().unwrap();
    assert_eq!((config.port, config.health_port), (5353, 8080));
}

#[test]
fn the_firewall_is_one_of_four_and_the_dead_man_wants_nftables() {
    let local = ("localip", "::1");
    for text in ["auto", "iptables", "nftables", "none"] {
        assert!(of(&[("firewall", text)]).is_some(), "{text}");
    }
    for text in ["", "nft", "Auto"] {
        assert!(of(&[("firewall", text)]).is_none(), "{text}");
    }
    let table = [
        ("1s", "auto", true),
        ("500ms", "nftables", true),
        ("0", "iptables", true),
        ("1s", "iptables", false),
        ("1s", "none", false),
    ];
    for (life, firewall, is_good) in table {
        let flags = of(&[local, ("dead-man", life), ("firewall", firewall)]).unwrap();
        assert_eq!(flags.check().is_ok(), is_good, "{life} {firewall}");
    }
    assert!(of(&[("dead-man", "10ms")]).is_none());
    assert!(of(&[("dead-man", "1")]).is_none());
}

#[test]
fn the_interval_is_what_the_operator_meant() {
    let seconds = |count| Some((Duration::from_secs(count), false));
    let table = [
        ("60", seconds(60)),
        ("60s", seconds(60)),
        ("60ns", seconds(60)),
        ("3ns", seconds(3)),
        ("1m", seconds(60)),
        ("1s", seconds(1)),
        ("10ms", Some((Duration::from_secs(1), true))),
        ("0", None),
        ("0s", None),
        ("-1s", None),
        ("soon", None),
        ("", None),
    ];
    for (text, expected) in table {
        let flags = of(&[("syncinterval", text)]);
        let found = flags.map(|flags| (flags.interval, flags.warning.is_some()));
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn every_flag_of_the_table_is_taken() {
    for flag in TABLE {
        let mut flags = Flags::default();
        match flag.kind {
            Kind::Switch => {
                let on = flag.default != "true";
                flags.switch(flag.name, on);
                assert_ne!(flags, Flags::default(), "{}", flag.name);
            }
            Kind::Text => {
                let value = if flag.default == "auto" { "none" } else { "7" };
                assert!(flags.value(flag.name, value).is_some(), "{}", flag.name);
            }
            Kind::Duration => assert!(flags.value(flag.name, "7s").is_some(), "{}", flag.name),
        }
    }
    assert!(TABLE.is_sorted_by_key(|flag| flag.name));
    assert!(Flags::default().value("no-such-flag", "").is_none());
}
