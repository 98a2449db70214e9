//! The tables of spec core.md §5 and §6, in their order.

use std::path::Path;

use super::*;
use crate::{MemoryLoader, Settings, Source, parse};

fn keys(text: &str) -> Result<Vec<String>, String> {
    let keys = ServerKey::parse(text, 53).map_err(|error| error.to_string())?;
    Ok(keys.iter().map(ToString::to_string).collect())
}

#[test]
fn keys_name_transport_zone_and_port() {
    let table = [
        (".", "dns://.:53"),
        (".:53", "dns://.:53"),
        ("example.org", "dns://example.org.:53"),
        ("example.org.:1053", "dns://example.org.:1053"),
        ("dns://x:1", "dns://x.:1"),
        ("tls://.", "tls://.:853"),
        ("quic://.", "quic://.:853"),
        ("grpc://.", "grpc://.:443"),
        ("https://.", "https://.:443"),
        ("https3://.", "https3://.:443"),
        ("https3://x:8443", "https3://x.:8443"),
        ("EXAMPLE.ORG", "dns://example.org.:53"),
        (".:+5300", "dns://.:5300"),
        (".:0005300", "dns://.:5300"),
        (".:0", "dns://.:0"),
        ("10.0.0.1", "dns://10.0.0.1.:53"),
        ("2001:db8::1", "dns://2001:db8:.:1"),
        ("fe80::abcd", "dns://fe80::abcd.:53"),
        ("[::1]:53", "dns://[::1].:53"),
        ("[::1]", "dns://[::1].:53"),
        ("*.example", "dns://*.example.:53"),
        ("münchen.example", "dns://münchen.example.:53"),
        (r"a\.b.x", r"dns://a\.b.x.:53"),
        (r"a\.", r"dns://a\..:53"),
        (r"a\046.x", r"dns://a\046.x.:53"),
        ("a.:5300,b.:5300", "dns://a.:5300,b.:5300"),
        ("}x", "dns://}x.:53"),
        ("10.0.0.0/33", "dns://10.0.0.0/33.:53"),
    ];
    for (text, expected) in table {
        assert_eq!(keys(text), Ok(vec![expected.to_owned()]), "{text}");
    }
}

#[test]
fn bad_keys_are_refused_in_coredns_words() {
    let long = format!("{}.org", "x".repeat(300));
    let label = format!("{}.org", "x".repeat(64));
    let name = ["x".repeat(63), "x".repeat(63), "x".repeat(63), "x".repeat(62)].join(".");
    let table = [
        (".:", "expecting data after last colon: \".:\"".to_owned()),
        ("dns://", "expecting data after last colon: \"\"".to_owned()),
        ("", "expecting data after last colon: \"\"".to_owned()),
        (":53", "zone is not a valid domain name: ".to_owned()),
        (".:99999", "address 99999: invalid port".to_owned()),
        (".:-5", "address -5: invalid port".to_owned()),
        (".:abc", "zone is not a valid domain name: .:abc".to_owned()),
        (".:5300{", "zone is not a valid domain name: .:5300{".to_owned()),
        ("x.org:abc", "invalid port \"abc\" in key \"x.org:abc\"".to_owned()),
        (".example.org", "zone is not a valid domain name: .example.org".to_owned()),
        ("a..b", "zone is not a valid domain name: a..b".to_owned()),
        (&label, format!("zone is not a valid domain name: {label}")),
        (&name, format!("zone is not a valid domain name: {name}")),
        (&long, "specified zone is too long: 304 > 255".to_owned()),
        (r"a\", r"zone is not a valid domain name: a\".to_owned()),
        (r"a\256", r"zone is not a valid domain name: a\256".to_owned()),
        ("::/0", "invalid CIDR ::/0".to_owned()),
        ("::ffff:b:f/115", "invalid CIDR ::ffff:b:f/115".to_owned()),
        ("0::1/64", "invalid CIDR 0::1/64".to_owned()),
        ("unix:///run/dns", "unknown transport \"unix://\"".to_owned()),
        ("http://.", "unknown transport \"http://\"".to_owned()),
        ("DNS://.", "unknown transport \"DNS://\"".to_owned()),
        ("tls://dns://.", "unknown transport \"dns://\"".to_owned()),
    ];
    for (text, expected) in table {
        assert_eq!(keys(text), Err(expected), "{text}");
    }
}

#[test]
fn networks_become_reverse_zones() {
    let v4 = |first: u8, last: u8, rest: &str| {
        (first..=last).map(|n| format!("{n}.{rest}.in-addr.arpa.")).collect()
    };
    let one = |zone: &str| vec![zone.to_owned()];
    let v6 = "8.b.d.0.1.0.0.2.ip6.arpa.";
    let table: Vec<(&str, Vec<String>)> = vec![
        ("10.0.0.0/8", one("10.in-addr.arpa.")),
        ("10.0.0.0/24", one("0.0.10.in-addr.arpa.")),
        ("10.0.0.0/15", v4(0, 1, "10")),
        ("192.168.1.1/23", v4(0, 1, "168.192")),
        ("10.129.60.0/22", v4(60, 63, "129.10")),
        ("10.9.3.0/18", v4(0, 63, "9.10")),
        ("192.168.1.0/25", v4(0, 127, "1.168.192")),
        ("128.0.0.0/1", (128..=255).map(|n| format!("{n}.in-addr.arpa.")).collect()),
        ("10.0.0.0/32", one("0.0.0.10.in-addr.arpa.")),
        ("0.0.0.0/0", one("in-addr.arpa.")),
        ("2001:db8::/32", one(v6)),
        ("2001:db8::/31", vec![v6.to_owned(), v6.replacen('8', "9", 1)]),
        ("2001:db8::/112", one(&format!("{}{v6}", "0.".repeat(20)))),
        ("2001:db8::/108", one(&format!("{}{v6}", "0.".repeat(19)))),
        ("2001:db8::/31:5300", vec![v6.to_owned(), v6.replacen('8', "9", 1)]),
        ("10.0.0.0/24:5300", one("0.0.10.in-addr.arpa.")),
    ];
    for (text, expected) in table {
        let keys = ServerKey::parse(text, 53).unwrap();
        let port = if text.ends_with(":5300") { 5300 } else { 53 };
        assert!(keys.iter().all(|key| key.port == port), "{text}");
        assert_eq!(keys.into_iter().map(|key| key.zone).collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(normalize_zone(text), expected, "{text}");
    }
    for (length, zones) in [(29, 8), (30, 4)] {
        assert_eq!(normalize_zone(&format!("2001:db8::/{length}")).len(), zones);
    }
}

#[test]
fn zone_arguments_lose_scheme_and_port_and_bad_ones_vanish() {
    assert_eq!(normalize_zone("tls://Example.ORG:5300"), ["example.org."]);
    assert_eq!(normalize_zone("."), ["."]);
    for bad in ["", "a..b", "x:", "::/0"] {
        assert!(normalize_zone(bad).is_empty(), "{bad}");
    }
}

#[test]
fn preferred_syntax_is_that_of_rfc_1035_2_3_1() {
    let good = [".", "example.org.", "a.", "x-1.a1.", "10.in-addr.arpa.", "_x.ip6.arpa.", "a--b."];
    let bad = [
        "10.0.0.1.",
        "{}.",
        "*.example.",
        "_tcp.x.",
        "münchen.example.",
        r"a\.b.x.",
        "a-.",
        "-a.",
        "1a.",
    ];
    assert!(good.into_iter().all(preferred_syntax));
    for zone in bad {
        assert!(!preferred_syntax(zone), "{zone}");
    }
}

#[test]
fn keys_of_a_file_are_complained_about_in_coredns_order() {
    let text = b". x:99999 {\n}\n\n.: http://y 2001:db8::1 {\n}";
    let settings =
        Settings { loader: &MemoryLoader::new(), environment: &|_| None, directives: None };
    let corefile =
        parse(&Source { name: "Corefile", directory: Path::new("/"), text }, &settings).corefile;
    let (keys, diagnostics) = corefile.server_keys(1053);
    assert_eq!(keys[0].iter().map(ToString::to_string).collect::<Vec<_>>(), ["dns://.:1053"]);
    assert_eq!(
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "error inspecting server blocks: expecting data after last colon: \".:\"",
            "Corefile:4 - Error during parsing: unknown transport \"http://\"",
            "key 2001:db8::1 is read as zone 2001:db8:. on port 1, not as an address",
            "address 99999: invalid port",
        ]
    );
}
