//! Corefiles: what is accepted, what is refused, and what is said then.

use dunlin_core::directive::Entry;
use dunlin_core::testing;

use super::super::ENTRY;
use super::parse;

/// `forward` lines, and what is said.
const REFUSED: &[(&str, &str)] = &[
    (
        "forward . https://127.0.0.1", // F44
        "'https' is not supported as a destination protocol in forward: https://127.0.0.1",
    ),
    ("forward . dns://", "invalid address: \"dns://\""),
    ("forward . /dev/null", "no valid upstream addresses found"), // F45
    (
        "forward . 127.0.0.1:53x", // F47
        "not an IP address, file, or valid domain: \"127.0.0.1:53x\"",
    ),
    ("forward . /nonexistent", "not an IP address, file, or valid domain: \"/nonexistent\""),
    ("forward a..b 192.0.2.1", "unable to normalize 'a..b'"),
    (
        "forward . tls://127.0.0.1%b {\ntls_servername a\n}",
        "both forward ('a') and proxy level ('b') TLS servernames are set for upstream proxy \
      'tls://127.0.0.1:853'",
    ),
];

/// Properties, and what is said.
const REFUSED_PROPERTIES: &[(&str, &str)] = &[
    ("max_fails x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
    ("max_connect_attempts -1", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
    ("health_check -1s", "health_check can't be negative: -1000000000"),
    ("health_check 5", "time: missing unit in duration \"5\""),
    ("health_check 5s x", "health_check: unknown option x"),
    ("health_check 5s domain a..b", "health_check: invalid domain name a..b"),
    ("expire -1s", "expire can't be negative: -1s"),
    ("max_age -1s", "max_age can't be negative: -1s"),
    ("max_age 5s", "max_age (5s) must not be less than expire (10s)"),
    ("max_concurrent -4", "max_concurrent can't be negative: -4"),
    ("max_idle_conns -1", "max_idle_conns can't be negative: -1"),
    ("udp_pool 1023", "udp_pool must be between 1024 and 16384: 1023"),
    ("udp_pool 16385", "udp_pool must be between 1024 and 16384: 16385"),
    ("udp_pool -1", "udp_pool can't be negative: -1"),
    ("read_timeout 0s", "read_timeout must be positive: 0s"),
    ("next FOO", "FOO is not a valid rcode"), // F49
    ("failover NOERROR", "NoError cannot be used in failover"),
    ("doh_method PUT", "doh_method must be either POST or GET"),
    ("resolver x", "resolver must be an IP address or IP:port: \"x\""),
    ("source_address x", "invalid IP address: x"),
    ("policy best", "Corefile:3 - Error during parsing: unknown policy 'best'"),
    ("speed 9", "Corefile:3 - Error during parsing: unknown property 'speed'"),
    (
        "tls /nonexistent.pem", // F41
        "error reading /nonexistent.pem: open /nonexistent.pem: no such file or directory",
    ),
];

/// Properties with too few arguments, or too many.
const MISCOUNTED: &[&str] = &[
    "except",
    "max_fails",
    "health_check 5s domain",
    "force_tcp x",
    "next",
    "tls a b c d",
    "udp_pool",
];

fn refusal(text: &str) -> String {
    testing::setup(&ENTRY, text).map(|_| ()).unwrap_err().to_string()
}

fn with_property(property: &str) -> String {
    format!("forward . 192.0.2.1 {{\n{property}\n}}")
}

#[test]
fn what_is_refused_and_what_is_said() {
    for (text, said) in REFUSED {
        assert_eq!(refusal(text), *said, "{text}");
    }
    for (property, said) in REFUSED_PROPERTIES {
        assert_eq!(refusal(&with_property(property)), *said, "{property}");
    }
    let sixteen = format!("forward . {}", vec!["192.0.2.1"; 16].join(" "));
    assert_eq!(refusal(&sixteen), "more than 15 TOs configured: 16"); // F43
}

#[test]
fn arguments_are_counted() {
    for (text, token) in [("forward", "forward"), ("forward .", ".")] {
        let said = format!(
            "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending \
             after '{token}'"
        );
        assert_eq!(refusal(text), said);
    }
    for property in MISCOUNTED {
        let said = refusal(&with_property(property));
        assert!(said.contains("Wrong argument count"), "{property}: {said}");
    }
}

#[tokio::test]
async fn corefiles_that_are_accepted() {
    for text in [
        "forward . [::1]",                                         // F46
        "forward . 127.0.0.1 127.0.0.1",                           // F51
        "forward . 127.0.0.1 {\nread_timeout 3s\n}",               // F50
        "forward . 127.0.0.1 {\nnext nxdomain\nnext_on_nodata\n}", // F49
        "forward . 127.0.0.1 {\nexpire 5s\nmax_age 5s\nmax_idle_conns 3\n}",
        "forward . 127.0.0.1 {\nhealth_check 0s no_rec domain Example.ORG\n}",
        "forward . 127.0.0.1 {\nhealth_check 5s\nmax_fails 0\nmax_concurrent 0\n}",
        "forward . 127.0.0.1 {\nexcept a b\nexcept c\nprefer_udp\nforce_tcp\n}",
        "forward . 127.0.0.1 {\nresolver 192.0.2.1 192.0.2.1:5353\nsource_address 127.0.0.1\n}",
        "forward . 127.0.0.1 {\nudp_pool 1024\n}",
        "forward . 127.0.0.1 {\ndoh_method get\nfailfast_all_unhealthy_upstreams\n}",
        "forward . 127.0.0.1 {\npolicy sequential\npolicy round_robin\nmax_connect_attempts 0\n}",
        "forward example.org 127.0.0.1\nforward . 127.0.0.2",
        "forward 10.9.3.0/18 127.0.0.1", // F52
    ] {
        testing::setup(&ENTRY, text).unwrap_or_else(|error| panic!("{text}: {error:#}"));
    }
}

#[test]
fn f52_a_network_that_is_several_zones_means_the_first() {
    let entry = Entry {
        name: "forward",
        setup: |directive| {
            let configs = parse(directive)?;
            assert_eq!(configs[0].from.as_str(), "0.9.10.in-addr.arpa.");
            Ok(())
        },
    };
    testing::setup(&entry, "forward 10.9.3.0/18 127.0.0.1").unwrap();
}
