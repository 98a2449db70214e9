//! Two processes on one node: a new one beside an old one, after a dead one, and one that fails.

use dunlin_testkit::process::Server;

use super::namespace::{answers, beside, first, is_possible, say, wait_for_owner, wait_until_said};

const ADDRESS: &str = "169.254.20.10";
const COUNT: &str = "iptables -w -t raw -S | grep -c 'skip conntrack' || true";

fn start() -> Server {
    let server = first(ADDRESS, "").spawn();
    server.wait_for_line("Dunlin-");
    wait_until_said(&server, COUNT, "8\n");
    server
}

#[test]
fn a_new_process_takes_over_and_the_old_one_removes_nothing() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let old = start();
    let new = beside(&old, ADDRESS).spawn();
    new.wait_for_line("Dunlin-");
    wait_for_owner(&new);
    old.signal("TERM");
    assert_eq!(old.wait_exit().code(), Some(0));
    old.wait_for_line("interface and rules belong to another process now: they stay");
    assert_eq!(say(&new, COUNT), "8\n");
    assert!(answers(&new, ADDRESS));
    new.signal("INT");
    assert_eq!(new.wait_exit().code(), Some(0));
    new.wait_for_line("[INFO] Tearing down");
}

#[test]
fn a_new_process_that_fails_changes_nothing() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let old = start();
    let failing = beside(&old, ADDRESS)
        .argument("-basecorefile={{dir}}/bad/Corefile.base")
        .file("bad/Corefile.base", ".:53 {\n    nonsense\n}\n")
        .spawn();
    assert_eq!(failing.wait_exit().code(), Some(1));
    assert_eq!(say(&old, COUNT), "8\n");
    assert!(say(&old, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
    assert!(answers(&old, ADDRESS));
    old.signal("TERM");
    assert_eq!(old.wait_exit().code(), Some(0));
}

#[test]
fn what_a_killed_process_left_is_adopted() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let old = start();
    let witness = beside(&old, ADDRESS).argument("-p").argument("5353").argument("-health-port=1");
    let witness = witness
        .argument("-interfacename=other")
        .argument("-setupinterface=false")
        .argument("-setupiptables=false")
        .file("base/Corefile.base", ".:5353 {\n    bind 127.0.0.1\n    whoami\n}\n")
        .spawn();
    witness.wait_for_line("Dunlin-");
    old.signal("KILL");
    old.wait_exit();
    assert_eq!(say(&witness, COUNT), "8\n");
    let next = beside(&witness, ADDRESS).spawn();
    next.wait_for_line("Dunlin-");
    wait_for_owner(&next);
    assert!(answers(&witness, ADDRESS));
    assert_eq!(say(&witness, COUNT), "8\n");
    next.signal("TERM");
    assert_eq!(next.wait_exit().code(), Some(0));
    assert_eq!(say(&witness, COUNT), "0\n");
    assert!(!say(&witness, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
}

#[test]
fn a_failed_start_leaves_no_address_behind() {
    if !is_possible(&[]) {
        return;
    }
    // The shell stays, and with it the namespace.
    let script =
        "ip link set lo up; ip link add nodelocaldns type bridge; \"$@\"; echo ended; sleep 1000";
    let setup = Server::of(super::namespace::find("unshare").unwrap());
    let words = ["-n", "sh", "-c", script, "sh", super::BINARY, "-localip", ADDRESS];
    let shell = words
        .iter()
        .fold(setup, |setup, word| setup.argument(word))
        .argument("-conf={{dir}}/Corefile")
        .argument("-basecorefile={{dir}}/Corefile.base")
        .file("Corefile.base", ".:53 {\n    nonsense\n}\n")
        .spawn();
    shell.wait_for_line("ended");
    assert!(!say(&shell, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
}
