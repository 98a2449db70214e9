//! Corefiles: what is accepted, what is refused, and what is said then.

use dunlin_core::directive::Entry;
use dunlin_core::testing;

use super::super::ENTRY;
use super::parse;

#[test]
fn corefiles_that_are_refused_and_what_is_said() {
    let arguments = |token: &str| {
        format!(
            "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending \
             after '{token}'"
        )
    };
    let in_block = |property: &str| format!("forward . 192.0.2.1 {{\n{property}\n}}");
    let sixteen = format!("forward . {}", vec!["192.0.2.1"; 16].join(" "));
    let table: Vec<(String, String)> = vec![
        ("forward".into(), arguments("forward")),
        ("forward .".into(), arguments(".")),
        (sixteen, "more than 15 TOs configured: 16".into()), // F43
        (
            "forward . https://127.0.0.1".into(), // F44
            "'https' is not supported as a destination protocol in forward: https://127.0.0.1"
                .into(),
        ),
        ("forward . dns://".into(), "invalid address: \"dns://\"".into()),
        ("forward . /dev/null".into(), "no valid upstream addresses found".into()), // F45
        (
            "forward . 127.0.0.1:53x".into(), // F47
            "not an IP address, file, or valid domain: \"127.0.0.1:53x\"".into(),
        ),
        (
            "forward . /nonexistent".into(),
            "not an IP address, file, or valid domain: \"/nonexistent\"".into(),
        ),
        ("forward a..b 192.0.2.1".into(), "unable to normalize 'a..b'".into()),
        (in_block("max_fails x"), "strconv.ParseUint: parsing \"x\": invalid syntax".into()),
        (
            in_block("max_connect_attempts -1"),
            "strconv.ParseUint: parsing \"-1\": invalid syntax".into(),
        ),
        (in_block("health_check -1s"), "health_check can't be negative: -1000000000".into()),
        (in_block("health_check 5"), "time: missing unit in duration \"5\"".into()),
        (in_block("health_check 5s x"), "health_check: unknown option x".into()),
        (in_block("health_check 5s domain a..b"), "health_check: invalid domain name a..b".into()),
        (in_block("expire -1s"), "expire can't be negative: -1s".into()),
        (in_block("max_age -1s"), "max_age can't be negative: -1s".into()),
        (in_block("max_age 5s"), "max_age (5s) must not be less than expire (10s)".into()),
        (in_block("max_concurrent -4"), "max_concurrent can't be negative: -4".into()),
        (in_block("max_idle_conns -1"), "max_idle_conns can't be negative: -1".into()),
        (in_block("read_timeout 0s"), "read_timeout must be positive: 0s".into()),
        (in_block("next FOO"), "FOO is not a valid rcode".into()), // F49
        (in_block("failover NOERROR"), "NoError cannot be used in failover".into()),
        (in_block("doh_method PUT"), "doh_method must be either POST or GET".into()),
        (in_block("resolver x"), "resolver must be an IP address or IP:port: \"x\"".into()),
        (in_block("source_address x"), "invalid IP address: x".into()),
        (
            in_block("policy best"),
            "Corefile:3 - Error during parsing: unknown policy 'best'".into(),
        ),
        (in_block("speed 9"), "Corefile:3 - Error during parsing: unknown property 'speed'".into()),
        (
            in_block("tls /nonexistent.pem"), // F41
            "error reading /nonexistent.pem: open /nonexistent.pem: no such file or directory"
                .into(),
        ),
        (
            "forward . tls://127.0.0.1%b {\ntls_servername a\n}".into(),
            "both forward ('a') and proxy level ('b') TLS servernames are set for upstream proxy \
             'tls://127.0.0.1:853'"
                .into(),
        ),
    ];
    for (text, error) in table {
        let said = testing::setup(&ENTRY, &text).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said, error, "{text}");
    }
    for property in
        ["except", "max_fails", "health_check 5s domain", "force_tcp x", "next", "tls a b c d"]
    {
        let said = testing::setup(&ENTRY, &in_block(property)).map(|_| ()).unwrap_err().to_string();
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
