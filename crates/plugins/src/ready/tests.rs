//! Rows of the specification that can be shown in process.

use std::sync::atomic::{AtomicBool, Ordering};

use dunlin_core::directive::{Closing, HttpResponse, OnListenFailure};
use dunlin_core::testing::{self, TestBlock};
use dunlin_core::{Directive, Entry};

use super::ENTRY;

/// Stands in for a plugin that is not ready.
const ERRATIC: Entry = Entry {
    name: "erratic",
    setup: |directive| {
        directive.ready_when(|| false);
        Ok(())
    },
};

fn get(block: &TestBlock) -> HttpResponse {
    let endpoint = &block.parts().endpoints[0];
    assert_eq!(endpoint.path, "/ready");
    (endpoint.handler)()
}

#[test]
fn the_endpoint_says_ok_or_who_is_not_ready() {
    let table = [
        ("R02", "ready 127.0.0.1:0", HttpResponse::text(200, "OK")),
        ("R04", "ready 127.0.0.1:0\nerratic", HttpResponse::text(503, "erratic")),
    ];
    for (row, text, expected) in table {
        let block = testing::block(&[ENTRY, ERRATIC], text).unwrap();
        assert_eq!(get(&block), expected, "{row}");
    }
    assert_eq!(super::answer(&["a", "b"]), HttpResponse::text(503, "a,b"));
}

#[test]
fn r05_the_endpoint_closes_first_and_a_busy_port_is_tried_again() {
    let block = testing::setup(&ENTRY, "ready").unwrap();
    let endpoint = &block.parts().endpoints[0];
    assert_eq!(endpoint.address, ":8181");
    assert_eq!(endpoint.closing, Closing::First);
    assert!(matches!(endpoint.on_failure, OnListenFailure::Retry(_)));
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let parsing = |text: &str| format!("Corefile:2 - Error during parsing: {text}");
    let inside = |text: &str| format!("Corefile:3 - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let once = "this plugin can only be used once per Server Block";
    let table = [
        ("R06", "ready x", "address x: missing port in address".to_owned()),
        ("R06", "ready a b", parsing(&format!("{count} 'b'"))),
        ("R07", "ready {\n monitor\n}", inside(&format!("{count} 'monitor'"))),
        ("R07", "ready {\n monitor a b\n}", inside(&format!("{count} 'b'"))),
        ("R07", "ready {\n monitor foo\n}", inside("monitor type 'foo' not supported")),
        ("R07", "ready {\n foo\n}", inside("unknown property 'foo'")),
        ("R08", "ready\nready", once.to_owned()),
        ("", "ready x\nready", "address x: missing port in address".to_owned()),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}

static STATE: AtomicBool = AtomicBool::new(false);

/// Stands in for a plugin that comes and goes. Setups are plain functions, so its state is static.
fn set_up_moody(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.ready_when(|| STATE.load(Ordering::SeqCst));
    Ok(())
}

#[test]
fn a_plugin_that_flips_back_counts_only_when_asked_continuously() {
    let moody = Entry { name: "moody", setup: set_up_moody };
    let table = [
        ("", "ready {\n monitor until-ready\n}", 200),
        ("R09 R12", "ready {\n monitor continuously\n}", 503),
        ("R11", "ready", 200),
    ];
    for (row, text, after) in table {
        let block = testing::block(&[ENTRY, moody], &format!("{text}\nmoody")).unwrap();
        let mut seen = Vec::new();
        for state in [false, true, false] {
            STATE.store(state, Ordering::SeqCst);
            seen.push(get(&block).status);
        }
        assert_eq!(seen, [503, 200, after], "{row} {text}");
    }
}
