//! What an attacker off the path has to guess (security.md FW-01, FW-02).

use std::collections::HashSet;

use dunlin_testkit::upstream::{Action, Reply, Upstream};

use super::evil::{impatient_group, real_group};

#[tokio::test]
async fn ports_and_ids_of_300_queries_are_spread_out() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("a.test. 300 IN A 192.0.2.1"));
    let group = real_group(&[&upstream]);
    for _ in 0..300 {
        assert!(group.ask(&super::ask("a.test"), false).await.result.is_ok());
    }
    let asked = upstream.asked();
    let ports: HashSet<u16> = asked.iter().map(|asked| asked.client.port()).collect();
    let ids: HashSet<u16> = asked.iter().filter_map(|asked| asked.id()).collect();
    assert!(ports.len() >= 290, "{} ports", ports.len());
    assert!(ids.len() >= 290, "{} ids", ids.len());
    let span =
        |numbers: &HashSet<u16>| numbers.iter().max().unwrap() - numbers.iter().min().unwrap();
    assert!(span(&ports) > 60_000 && span(&ids) > 60_000);
    assert!(ports.iter().all(|port| *port >= 1024));
}

/// Sockets whose port the kernel has drawn are connected anew: their ports are no others, and what
/// comes late for one query does not meet the next.
#[tokio::test]
async fn a_second_response_meets_no_other_query() {
    let upstream = Upstream::start();
    let reply = Reply::new().answer("a.test. 300 IN A 192.0.2.1");
    upstream.always(vec![Action::from(reply.clone()), reply.into()]);
    let group = real_group(&[&upstream]);
    for _ in 0..100 {
        assert!(group.ask(&super::ask("a.test"), false).await.result.is_ok());
    }
    let asked = upstream.asked();
    let ports: HashSet<u16> = asked.iter().map(|asked| asked.client.port()).collect();
    assert!(ports.len() >= 97, "{} ports of {}", ports.len(), asked.len());
    assert_eq!(asked.len(), 100, "nothing was asked twice");
}

#[tokio::test]
async fn each_try_leaves_from_a_port_of_its_own() {
    let upstream = Upstream::start();
    upstream.always(Vec::new());
    let outcome = impatient_group(&[&upstream]).ask(&super::ask("a.test"), false).await;
    assert!(outcome.result.is_err());
    let asked = upstream.asked();
    let ports: HashSet<u16> = asked.iter().map(|asked| asked.client.port()).collect();
    assert_eq!(ports.len(), asked.len());
}
