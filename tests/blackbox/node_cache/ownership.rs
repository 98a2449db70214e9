//! What a process does about interface and rules that it cannot or need not keep.

use dunlin_testkit::process::Server;

use super::namespace::{
    ADDRESS, COUNT, answers, beside, first, is_possible, say, start, wait_for_owner,
    wait_until_said, witness,
};

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

/// Keeps queries from the server.
const MUTE: &str = "nft add table ip mute; nft add chain ip mute in '{ type filter hook input priority 0; }'; \
                    nft add rule ip mute in ip daddr 169.254.20.10 udp dport 53 drop";

#[test]
fn rules_of_a_dead_process_go_with_one_that_never_got_to_serve() {
    if !is_possible(&["iptables", "nft"]) {
        return;
    }
    let dead = start();
    let witness = witness(&dead);
    dead.signal("KILL");
    dead.wait_exit();
    say(&witness, MUTE);
    let server = beside(&witness, ADDRESS).spawn();
    server.wait_for_line("Dunlin-");
    assert_eq!(say(&witness, COUNT), "8\n");
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert_eq!(say(&witness, COUNT), "0\n");
    assert!(!say(&witness, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
}

#[test]
fn a_process_that_cannot_answer_itself_withdraws_its_rules_and_ends() {
    if !is_possible(&["iptables", "nft"]) {
        return;
    }
    let server = start();
    let witness = witness(&server);
    say(&server, MUTE);
    server.wait_for_line("[ERROR] no answer to our own queries for 5s: giving up");
    assert_eq!(server.wait_exit().code(), Some(1));
    assert_eq!(say(&witness, COUNT), "0\n");
    assert!(!say(&witness, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
}

#[test]
fn dns_and_rules_stay_for_the_time_of_lameduck() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let template = ".:53 {\n    bind __PILLAR__LOCAL__DNS__\n    whoami\n    health \
                    127.0.0.1:8080 {\n        lameduck 3s\n    }\n}\n";
    let server = first(ADDRESS, "").file("base/Corefile.base", template).spawn();
    wait_until_said(&server, COUNT, "8\n");
    server.signal("TERM");
    server.wait_for_line("[INFO] plugin/health: Going into lameduck mode for 3s");
    assert!(answers(&server, ADDRESS));
    assert_eq!(say(&server, COUNT), "8\n");
    assert_eq!(server.wait_exit().code(), Some(0));
    let lines = server.lines();
    let place = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(place("Going into lameduck") < place("Tearing down"), "{lines:?}");
}

#[test]
fn a_link_that_a_predecessor_takes_along_is_made_again() {
    if !is_possible(&["iptables", "nft"]) {
        return;
    }
    // Nothing is answered at first, so that the process owns nothing yet.
    let server = first(ADDRESS, &format!("{MUTE}; ")).spawn();
    server.wait_for_line("Dunlin-");
    say(&server, "ip addr del 169.254.20.10/32 dev nodelocaldns; nft delete table ip mute");
    wait_for_owner(&server);
    wait_until_said(&server, COUNT, "8\n");
    assert!(answers(&server, ADDRESS));
}

#[test]
fn a_link_that_is_made_again_gets_its_addresses_and_its_note() {
    if !is_possible(&["iptables"]) {
        return;
    }
    // An original that ends beside us takes the link along. Here a bridge is what can be made anew.
    let server = start();
    wait_for_owner(&server);
    say(&server, "ip link del nodelocaldns && ip link add nodelocaldns type bridge");
    wait_for_owner(&server);
    assert!(answers(&server, ADDRESS));
    let witness = witness(&server);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert!(!say(&witness, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
}
