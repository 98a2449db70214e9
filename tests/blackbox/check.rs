//! `dunlin check`: all mistakes at once, with their places, and no socket.

use std::net::{TcpListener, UdpSocket};

use dunlin_testkit::process::{Server, Setup};

use crate::kit::{BINARY, dunlin, run};

const FIVE_MISTAKES: &str = "\
.:{{port}} {
  erors
  bind notanif
  log {
    class bad
  }
  reload 1s
}
a.:99999 {
  whoami
}
";

fn check(corefile: &str) -> Setup {
    dunlin().argument("check").argument("-conf").argument("Corefile").file("Corefile", corefile)
}

#[test]
fn all_mistakes_are_told_with_their_places() {
    let ended = run(check(FIVE_MISTAKES));
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""));
    let mut lines: Vec<_> = ended.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "Corefile:2:3: error: Unknown directive 'erors' - did you mean 'errors'?",
            "Corefile:3:3: error: not a valid IP address or interface name: \"notanif\" (bind)",
            "Corefile:4:3: error: invalid Class: bad (log)",
            "Corefile:7:3: error: interval value must be greater or equal to 2s (reload)",
            "Corefile:9:1: error: address 99999: invalid port",
        ]
    );
}

#[test]
fn mistakes_are_objects_for_machines() {
    let ended = run(check(FIVE_MISTAKES).argument("-format").argument("json"));
    assert_eq!(ended.status, Some(1));
    let objects: Vec<serde_json::Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 5, "{}", ended.out);
    let first = &objects[0];
    assert_eq!(first["file"], "Corefile");
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(2), Some(3)));
    assert_eq!(first["severity"], "error");
    assert_eq!(first["message"], "Unknown directive 'erors'");
    assert_eq!(first["hint"], "did you mean 'errors'?");
    assert!(objects.iter().any(|object| object["plugin"] == "bind"), "{}", ended.out);
}

#[test]
fn the_exit_status_tells_whether_it_would_start() {
    // Corefile, exit status, standard output.
    let table = [
        (".:{{port}} {\n  whoami\n}\n", 0, ""),
        ("", 0, ""),
        (
            ".:{{port}} {\n  whoami\n  import *.none\n}\n",
            0,
            "Corefile:3:10: warning: No files matching import glob pattern: *.none\n",
        ),
        (
            ".:{{port}} {\n  nomad\n}\n",
            1,
            "Corefile:2:3: error: directive 'nomad' is known to CoreDNS but not to Dunlin yet\n",
        ),
        (
            ".:{{port}} {\n  whoami\n}\n.:{{port}} {\n  whoami\n}\n",
            1,
            "Corefile:4:1: error: cannot serve dns://.:{{port}} - it is already defined\n",
        ),
        (
            ".:{{port}} {\n  errors\n  whoami\n",
            1,
            "Corefile:3:3: error: Unexpected token 'whoami', expecting '}'\n",
        ),
        (
            "2001:db8::1 {\n  whoami\n}\n",
            0,
            "Corefile:1:1: warning: key 2001:db8::1 is read as zone 2001:db8:. on port 1, not as \
             an address - the reverse zone is 2001:db8::1/128; to listen on an address use \
             'bind'\n",
        ),
    ];
    for (corefile, status, expected) in table {
        let ended = run(check(corefile));
        let port = |text: &str| match text.contains("{{port}}") {
            true => text.replace("{{port}}", &ended.server.port("port").to_string()),
            false => text.to_owned(),
        };
        assert_eq!(ended.out, port(expected), "{corefile}");
        assert_eq!((ended.status, ended.err.as_str()), (Some(status), ""), "{corefile}");
    }
}

#[test]
fn mistakes_of_imported_files_have_their_places() {
    let corefile = ".:{{port}} {\n  import part\n  whoami\n}\n";
    let ended = run(check(corefile).file("part", "errors\n\n   bind 999\n"));
    assert_eq!(ended.status, Some(1));
    let text = "/part:3:4: error: not a valid IP address or interface name: \"999\" (bind)\n";
    assert!(ended.out.ends_with(text), "{}", ended.out);
}

#[test]
fn standard_input_can_be_checked() {
    let script = format!("exec {BINARY} check -conf stdin <input");
    let ended = run(Server::of("/bin/sh")
        .argument("-c")
        .argument(&script)
        .file("input", ".:53 {\n  foo\n  bar\n}\n"));
    assert_eq!(ended.status, Some(1));
    let places: Vec<_> = ended.out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["/dev/stdin:2:3:", "/dev/stdin:3:3:"], "{}", ended.out);
}

#[test]
fn no_socket_is_opened() {
    // Both ports belong to somebody else, who does not share them.
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let corefile = "\
.:{{udp}} .:{{tcp}} {
  bind 127.0.0.1
  health 127.0.0.1:{{tcp}}
  ready 127.0.0.1:{{tcp}}
  prometheus 127.0.0.1:{{tcp}}
  forward . 127.0.0.1:{{udp}}
}
";
    let (udp, tcp) = (udp.local_addr().unwrap().port(), tcp.local_addr().unwrap().port());
    let ended = run(check(corefile).set("udp", udp).set("tcp", tcp));
    assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (Some(0), "", ""));
}

#[test]
fn wrong_arguments_are_told_as_by_the_server() {
    let table = [
        ("-quiet", 2, "flag provided but not defined: -quiet\nUsage of dunlin check:\n"),
        ("-format xml", 2, "invalid value \"xml\" for flag -format: parse error\n"),
        ("-h", 0, "Usage of dunlin check:\n"),
    ];
    for (line, status, lead) in table {
        let setup = line.split(' ').fold(dunlin().argument("check"), Setup::argument);
        let ended = run(setup);
        assert_eq!(ended.status, Some(status), "{line}");
        assert!(ended.err.starts_with(lead), "{line}: {}", ended.err);
    }
}
