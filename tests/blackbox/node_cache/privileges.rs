//! What the process may do: only what it needs, whoever starts it.

use std::fs;

use dunlin_testkit::process::Server;

use super::namespace::{
    ADDRESS, COUNT, answers, find, first, is_possible, say, start, wait_until_said,
};
use super::{BINARY, map};

/// NET_BIND_SERVICE, NET_ADMIN, NET_RAW.
const ALL: &str = "0000000000003400";

/// All threads have these rights, and no way to more.
#[track_caller]
fn assert_rights(server: &Server, rights: &str) {
    for thread in fs::read_dir(format!("/proc/{}/task", server.id())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert!(status.contains(&format!("{set}:\t{rights}\n")), "{set} {rights}\n{status}");
        }
        assert!(status.contains("NoNewPrivs:\t1\n"), "{status}");
    }
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<_> = core.split_whitespace().skip(4).collect();
    assert_eq!(words, ["0", "0", "bytes"]);
}

#[test]
fn only_the_rights_that_are_needed_are_kept() {
    if !is_possible(&["iptables"]) {
        return;
    }
    assert_rights(&start(), ALL);
    let native = first(ADDRESS, "").argument("-firewall=nftables").spawn();
    native.wait_for_line("[INFO] Added nftables table dunlin_nodelocaldns");
    assert_rights(&native, "0000000000001400");
    let local = "ip addr add 169.254.20.10/32 dev lo; ";
    let plain = first(ADDRESS, local)
        .argument("-setupinterface=false")
        .argument("-setupiptables=false")
        .spawn();
    plain.wait_for_line("Dunlin-");
    assert!(answers(&plain, ADDRESS));
    assert_rights(&plain, "0000000000000400");
}

/// Makes the namespace as root, then root's file system read-only, then another user without any right but
/// those of the manifest.
const CONFINED: &str = "\
    chown -R 65532:65532 .; ip link set lo up; ip link add nodelocaldns type bridge || exit 9; \
    mount --make-rprivate / && mount --bind . . && mount -o remount,bind,ro . \
    && mount --bind / / && mount -o remount,bind,ro / && cd \"$PWD\" || exit 9; \
    rights=+net_admin,+net_raw,+net_bind_service; \
    exec setpriv --reuid=65532 --regid=65532 --clear-groups --bounding-set=-all,$rights \
        --inh-caps=-all,$rights --ambient-caps=-all,$rights \"$@\"";

#[test]
fn another_user_with_three_rights_and_a_read_only_root_does_all_there_is_to_do() {
    if !is_possible(&["iptables", "setpriv", "mount"]) {
        return;
    }
    let may_run = std::process::Command::new("setpriv")
        .args(["--reuid=65532", "--regid=65532", "--clear-groups", BINARY, "-h"])
        .output();
    if !may_run.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIP: the binary is where other users may not run it");
        return;
    }
    let words = ["-n", "-m", "sh", "-c", CONFINED, "sh", BINARY];
    let setup = Server::of(find("unshare").unwrap());
    let setup = words.iter().fold(setup, |setup, word| setup.argument(word));
    let server = setup
        .argument("-localip")
        .argument(ADDRESS)
        .argument("-conf={{dir}}/Corefile")
        .argument("-basecorefile={{dir}}/base/Corefile.base")
        .argument("-kubednscm={{dir}}/kube-dns")
        .file(
            "base/Corefile.base",
            ".:53 {\n    bind __PILLAR__LOCAL__DNS__\n    reload\n    forward unused.test \
             __PILLAR__UPSTREAM__SERVERS__\n    whoami\n    prometheus 127.0.0.1:9253\n}\n",
        )
        .file("kube-dns/.keep", "")
        .spawn();
    server.wait_for_line("is on a read-only file system: the Corefile stays in memory");
    server.wait_for_line("Dunlin-");
    wait_until_said(&server, COUNT, "8\n");
    assert!(answers(&server, ADDRESS));
    assert!(!server.directory().join("Corefile").exists());
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    assert!(status.contains("Uid:\t65532\t65532\t65532\t65532\n"), "{status}");
    assert_rights(&server, ALL);
    // What is handed over in memory is loaded like a file.
    map(&server, "kube-dns").swap(&[("upstreamNameservers", "[\"192.0.2.1\"]")]);
    server.wait_for_line("upstream servers 192.0.2.1");
    server.wait_for_line("[INFO] Reloading complete");
    assert!(answers(&server, ADDRESS));
    let witness = super::namespace::witness(&server);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert_eq!(say(&witness, COUNT), "0\n");
    assert!(!say(&witness, "ip -o addr show dev nodelocaldns").contains(ADDRESS));
}
