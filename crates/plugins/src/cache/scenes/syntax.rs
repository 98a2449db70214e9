//! The directive: what it accepts, what that means, and what it says about the rest.

use std::time::Duration;

use dunlin_core::corefile::Diagnostic;
use dunlin_core::testing::{TestBlock, setup};
use dunlin_core::zones::{Zone, Zones};
use dunlin_core::{Directive, Entry};
use parking_lot::Mutex;

use crate::cache::ENTRY;
use crate::cache::config::{Bounds, Config, Prefetch, Refresh, Stale};
use crate::cache::parse::parse;
use crate::cache::store::Limits;

static PARSED: Mutex<Option<Config>> = Mutex::new(None);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn remember(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    *PARSED.lock() = Some(parse(directive)?);
    Ok(())
}

fn parsed(text: &str) -> Config {
    let _alone = ONE_AT_A_TIME.lock();
    setup(&Entry { name: "cache", setup: remember }, &text.replace("; ", "\n")).unwrap();
    PARSED.lock().take().unwrap()
}

fn zones(names: &[&str]) -> Zones {
    Zones::new(names.iter().map(|name| Zone::new(name).unwrap()).collect())
}

fn stale(refresh: Refresh) -> Stale {
    let (up_to, recheck) = (Duration::from_hours(1), Duration::ZERO);
    Stale { up_to, refresh, ttl: 0, recheck, prefer_positive: false }
}

type Change = fn(&mut Config);

const MEANINGS: &[(&str, Change)] = &[
    ("cache", |_| {}),
    ("cache 25", |c| (c.success.max_ttl, c.denial.max_ttl) = (25, 25)),
    ("cache 25 a.test B.test", |c| {
        (c.success.max_ttl, c.denial.max_ttl) = (25, 25);
        c.zones = zones(&["a.test", "b.test"]);
    }),
    ("cache 10s", |c| c.zones = zones(&["10s"])),
    ("cache a.test 25", |c| c.zones = zones(&["a.test", "25"])),
    ("cache 25 10.0.0.0/8", |c| {
        (c.success.max_ttl, c.denial.max_ttl) = (25, 25);
        c.zones = zones(&["10.in-addr.arpa"]);
    }),
    ("cache 25 {; denial 10 15; }", |c| {
        c.success.max_ttl = 25;
        c.denial = Bounds { capacity: 10, max_ttl: 15, min_ttl: 5 };
    }),
    ("cache {; success 10 60; success 20; }", |c| {
        c.success = Bounds { capacity: 20, max_ttl: 60, min_ttl: 5 };
    }),
    ("cache {; success 10 5 1 99; }", |c| {
        c.success = Bounds { capacity: 10, max_ttl: 5, min_ttl: 1 };
    }),
    ("cache {; success -10; }", |c| c.success.capacity = 0),
    ("cache {; prefetch 0; }", |_| {}),
    ("cache {; prefetch 3; }", |c| {
        c.prefetch = Some(Prefetch { amount: 3, gap: Duration::from_mins(1), percentage: 10 });
    }),
    ("cache {; prefetch 3 10s 20%; }", |c| {
        c.prefetch = Some(Prefetch { amount: 3, gap: Duration::from_secs(10), percentage: 20 });
    }),
    ("cache {; serve_stale; }", |c| c.stale = Some(stale(Refresh::Immediate))),
    ("cache {; serve_stale 0; serve_stale_policy prefer_positive; }", |_| {}),
    ("cache {; serve_stale 1h VERIFY; }", |c| c.stale = Some(stale(Refresh::Verify))),
    ("cache {; serve_stale 1h verify 100ms; }", |c| {
        c.stale = Some(stale(Refresh::VerifyWithin(Duration::from_millis(100))));
    }),
    ("cache {; serve_stale 1h verify 0 30s; }", |c| {
        c.stale = Some(Stale { ttl: 30, ..stale(Refresh::Verify) });
    }),
    ("cache {; serve_stale 1h verify 100ms 30s 5m; }", |c| {
        let refresh = Refresh::VerifyWithin(Duration::from_millis(100));
        c.stale = Some(Stale { ttl: 30, recheck: Duration::from_mins(5), ..stale(refresh) });
    }),
    ("cache {; serve_stale 30m immediate 30s 10s; serve_stale; }", |c| {
        c.stale = Some(stale(Refresh::Immediate));
    }),
    ("cache {; serve_stale_policy PREFER_POSITIVE; serve_stale; }", |c| {
        c.stale = Some(Stale { prefer_positive: true, ..stale(Refresh::Immediate) });
    }),
    ("cache {; servfail 10s; }", |c| c.servfail = 10),
    ("cache {; servfail 0; }", |c| c.servfail = 0),
    ("cache {; disable success; }", |c| c.no_success = zones(&["."])),
    ("cache {; disable denial a.test B.test; }", |c| c.no_denial = zones(&["a.test", "b.test"])),
    ("cache {; keepttl; }", |c| c.keep_ttl = true),
    ("cache {; }", |_| {}),
];

#[test]
fn each_property_means_what_it_says() {
    for (text, change) in MEANINGS {
        let mut expected = Config::new(zones(&["."]));
        change(&mut expected);
        assert_eq!(parsed(text), expected, "{text}");
    }
}

/// With rows C42 to C47 of the specification.
const MISTAKES: &[(&str, &str)] = &[
    ("cache 0", "cache TTL can not be zero or negative: 0"),
    ("cache -1", "cache TTL can not be zero or negative: -1"),
    (
        "cache {; success; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'success'",
    ),
    ("cache {; success a; }", r#"strconv.Atoi: parsing "a": invalid syntax"#),
    ("cache {; success 1 0; }", "cache TTL can not be zero or negative: 0"),
    ("cache {; denial 1 5 -2; }", "cache min TTL can not be negative: -2"),
    (
        "cache {; prefetch; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'prefetch'",
    ),
    (
        "cache {; prefetch 1 1m 10% 4; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after '4'",
    ),
    ("cache {; prefetch -1; }", "prefetch amount should be positive: -1"),
    ("cache {; prefetch 1 5; }", r#"time: missing unit in duration "5""#),
    ("cache {; prefetch 1 1m 50; }", "last character of percentage should be `%`, but is: '0'"),
    ("cache {; prefetch 1 1m 95%; }", "percentage should fall in range [10, 90]: 95"),
    ("cache {; prefetch 1 1m 9%; }", "percentage should fall in range [10, 90]: 9"),
    ("cache {; serve_stale -1s; }", "invalid negative duration for serve_stale"),
    ("cache {; serve_stale a; }", r#"time: invalid duration "a""#),
    ("cache {; serve_stale 1h Never; }", "invalid value for serve_stale refresh mode: never"),
    (
        "cache {; serve_stale 1h verify a; }",
        r#"invalid serve_stale verify timeout: time: invalid duration "a""#,
    ),
    ("cache {; serve_stale 1h verify -1s; }", "invalid negative timeout for serve_stale verify"),
    (
        "cache {; serve_stale 1h immediate a; }",
        r#"invalid serve_stale response TTL: time: invalid duration "a""#,
    ),
    ("cache {; serve_stale 1h immediate -1s; }", "invalid negative response TTL for serve_stale"),
    (
        "cache {; serve_stale 1h immediate 1500ms; }",
        "serve_stale response TTL must be a whole number of seconds",
    ),
    (
        "cache {; serve_stale 1h immediate 1200000h; }",
        "serve_stale response TTL exceeds the DNS TTL range",
    ),
    (
        "cache {; serve_stale 1h immediate 1s a; }",
        r#"invalid serve_stale failure recheck: time: invalid duration "a""#,
    ),
    (
        "cache {; serve_stale 1h immediate 1s -1s; }",
        "invalid negative failure recheck for serve_stale",
    ),
    (
        "cache {; serve_stale 1h verify 0 1s 301s; }",
        "serve_stale failure recheck cannot exceed 5 minutes",
    ),
    (
        "cache {; serve_stale 1h immediate 1s 1s 1s; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after '1s'",
    ),
    (
        "cache {; serve_stale 1h verify 0 1s 1s 1s; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after '1s'",
    ),
    ("cache {; serve_stale; serve_stale_policy none; }", "invalid serve_stale_policy: none"),
    ("cache {; serve_stale_policy prefer_positive; }", "serve_stale_policy requires serve_stale"),
    (
        "cache {; serve_stale_policy prefer_positive; serve_stale_policy prefer_positive; }",
        "serve_stale_policy can only be specified once",
    ),
    (
        "cache {; servfail; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'servfail'",
    ),
    ("cache {; servfail -1s; }", "invalid negative ttl for servfail"),
    ("cache {; servfail 301s; }", "caching SERVFAIL responses over 5 minutes is not permitted"),
    ("cache {; servfail 5; }", r#"time: missing unit in duration "5""#),
    (
        "cache {; disable; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'disable'",
    ),
    ("cache {; disable both; }", r#"cache type for disable must be "success" or "denial""#),
    (
        "cache {; keepttl 1; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after '1'",
    ),
    (
        "cache {; SUCCESS 10; }",
        "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'SUCCESS'",
    ),
    ("cache; cache", "this plugin can only be used once per Server Block"),
    ("cache 0; cache", "cache TTL can not be zero or negative: 0"),
];

#[test]
fn mistakes_have_the_texts_of_coredns() {
    for (text, expected) in MISTAKES {
        let error = setup(&ENTRY, &text.replace("; ", "\n")).map(|_: TestBlock| ()).unwrap_err();
        let compatible = error.downcast_ref::<Diagnostic>().map(|told| told.compatible.clone());
        assert_eq!(compatible.unwrap_or_else(|| error.to_string()), *expected, "{text}");
    }
}

#[test]
fn the_capacity_is_coredns_and_bounded_in_octets() {
    let bounds = |capacity| Bounds { capacity, max_ttl: 1, min_ttl: 0 };
    let table = [
        (10_000, 512 << 20, (39, 39, 81_920)),
        (1000, 512 << 20, (4, 4, 81_920)),
        (0, 512 << 20, (4, 4, 81_920)),
        (100_000, 1 << 30, (390, 390, 798_720)),
        (10_000_000, 512 << 20, (39_062, 39_062, 524_288)),
        (10_000, 64 << 20, (39, 39, 65_536)),
    ];
    for (capacity, memory, (success, denial, octets)) in table {
        let mut config = Config::new(zones(&["."]));
        (config.success, config.denial) = (bounds(capacity), bounds(capacity));
        assert_eq!(Limits::of(&config, memory), Limits { success, denial, octets }, "{capacity}");
    }
}
