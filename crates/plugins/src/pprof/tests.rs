//! The acceptance rows of the specification (P01 to P11) that can be shown in process.

use std::path::Path;

use dunlin_core::directive::{HttpResponse, OnListenFailure};
use dunlin_core::testing::{self, TestBlock};

use super::ENTRY;
use super::pages::thread_lines;

fn get(block: &TestBlock, path: &str) -> Option<HttpResponse> {
    let endpoint = block.parts().endpoints.iter().find(|endpoint| endpoint.path == path)?;
    Some((endpoint.handler)())
}

#[test]
fn p01_p03_p11_what_the_paths_answer() {
    let block = testing::setup(&ENTRY, "pprof 127.0.0.1:0").unwrap();
    let table = [
        ("P01", "/debug/pprof", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("P01", "/debug/pprof/", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("", "/debug/pprof/symbol", 200, "text/plain; charset=utf-8", "num_symbols: 0\n"),
        (
            "",
            "/debug/pprof/threadcreate",
            200,
            "text/plain; charset=utf-8",
            "threadcreate profile: ",
        ),
        ("P11", "/debug/pprof/profile", 501, "text/plain; charset=utf-8", "There is no Go runtime"),
        ("", "/debug/pprof/heap", 501, "text/plain; charset=utf-8", "There is no Go runtime"),
    ];
    for (row, path, status, kind, lead) in table {
        let page = get(&block, path).unwrap();
        assert_eq!((page.status, page.content_type), (status, kind), "{row} {path}");
        let body = String::from_utf8(page.body).unwrap();
        assert!(body.starts_with(lead), "{row} {path}: {body}");
    }
    for path in ["/", "/debug", "/debug/pprof/x"] {
        assert_eq!(get(&block, path), None, "P03 {path}");
    }
    let index = String::from_utf8(get(&block, "/debug/pprof/").unwrap().body).unwrap();
    assert!(index.contains("<a href=\"/debug/pprof/cmdline\">"), "{index}");
}

#[test]
fn p02_the_command_line_has_nul_between_its_words() {
    let block = testing::setup(&ENTRY, "pprof 127.0.0.1:0").unwrap();
    let body = get(&block, "/debug/pprof/cmdline").unwrap().body;
    let words: Vec<String> = std::env::args().collect();
    assert_eq!(String::from_utf8(body).unwrap(), words.join("\0"));
}

#[test]
fn threads_are_listed_with_their_time() {
    let tasks = tempfile::tempdir().unwrap();
    let stats = [
        ("7", "7 (worker-1) S 1 1 1 0 -1 1 2 3 4 5 30 9 0 0 20 0 1"),
        ("8", "8 (a) (b) R 1 1 1 0 -1 1 2 3 4 5 1 2 0"),
        ("9", "9 (cut) S 1"),
    ];
    for (number, stat) in stats {
        std::fs::create_dir(tasks.path().join(number)).unwrap();
        std::fs::write(tasks.path().join(number).join("stat"), stat).unwrap();
    }
    let expected = [
        "a) (b: 1 ticks in user mode, 2 in kernel mode\n",
        "worker-1: 30 ticks in user mode, 9 in kernel mode\n",
    ];
    assert_eq!(thread_lines(tasks.path()), expected);
    assert!(thread_lines(Path::new("/nowhere")).is_empty());
}

#[test]
fn p04_to_p09_mistakes_are_told_as_coredns_tells_them() {
    let parsing = |line: u32, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let once = "this plugin can only be used once per Server Block";
    let table = [
        ("P04", "pprof x", parsing(2, "address x: missing port in address")),
        ("P05", "pprof a b", parsing(2, &format!("{count} 'b'"))),
        ("P06", "pprof\npprof", once.to_owned()),
        ("P07", "pprof {\nblock x\n}", parsing(3, "property 'block' invalid integer value 'x'")),
        ("P07", "pprof {\nblock 1 2\n}", parsing(3, &format!("{count} '2'"))),
        ("P09", "pprof {\nfoo\n}", parsing(3, "unknown property 'foo'")),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}

#[test]
fn p08_p10_what_is_accepted_and_where_it_listens() {
    let table = [
        ("P10", "pprof", "localhost:6053"),
        ("P08", "pprof {\nblock -5\n}", "localhost:6053"),
        ("", "pprof {\nblock\n}", "localhost:6053"),
        ("", "pprof :6060", ":6060"),
    ];
    for (row, text, address) in table {
        let block = testing::setup(&ENTRY, text).unwrap();
        let endpoints = &block.parts().endpoints;
        assert!(endpoints.iter().all(|endpoint| endpoint.address == address), "{row} {text}");
        assert!(endpoints.iter().all(|endpoint| endpoint.on_failure == OnListenFailure::Abort));
    }
}
