//! The link with the local addresses, where it has to be made.

use dunlin_testkit::metrics;

use super::namespace::{
    ADDRESS, answers, first, inside, is_possible, say, scrape, wait_until_said, witness,
};

#[test]
fn a_link_is_made_and_removed_or_where_the_kernel_has_none_dns_goes_on_without() {
    if !is_possible(&["iptables"]) {
        return;
    }
    // Elsewhere: what a node looks like whose kernel has no dummy links.
    let elsewhere = "ip addr add 169.254.20.10/32 dev lo; ";
    let server = first(ADDRESS, elsewhere).argument("-interfacename=other").spawn();
    server.wait_for_line("Dunlin-");
    assert!(answers(&server, ADDRESS));
    let has_dummies = inside(&server, "ip link add probe type dummy").status.success();
    let witness = witness(&server);
    if has_dummies {
        server.wait_for_line("[INFO] Added interface - other");
        wait_until_said(&server, "ip -d link show other | grep -c dummy", "1\n");
        wait_until_said(&server, "ip -o addr show dev other | grep -c 169.254.20.10/32", "1\n");
    } else {
        let cause = "operation not supported";
        let lines = [
            format!("[ERROR] Failed to add non-existent interface other: {cause}"),
            format!("[ERROR] Error checking dummy device other - {cause}"),
        ];
        for line in lines {
            server.wait_for_line(&line);
        }
        let page = scrape(&server);
        for kind in ["interface_add", "interface_check"] {
            let name = "coredns_nodecache_setup_errors_total";
            let value = metrics::value(&page, name, &[("errortype", kind)]).unwrap();
            assert!(value >= 1.0, "{kind} {value}");
        }
        assert!(!server.lines().iter().any(|line| line.contains("Added interface")));
    }
    server.signal("TERM");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert!(!inside(&witness, "ip link show other").status.success());
    assert!(say(&witness, "ip -o addr show dev lo").contains(ADDRESS));
}

#[test]
fn an_ipv6_address_has_rules_of_ip6tables_only() {
    if !is_possible(&["iptables", "ip6tables"]) {
        return;
    }
    let server = first("fd00::a", "").spawn();
    server.wait_for_line("Dunlin-");
    let count = |tool: &str| format!("{tool} -w -t raw -S | grep -c NodeLocal || true");
    wait_until_said(&server, &count("ip6tables"), "8\n");
    wait_until_said(&server, "ip6tables -w -S | grep -c NodeLocal || true", "4\n");
    assert_eq!(say(&server, &count("iptables")), "0\n");
    assert!(answers(&server, "fd00::a"));
}
