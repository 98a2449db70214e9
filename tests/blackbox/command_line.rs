//! Arguments, exit status, pid file, standard input: core.md §21.

use std::fs;

use dunlin_testkit::process::{Server, Setup};

use crate::kit::{BINARY, dunlin, out, run, with_corefile};

const WHOAMI: &str = ".:{{port}} {\n  bind 127.0.0.1\n  whoami\n}\n";

fn arguments(line: &str) -> Setup {
    line.split_whitespace().fold(dunlin(), Setup::argument)
}

#[test]
fn what_only_prints_ends_at_once() {
    let usage = "Usage of dunlin:\n  -conf string\n";
    let version = "Dunlin-";
    // Arguments, exit status, how standard output and standard error begin.
    let table = [
        ("-version", 0, version, ""),
        ("--version", 0, version, ""),
        ("-version=true -conf absent", 0, version, ""),
        ("-h", 0, "", usage),
        ("-help", 0, "", usage),
        ("-bogus", 2, "", "flag provided but not defined: -bogus\nUsage of dunlin:\n"),
        ("-conf", 2, "", "flag needs an argument: -conf\nUsage of dunlin:\n"),
        ("-quiet=maybe", 2, "", "invalid boolean value \"maybe\" for -quiet: parse error\n"),
        ("-p abc", 2, "", "invalid value \"abc\" for flag -p: parse error\nUsage of dunlin:\n"),
        ("-driver none", 2, "", "invalid value \"none\" for flag -driver: parse error\n"),
        ("-log-format xml", 2, "", "invalid value \"xml\" for flag -log-format: parse error\n"),
    ];
    for (line, status, on_out, on_err) in table {
        let ended = run(arguments(line));
        assert_eq!(ended.status, Some(status), "{line}: {ended:?}");
        for (found, lead) in [(&ended.out, on_out), (&ended.err, on_err)] {
            assert!(
                found.starts_with(lead) && found.is_empty() == lead.is_empty(),
                "{line}: {found}"
            );
        }
    }
}

#[test]
fn the_version_has_two_lines() {
    let ended = run(arguments("-version"));
    let lines: Vec<_> = ended.out.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains('/'), "{lines:?}");
}

#[test]
fn the_plugins_are_listed_one_a_line_sorted_and_then_an_empty_line() {
    let ended = run(arguments("-plugins"));
    assert_eq!(ended.status, Some(0));
    let names: Vec<_> = ended.out.lines().collect();
    let (last, names) = names.split_last().unwrap();
    assert_eq!(*last, "");
    assert!(names.is_sorted() && names.contains(&"whoami") && names.contains(&"bind"), "{names:?}");
}

#[test]
fn extra_words_are_told_with_the_time_and_end_with_1() {
    let ended = run(arguments("-quiet foo bar"));
    assert_eq!((ended.status, ended.out.as_str()), (Some(1), ""));
    let (time, rest) = ended.err.split_at(19);
    assert_eq!(rest, " extra command line arguments: [foo bar]\n");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000/00/00 00:00:00");
}

#[test]
fn a_corefile_comes_from_standard_input() {
    let script = format!("exec {BINARY} -conf stdin <input");
    let from_input =
        |text: &str| Server::of("/bin/sh").argument("-c").argument(&script).file("input", text);
    let server = from_input(WHOAMI).start();
    // It was read once and never changes: a signal loads the same again.
    server.signal("USR1");
    server.wait_for_line("[INFO] Reloading complete");
    server.wait_for_reply(server.address());

    let ended = run(from_input(".:{{port}} {\n\n\n\n  foo\n}\n"));
    assert_eq!(ended.status, Some(1));
    assert_eq!(ended.err, "/dev/stdin:5 - Error during parsing: Unknown directive 'foo'\n");
}

#[test]
fn the_pid_file_is_there_while_the_server_runs() {
    for end in ["TERM", "INT", "QUIT"] {
        let server = with_corefile(WHOAMI).argument("-pidfile").argument("{{dir}}/pid").start();
        let path = server.directory().join("pid");
        let text = dunlin_testkit::wait::some("the pid file", || {
            fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))
        });
        assert_eq!(text, format!("{}\n", server.id()));
        server.signal(end);
        assert!(server.wait_exit().success());
        assert!(!path.exists(), "after SIG{end}");
    }
}

#[test]
fn a_pid_file_that_cannot_be_written_is_told_and_no_more() {
    let server = with_corefile(WHOAMI).argument("-pidfile").argument("{{dir}}/no/pid").start();
    server.wait_for_line("[ERROR] Could not write pidfile: ");
    server.wait_for_reply(server.address());
}

#[test]
fn a_start_that_fails_writes_no_pid_file() {
    let ended = run(with_corefile(".:{{port}} {\n  foo\n}\n").argument("-pidfile").argument("pid"));
    assert_eq!(ended.status, Some(1));
    assert!(!ended.server.directory().join("pid").exists());
}

#[test]
fn quiet_leaves_the_zones_and_the_banner_out() {
    let server = with_corefile(WHOAMI).argument("-quiet").start();
    server.signal("TERM");
    assert!(server.wait_exit().success());
    assert_eq!(out(&server), ["[INFO] SIGTERM: Shutting down servers then terminating"]);
}

#[test]
fn the_port_of_keys_without_one_is_an_argument() {
    for flag in ["-p", "-dns.port"] {
        let server = with_corefile(". {\n  bind 127.0.0.1\n  whoami\n}\n")
            .argument("-p=1")
            .argument(flag)
            .argument("{{port}}")
            .start();
        server.wait_for_line(&format!(".:{} on 127.0.0.1", server.port("port")));
    }
}

#[test]
fn without_conf_the_corefile_of_the_working_directory_is_read() {
    let server = dunlin().file("Corefile", WHOAMI).start();
    server.wait_for_line(&format!(".:{} on 127.0.0.1", server.port("port")));
    server.rewrite_corefile(&WHOAMI.replace(".:", "one.example:"));
    server.signal("USR1");
    server.wait_for_line("Reloading complete");
}
