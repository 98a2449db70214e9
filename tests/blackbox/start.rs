//! Which Corefiles start, and what the others are told: core.md §25, rows 1 to 35, in their order.

use dunlin_testkit::client::ask;
use hickory_proto::rr::RecordType;

use crate::kit::{dunlin, run, with_corefile};

/// Corefile, further files, and the first line on standard error.
struct Refused {
    row: &'static str,
    corefile: &'static str,
    files: &'static [(&'static str, &'static str)],
    first_line: &'static str,
}

const fn refused(row: &'static str, corefile: &'static str, first_line: &'static str) -> Refused {
    Refused { row, corefile, files: &[], first_line }
}

const REFUSED: &[Refused] = &[
    refused(
        "2",
        ".:{{port}} {\n  whoami\n  foo bar\n}\n",
        "Corefile:3 - Error during parsing: Unknown directive 'foo'",
    ),
    refused(
        "3",
        ".:{{port}} {\n  nomad\n}\n",
        "no action found for directive 'nomad' with server type 'dns' (missing a plugin?)",
    ),
    refused(
        "4, server block",
        ".:{{port}} {\n  errors\n  whoami\n",
        "Corefile:3 - Syntax error: Unexpected token 'whoami', expecting '}'",
    ),
    refused(
        "4, plugin block",
        ".:{{port}} {\n  whoami {\n  x\n  y\n",
        "Corefile:4 - Error during parsing: Unexpected EOF",
    ),
    refused(
        "6, and stance 2",
        ".:{{port}} {}\n",
        "Corefile:1 - Error during parsing: Unexpected '{}' where a key or a block is expected",
    ),
    refused(
        "9, brace",
        "a.:{{port}}, {\n  whoami\n}\n",
        "Corefile:1 - Error during parsing: Expected another address but had '{' - check for \
         extra comma",
    ),
    refused("9, end", "a.:{{port}},", "Corefile:1 - Error during parsing: Unexpected EOF"),
    refused(
        "10",
        ".:{{port}} {\n  whoami\n}\n.:{{port}} {\n  whoami\n}\n",
        "cannot serve dns://.:{{port}} - it is already defined",
    ),
    refused(
        "10, bound",
        ".:{{port}} {\n  bind 127.0.0.20\n}\n.:{{port}} {\n  bind 127.0.0.20\n}\n",
        "cannot serve dns://.:{{port}} on 127.0.0.20 - it is already defined",
    ),
    refused(
        "11, bound first",
        ".:{{port}} {\n  bind 127.0.0.20\n}\n.:{{port}} {\n  whoami\n}\n",
        "cannot serve dns://.:{{port}} - zone overlap listener capacity with dns://.:{{port}} on \
         127.0.0.20",
    ),
    refused(
        "11, unbound first",
        ".:{{port}} {\n  whoami\n}\n.:{{port}} {\n  bind 127.0.0.20\n}\n",
        "cannot serve dns://.:{{port}} on 127.0.0.20 - zone overlap listener capacity with \
         dns://.:{{port}}",
    ),
    refused(
        "12",
        ".:{{port}} .:{{port}} {\n  whoami\n}\n",
        "cannot serve dns://.:{{port}} - it is already defined",
    ),
    refused(
        "13",
        "10.0.0.0/24:{{port}} 0.0.10.in-addr.arpa:{{port}} {\n  whoami\n}\n",
        "cannot serve dns://0.0.10.in-addr.arpa.:{{port}} - it is already defined",
    ),
    refused(
        "21",
        ".:{{port}} {\n  root \"a\nb\"\n\n  foo\n}\n",
        "Corefile:5 - Error during parsing: Unknown directive 'foo'",
    ),
    refused(
        "22, line one of the token",
        ".:{{port}} {\n  whoami \"abc\n}\n",
        "Corefile:2 - Syntax error: Unexpected token 'abc",
    ),
    refused(
        "24",
        "{$DUNLIN_NOT_SET}:{{port}} {\n  whoami\n}\n",
        "error inspecting server blocks: zone is not a valid domain name: ",
    ),
    refused(
        "25",
        ".:{{port}} {\n  bind {$BAD}\n}\n",
        "plugin/bind: not a valid IP address or interface name: \"no such\"",
    ),
    refused(
        "26, missing",
        ".:{{port}} {\n  import absent\n}\n",
        "Corefile:2 - Error during parsing: File to import not found: absent",
    ),
    refused(
        "26, directory",
        ".:{{port}} {\n  import .\n}\n",
        "Corefile:2 - Error during parsing: Could not import {{dir}}: is a directory",
    ),
    refused(
        "26, two arguments",
        ".:{{port}} {\n  import a b\n}\n",
        "Corefile:2 - Error during parsing: Import takes only one argument (glob pattern or file)",
    ),
    refused(
        "26, none",
        ".:{{port}} {\n  import\n}\n",
        "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after \
         'import'",
    ),
    refused(
        "27, after use",
        ".:{{port}} {\n  import s\n}\n(s) {\n  whoami\n}\n",
        "Corefile:2 - Error during parsing: File to import not found: s",
    ),
    refused(
        "27, twice",
        "(s) {\n  whoami\n}\n(s) {\n  whoami\n}\n",
        "Corefile:4 - Error during parsing: redeclaration of previously declared snippet s",
    ),
    Refused {
        row: "29",
        corefile: ".:{{port}} {\n  import x.conf\n}\n",
        files: &[("x.conf", "whoami\nbogus\n")],
        first_line: "{{dir}}/x.conf:2 - Error during parsing: Unknown directive 'bogus'",
    },
    refused(
        "33, as an error",
        ".:{{port}} {\n  bind lo {\n    except lo\n  }\n}\n",
        "plugin/bind: no address is left to listen on",
    ),
    refused(
        "§9, foreign address",
        ".:{{port}} {\n  bind 203.0.113.99\n}\n",
        "Listen: listen tcp 203.0.113.99:{{port}}: bind: cannot assign requested address",
    ),
    refused(
        "§9, bind",
        ".:{{port}} {\n  bind\n}\n",
        "plugin/bind: at least one address or interface name is expected",
    ),
    refused("§5, port", ".:99999 {\n  whoami\n}\n", "address 99999: invalid port"),
    refused(
        "§2, twice in a block",
        ".:{{port}} {\n  errors\n  errors\n}\n",
        "plugin/errors: this plugin can only be used once per Server Block",
    ),
    refused(
        "§24, 2",
        "http://.:{{port}} {\n  whoami\n}\n",
        "Corefile:1 - Error during parsing: unknown transport \"http://\"",
    ),
    refused(
        "§24, 6",
        "tls://.:{{port}} {\n  whoami\n}\n",
        "cannot serve tls://.:{{port}} - tls requires TLS, no TLS config found",
    ),
];

#[test]
fn a_bad_corefile_is_told_in_the_first_line_and_ends_with_1() {
    for case in REFUSED {
        let mut setup = with_corefile(case.corefile).environment("BAD", "no such");
        for (path, text) in case.files {
            setup = setup.file(path, text);
        }
        // A directory that is part of a message is as the kernel names it.
        let ended = run(setup);
        let directory = ended.server.directory().canonicalize().unwrap();
        let mut expected = case.first_line.replace("{{dir}}", directory.to_str().unwrap());
        if expected.contains("{{port}}") {
            expected = expected.replace("{{port}}", &ended.server.port("port").to_string());
        }
        assert_eq!(
            ended.err.lines().next(),
            Some(expected.as_str()),
            "row {}: {ended:?}",
            case.row
        );
        assert_eq!(ended.status, Some(1), "row {}", case.row);
        assert_eq!(ended.out, "", "row {}", case.row);
    }
}

#[test]
fn an_odd_corefile_that_coredns_takes_starts() {
    let table = [
        ("5", ".:{{port}}\n{\n  whoami\n}\n"),
        ("7", "a.example:{{port}},\nb.example:{{port}} {\n  whoami\n}\n"),
        ("16, without end", ".:{{port}}\nwhoami\n"),
        ("16, with end", ".:{{port}}\nwhoami\n}\n"),
        ("19", "\u{feff}.:{{port}} {\r\n\u{a0}errors\r\n\x0cwhoami\r\n}\r\n"),
        ("20", "\".:{{port}}\" {\n  \"bind\" \"127.0.0.1\"\n  \"whoami\"\n}\n"),
        ("23", "{$Z}:{{port}} {%Z%}x:{{port}} {\n  {$D}\n}\n"),
        ("26, empty glob", ".:{{port}} {\n  import *.none\n  whoami\n}\n"),
        ("27, before use", "(s) {\n  whoami\n}\n.:{{port}} {\n  import s\n}\n"),
        (
            "28",
            ".:{{port}} {\n  health 127.0.0.1:{{health}} {\n    import lame\n  }\n  whoami\n}\n",
        ),
        ("31", ".:{{port}} {\n  bind lo\n  whoami\n}\n"),
    ];
    for (row, corefile) in table {
        let server = with_corefile(corefile)
            .file("lame", "lameduck 0s\n")
            .environment("Z", "b.example")
            .environment("D", "whoami")
            .start();
        let response = ask(server.address(), "host.b.example.", RecordType::A).send();
        assert_eq!(response.message.additionals.len(), 2, "row {row}: {:?}", response.message);
    }
}

#[test]
fn one_zone_on_several_addresses_has_a_listener_for_each() {
    let table = [
        (
            "14",
            ".:{{port}} {\n  bind 127.0.0.20\n  whoami\n}\n.:{{port}} {\n  bind 127.0.0.21\n  whoami\n}\n",
        ),
        ("32", ".:{{port}} {\n  bind 127.0.0.20\n  bind 127.0.0.21\n  whoami\n}\n"),
    ];
    for (row, corefile) in table {
        let server = with_corefile(corefile).spawn();
        for ip in ["127.0.0.20", "127.0.0.21"] {
            let address = (ip.parse::<std::net::Ipv4Addr>().unwrap(), server.port("port")).into();
            server.wait_for_reply(address);
            let response = ask(address, "a.example.", RecordType::A).tcp().send();
            assert_eq!(response.message.additionals.len(), 2, "row {row}");
        }
        let other = (std::net::Ipv4Addr::LOCALHOST, server.port("port")).into();
        assert!(ask(other, "a.example.", RecordType::A).try_send().is_err(), "row {row}");
    }
}

#[test]
fn row_18_a_corefile_that_cannot_be_read_ends_the_start() {
    let table = [
        ("absent", "loading Caddyfile via flag: open absent: no such file or directory\n"),
        (".", "loading Caddyfile via flag: read .: is a directory\n"),
    ];
    for (path, text) in table {
        let ended = run(dunlin().argument("-conf").argument(path));
        assert_eq!((ended.status, ended.err.as_str()), (Some(1), text));
    }
}

#[test]
fn row_17_without_server_blocks_the_built_in_corefile_runs() {
    // It has fixed ports for health, ready and metrics: one after the other.
    for corefile in [None, Some(""), Some("# nothing\n"), Some("(snippet) {\n  whoami\n}\n")] {
        let mut setup = dunlin().argument("-p").argument("{{port}}");
        if let Some(text) = corefile {
            setup = setup.file("Corefile", text);
        }
        let server = setup.start();
        server.wait_for_line(&format!(".:{} on 127.0.0.1", server.port("port")));
        server.signal("TERM");
        assert!(server.wait_exit().success(), "{corefile:?}: {:?}", server.lines());
    }
}

#[test]
fn row_30_garbage_is_refused_or_served_but_never_crashes() {
    let garbage = [
        "\\\\\\\\\u{236}.\nacl",
        "\0\u{1}\u{fffd}{{{",
        "{",
        "}",
        "(",
        "\"",
        "import",
        "{$}",
        "a {\nb {\nc {",
    ];
    for text in garbage {
        let server = with_corefile(text).argument("-p").argument("{{port}}").spawn();
        dunlin_testkit::wait::until(format_args!("an end or a banner for {text:?}"), || {
            server.exit_status().is_some()
                || server.lines().iter().any(|line| line.starts_with("Dunlin-"))
        });
        let panicked = server.lines().iter().any(|line| line.contains("panicked"));
        assert!(!panicked, "{text:?}: {:?}", server.lines());
        if let Some(status) = server.exit_status() {
            assert_eq!(status.code(), Some(1), "{text:?}");
        }
    }
}

#[test]
fn a_port_that_another_program_has_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = run(with_corefile(".:{{taken}} {\n  bind 127.0.0.1\n  whoami\n}\n")
        .set("taken", address.port()));
    let text = format!("Listen: listen tcp {address}: bind: address already in use\n");
    assert_eq!((ended.status, ended.err), (Some(1), text));
}
