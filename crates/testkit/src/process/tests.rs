//! Placeholders, processes and ConfigMap swaps.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::setup::fill;
use super::{ConfigMap, Line, Server, Stream};

/// A shell in place of a server: `sh -c SCRIPT`.
fn shell(script: &str) -> super::Setup {
    Server::of("/bin/sh").argument("-c").argument(script)
}

#[test]
fn placeholders_become_what_was_set_or_ports() {
    let mut words = HashMap::from([("up".to_owned(), "127.0.0.1:7".to_owned())]);
    let filled = fill("{{up}} {{port}} {{port}} {{other}} {{ .Name }} {{}} {{", &mut words);
    let (port, other) = (&words["port"], &words["other"]);
    assert_eq!(filled, format!("127.0.0.1:7 {port} {port} {other} {{{{ .Name }}}} {{{{}}}} {{{{"));
    assert_ne!(port, other);
}

#[test]
fn output_and_exit_status_are_collected() {
    let server = shell("cat Corefile; cat sub/zone; echo $WORD >&2; exit 3")
        .file("Corefile", "{{word}}\n")
        .file("sub/zone", "no end")
        .environment("WORD", "{{word}}s")
        .set("word", "line")
        .spawn();
    assert_eq!(server.wait_exit().code(), Some(3));
    let mut lines = server.output();
    lines.sort_by_key(|line| line.stream == Stream::Err);
    let line = |stream, text: &str| Line { stream, text: text.to_owned() };
    assert_eq!(
        lines,
        [line(Stream::Out, "line"), line(Stream::Out, "no end"), line(Stream::Err, "lines")]
    );
    assert_eq!(server.wait_for_line("no"), "no end");
}

#[test]
fn signals_arrive_and_files_can_be_replaced() {
    let server =
        shell("trap 'cat Corefile; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
            .file("Corefile", "old")
            .spawn();
    server.wait_for_line("ready");
    assert_eq!(server.exit_status(), None);
    server.rewrite_corefile("new {{port}}");
    server.signal("SIGTERM");
    assert!(server.wait_exit().success());
    assert_eq!(server.lines(), ["ready".to_owned(), format!("new {}", server.port("port"))]);
    assert_eq!(fs::read_to_string(server.corefile_path()).unwrap(), server.lines()[1]);
}

#[test]
fn a_dropped_server_is_killed_and_its_directory_removed() {
    let server = shell("echo started; exec sleep 600").spawn();
    server.wait_for_line("started");
    let (directory, process) = (server.directory().to_owned(), format!("/proc/{}", server.id()));
    drop(server);
    assert!(!directory.exists() && !Path::new(&process).exists());
}

#[test]
#[should_panic(expected = "having said:\nno such directive")]
fn a_server_that_ends_instead_of_serving_fails_the_test_with_its_words() {
    shell("echo no such directive; exit 1 # {{port}}").start();
}

#[test]
fn a_config_map_changes_in_one_step() {
    let directory = tempfile::tempdir().unwrap();
    let mut map = ConfigMap::new(directory.path().join("map"));
    for files in [&[("Corefile", "1"), ("zone", "1")][..], &[("Corefile", "2"), ("other", "2")]] {
        map.swap(files);
        let mut found: Vec<_> = fs::read_dir(map.directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with(".."))
            .collect();
        found.sort();
        let mut expected: Vec<_> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        expected.sort();
        assert_eq!(found, expected);
        for (file, text) in files {
            assert_eq!(fs::read_to_string(map.path(file)).unwrap(), *text);
            assert_eq!(fs::read_link(map.path(file)).unwrap(), Path::new("..data").join(file));
        }
        let versions = fs::read_dir(map.directory())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir());
        assert_eq!(versions.count(), 2, "..data and what it points to");
    }
}
