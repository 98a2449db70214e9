//! Interface and rules in a namespace: made, adopted, repaired, removed; with every backend.

use std::os::unix::fs::{PermissionsExt, symlink};

use dunlin_testkit::process::Server;
use dunlin_testkit::{metrics, wait};

use super::namespace::{
    ADDRESS, COUNT, answers, beside, find, first, is_possible, say, scrape, wait_for_owner,
    wait_until_said, witness,
};

const RAW: &str = "\
-P PREROUTING ACCEPT
-P OUTPUT ACCEPT
-A PREROUTING -d IP -p udp -m udp --dport 53 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A PREROUTING -d IP -p tcp -m tcp --dport 53 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A OUTPUT -s IP -p tcp -m tcp --sport 8080 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A OUTPUT -d IP -p tcp -m tcp --dport 8080 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A OUTPUT -d IP -p udp -m udp --dport 53 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A OUTPUT -d IP -p tcp -m tcp --dport 53 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A OUTPUT -s IP -p udp -m udp --sport 53 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
-A OUTPUT -s IP -p tcp -m tcp --sport 53 -m comment --comment \"NodeLocal DNS Cache: skip conntrack\" -j X
";
const FILTER: &str = "\
-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-A INPUT -d IP -p udp -m udp --dport 53 -m comment --comment \"NodeLocal DNS Cache: allow DNS traffic\" -j ACCEPT
-A INPUT -d IP -p tcp -m tcp --dport 53 -m comment --comment \"NodeLocal DNS Cache: allow DNS traffic\" -j ACCEPT
-A OUTPUT -s IP -p udp -m udp --sport 53 -m comment --comment \"NodeLocal DNS Cache: allow DNS traffic\" -j ACCEPT
-A OUTPUT -s IP -p tcp -m tcp --sport 53 -m comment --comment \"NodeLocal DNS Cache: allow DNS traffic\" -j ACCEPT
";
const NO_RULES: &str = "-P PREROUTING ACCEPT\n-P OUTPUT ACCEPT\n";

/// Both variants of the tool, by the names it is called by.
const VARIANTS: [&str; 2] = ["xtables-nft-multi", "xtables-legacy-multi"];

/// A directory in which `iptables` and `ip6tables` are this variant.
fn variant(multi: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["iptables", "ip6tables"] {
        symlink(find(multi).unwrap(), directory.path().join(name)).unwrap();
    }
    directory
}

fn path(directory: &tempfile::TempDir) -> String {
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", directory.path().display())
}

/// The targets as this variant shows them.
fn listed(text: &str, address: &str, shown: &str) -> String {
    let target = if shown.contains("--notrack") { "CT --notrack" } else { "NOTRACK" };
    text.replace("IP", address).replace("-j X", &format!("-j {target}"))
}

#[track_caller]
fn wait_for_rules(server: &Server, tool: &str, address: &str) {
    let shown = say(server, &format!("{tool} -w -t raw -S"));
    wait_until_said(server, &format!("{tool} -w -S"), &FILTER.replace("IP", address));
    let command = format!("{tool} -w -t raw -S");
    // Which word is shown is known only when there is a rule.
    let shown = if shown == NO_RULES { say(server, &command) } else { shown };
    wait_until_said(server, &command, &listed(RAW, address, &shown));
}

#[test]
fn twelve_rules_for_each_address_are_made_repaired_and_removed() {
    if !is_possible(&["iptables", "ip6tables", VARIANTS[0], VARIANTS[1]]) {
        return;
    }
    for multi in VARIANTS {
        let tools = variant(multi);
        let tool = |name: &str| format!("{}/{name}", tools.path().display());
        // The kernel does not tell of changes in legacy tables.
        let interval = if multi == VARIANTS[1] { "1" } else { "60" };
        let server = first("169.254.20.10,fd00::a", "")
            .argument("-syncinterval")
            .argument(interval)
            .environment("PATH", &path(&tools))
            .spawn();
        server.wait_for_line("Dunlin-");
        wait_for_rules(&server, &tool("iptables"), "169.254.20.10/32");
        wait_for_rules(&server, &tool("ip6tables"), "fd00::a/128");
        assert!(answers(&server, "169.254.20.10") && answers(&server, "fd00::a"), "{multi}");

        // What others take away comes back, and what is there twice goes.
        say(&server, &format!("{} -w -t raw -F PREROUTING", tool("iptables")));
        wait_for_rules(&server, &tool("iptables"), "169.254.20.10/32");
        server
            .wait_for_line("[INFO] Added back nodelocaldns rule - {raw PREROUTING [-p tcp -d 169");
        let double = "-A PREROUTING -t raw -p tcp -d 169.254.20.10 --dport 53 -j NOTRACK -m comment \
                      --comment 'NodeLocal DNS Cache: skip conntrack'";
        say(&server, &format!("{} -w {double}", tool("iptables")));
        let count = format!("{} -w -t raw -S PREROUTING | grep -c 20.10", tool("iptables"));
        wait_until_said(&server, &count, "2\n");

        // An address that is taken away comes back too.
        say(&server, "ip addr del 169.254.20.10/32 dev nodelocaldns");
        wait_until_said(
            &server,
            "ip -o addr show dev nodelocaldns | grep -c 169.254.20.10/32 || true",
            "1\n",
        );
        let witness = witness(&server);
        server.signal("TERM");
        assert_eq!(server.wait_exit().code(), Some(0));
        server_lines_tell_the_end(&server);
        for name in ["iptables", "ip6tables"] {
            assert_eq!(say(&witness, &format!("{} -w -t raw -S", tool(name))), NO_RULES, "{multi}");
        }
        let left = say(&witness, "ip -o addr show dev nodelocaldns");
        assert!(!left.contains("169.254") && !left.contains("fd00::a"), "{left}");
    }
}

#[track_caller]
fn server_lines_tell_the_end(server: &Server) {
    let lines = server.lines();
    let place = |text: &str| lines.iter().position(|line| line.contains(text));
    let tearing = place("[INFO] Tearing down");
    assert!(tearing.is_some() && tearing < place("[WARNING] Exiting iptables/interface check"));
}

#[test]
fn with_skipteardown_all_stays_and_the_next_one_adopts_it() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let server = first("169.254.20.10", "").argument("-skipteardown").spawn();
    server.wait_for_line("Dunlin-");
    wait_for_rules(&server, "iptables", "169.254.20.10/32");
    let witness = witness(&server);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    wait_for_rules(&witness, "iptables", "169.254.20.10/32");
    let second = beside(&witness, "169.254.20.10").spawn();
    wait_for_owner(&second);
    wait_for_rules(&witness, "iptables", "169.254.20.10/32");
    assert!(!second.lines().iter().any(|line| line.contains("Added back")));
    second.signal("TERM");
    assert_eq!(second.wait_exit().code(), Some(0));
    assert_eq!(say(&witness, "iptables -w -t raw -S"), NO_RULES);
}

#[test]
fn without_the_tools_dns_is_answered_and_each_rule_is_counted() {
    if !is_possible(&[]) {
        return;
    }
    let server = first("169.254.20.10", "")
        .argument("-firewall=iptables")
        .environment("NODE_PATH", "/nowhere")
        .spawn();
    server.wait_for_line(
        "[ERROR] Error checking/adding iptables rule {raw PREROUTING [-p tcp -d 169.254.20.10 --dport \
         53 -j NOTRACK -m comment --comment NodeLocal DNS Cache: skip conntrack]}, error - error \
         checking rule: executable file not found in $PATH",
    );
    assert!(answers(&server, "169.254.20.10"));
    let page = scrape(&server);
    let name = "coredns_nodecache_setup_errors_total";
    let counted = metrics::value(&page, name, &[("errortype", "iptables")]);
    assert_eq!(counted, Some(12.0));
}

#[test]
fn a_host_without_ipv6_serves_ipv4() {
    if !is_possible(&["iptables", "sysctl"]) {
        return;
    }
    let off = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; ";
    let server = first("169.254.20.10,fd00::a", off).argument("-firewall=nftables").spawn();
    server.wait_for_line("bind: cannot assign requested address: serving without it");
    server.wait_for_line("[INFO] Added nftables table dunlin_nodelocaldns");
    assert!(answers(&server, "169.254.20.10"));
    say(&server, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0");
    say(&server, "ip link set nodelocaldns down; ip link set nodelocaldns up");
    server.wait_for_line("[INFO] Serving on [fd00::a]:53 too");
    assert!(answers(&server, "fd00::a"));
}

#[test]
fn switched_off_nothing_is_made() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let address = "ip addr add 169.254.20.10/32 dev lo;";
    let server = first("169.254.20.10", address)
        .argument("-setupiptables=false")
        .argument("-setupinterface=false")
        .spawn();
    server.wait_for_line("Dunlin-");
    assert!(answers(&server, "169.254.20.10"));
    assert_eq!(say(&server, "iptables -w -t raw -S"), NO_RULES);
    assert!(!say(&server, "ip -o addr show dev nodelocaldns").contains("169.254"));
}

#[test]
fn nftables_needs_no_tool_and_is_repaired_and_removed_whole() {
    if !is_possible(&["nft"]) {
        return;
    }
    let server = first("169.254.20.10,fd00::a", "").argument("-firewall=nftables").spawn();
    server.wait_for_line("[INFO] Added nftables table dunlin_nodelocaldns");
    let table = say(&server, "nft list table inet dunlin_nodelocaldns");
    for line in [
        "elements = { 169.254.20.10 }",
        "elements = { fd00::a }",
        "type filter hook prerouting priority raw; policy accept;",
        "type filter hook output priority raw; policy accept;",
        "ip daddr @local4 udp dport 53 notrack",
        "ip saddr @local4 tcp sport 8080 notrack",
        "ip6 saddr @local6 udp sport 53 notrack",
    ] {
        assert!(table.contains(line), "{line}\n{table}");
    }
    assert_eq!(table.matches("notrack").count(), 16, "{table}");
    assert!(answers(&server, "169.254.20.10") && answers(&server, "fd00::a"));
    for damage in [
        "nft delete table inet dunlin_nodelocaldns",
        "nft flush chain inet dunlin_nodelocaldns output",
        "nft flush set inet dunlin_nodelocaldns local4",
    ] {
        say(&server, damage);
        wait_until_said(&server, "nft list table inet dunlin_nodelocaldns 2>&1 || true", &table);
    }
    let witness = witness(&server);
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert_eq!(say(&witness, "nft list tables"), "");
}

#[test]
fn auto_takes_nftables_where_iptables_does_not_work() {
    if !is_possible(&["nft"]) {
        return;
    }
    let server = first("169.254.20.10", "").environment("NODE_PATH", "/nowhere").spawn();
    server.wait_for_line("[INFO] iptables does not work here: rules are kept by nftables");
    server.wait_for_line("[INFO] Added nftables table dunlin_nodelocaldns");
}

#[test]
fn with_a_dead_man_the_addresses_vanish_after_the_process() {
    if !is_possible(&["nft"]) {
        return;
    }
    let server = first("169.254.20.10", "").argument("-dead-man=1s").spawn();
    server.wait_for_line("[INFO] Added nftables table dunlin_nodelocaldns");
    let witness = witness(&server);
    let count = "nft list set inet dunlin_nodelocaldns local4 | grep -c 169.254.20.10 || true";
    wait_until_said(&witness, count, "1\n");
    // It is renewed again and again, which is seen from outside.
    let seen = "timeout 10 nft monitor new elements | grep -m 4 169.254.20.10 | wc -l";
    assert_eq!(say(&witness, seen), "4\n");
    assert_eq!(say(&witness, count), "1\n");
    // One that hangs is as good as dead, until it goes on.
    server.signal("STOP");
    wait_until_said(&witness, count, "0\n");
    server.signal("CONT");
    wait_until_said(&witness, count, "1\n");
    server.signal("KILL");
    wait_until_said(&witness, count, "0\n");
    // A successor brings it back; one with iptables leaves no table behind.
    let second = beside(&witness, "169.254.20.10").argument("-dead-man=1s").spawn();
    second.wait_for_line("Dunlin-");
    wait_until_said(&witness, count, "1\n");
    second.signal("KILL");
    let third = beside(&witness, "169.254.20.10").argument("-firewall=iptables").spawn();
    third.wait_for_line("Dunlin-");
    wait_until_said(&witness, "nft list tables | grep -c dunlin || true", "0\n");
}

#[test]
fn a_lock_that_somebody_holds_stops_neither_dns_nor_for_ever() {
    if !is_possible(&[VARIANTS[1], "flock"]) {
        return;
    }
    let tools = variant(VARIANTS[1]);
    let holder = Server::of(find("flock").unwrap());
    let words = ["/run/xtables.lock", "sleep", "7"];
    let holder = words.iter().fold(holder, |setup, word| setup.argument(word)).spawn();
    let server = first("169.254.20.10", "").environment("PATH", &path(&tools)).spawn();
    server.wait_for_line("holding the xtables lock");
    assert!(answers(&server, "169.254.20.10"));
    let name = "coredns_nodecache_setup_errors_total";
    let counted = metrics::value(&scrape(&server), name, &[("errortype", "iptables_lock")]);
    assert_eq!(counted, Some(12.0));
    assert!(holder.wait_exit().success());
    wait_for_rules(&server, &format!("{}/iptables", tools.path().display()), "169.254.20.10/32");
}

#[test]
fn tools_that_hang_keep_neither_dns_nor_the_end_waiting() {
    if !is_possible(&["iptables"]) {
        return;
    }
    let tools = tempfile::tempdir().unwrap();
    let real = find("iptables").unwrap();
    // Works until it is told to hang, and then for longer than anybody waits.
    let script = format!(
        "#!/bin/sh\n[ -e {0}/hang ] && exec /bin/sleep 100\nexec {real} \"$@\"\n",
        tools.path().display()
    );
    for name in ["iptables", "ip6tables"] {
        let path = tools.path().join(name);
        std::fs::write(&path, &script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let server = first(ADDRESS, "").environment("NODE_PATH", &path(&tools)).spawn();
    wait_until_said(&server, COUNT, "8\n");
    std::fs::write(tools.path().join("hang"), "").unwrap();
    assert!(answers(&server, ADDRESS));
    let witness = witness(&server);
    server.signal("TERM");
    let mut status = None;
    let time = wait::measure("the end", || {
        status = server.exit_status();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
    // Five seconds are promised; each of the tool's runs alone would take twenty times as long.
    eprintln!("the end came after {time:?}");
    assert!(time < std::time::Duration::from_secs(10), "{time:?}");
    // What could not be removed is for a successor to adopt.
    assert_eq!(say(&witness, COUNT), "8\n");
    let next = beside(&witness, ADDRESS).spawn();
    wait_for_owner(&next);
    assert_eq!(say(&witness, COUNT), "8\n");
}
