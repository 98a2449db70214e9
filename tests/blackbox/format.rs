//! `dunlin fmt`: the canonical layout, and whether a file has it.

use dunlin_testkit::process::{Server, Setup};

use crate::kit::{BINARY, dunlin, run};

const LAID_OUT: &str = "# all\n.:53 {\n    log {\n        class all # of them\n    }\n}\n";
const CROOKED: &str = "# all\n.:53\n{\n  log {\n\tclass   all# of them\n}\n\n\n}";

fn format(line: &str, corefile: &str) -> Setup {
    line.split(' ').fold(dunlin().argument("fmt"), Setup::argument).file("Corefile", corefile)
}

#[test]
fn the_layout_is_printed_and_the_file_stays() {
    for line in ["Corefile", "-conf Corefile", "--check=false Corefile"] {
        for corefile in [CROOKED, LAID_OUT] {
            let ended = run(format(line, corefile));
            let found = (ended.status, ended.out.as_str(), ended.err.as_str());
            assert_eq!(found, (Some(0), LAID_OUT, ""), "{line}");
            let path = ended.server.directory().join("Corefile");
            assert_eq!(std::fs::read_to_string(path).unwrap(), corefile);
        }
    }
    let ended = run(dunlin().argument("fmt").file("Corefile", CROOKED));
    assert_eq!((ended.status, ended.out.as_str()), (Some(0), LAID_OUT));
}

#[test]
fn a_check_names_the_file_that_would_change() {
    let table = [(LAID_OUT, 0, ""), (CROOKED, 1, "Corefile\n"), ("", 0, "")];
    for (corefile, status, out) in table {
        let ended = run(format("-check Corefile", corefile));
        let found = (ended.status, ended.out.as_str(), ended.err.as_str());
        assert_eq!(found, (Some(status), out, ""), "{corefile}");
    }
}

#[test]
fn what_has_no_layout_is_told_with_its_place() {
    // Arguments, Corefile, exit status, how standard error begins.
    let table = [
        ("Corefile", ". {\n  log\n", 1, "Corefile:2:3: error: Unexpected end of file, expecting"),
        ("-check Corefile", "}\n", 1, "Corefile:1:1: error: Unexpected '}' because no matching"),
        ("absent", "", 1, "absent: "),
        ("-x", "", 2, "flag provided but not defined: -x\nUsage of dunlin fmt:\n"),
        ("-h", "", 0, "Usage of dunlin fmt:\n"),
    ];
    for (line, corefile, status, lead) in table {
        let ended = run(format(line, corefile));
        assert_eq!((ended.status, ended.out.as_str()), (Some(status), ""), "{line}");
        assert!(ended.err.starts_with(lead), "{line}: {}", ended.err);
    }
}

#[test]
fn standard_input_is_laid_out() {
    let script =
        format!("{BINARY} fmt -conf stdin <input && exec {BINARY} fmt -check stdin <input");
    let ended = run(Server::of("/bin/sh").argument("-c").argument(&script).file("input", CROOKED));
    let out = format!("{LAID_OUT}/dev/stdin\n");
    assert_eq!((ended.status, ended.out), (Some(1), out));
}
