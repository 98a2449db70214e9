//! Queries over UDP that draw their socket from a pool (security.md FW-02), over real sockets.

use std::collections::HashSet;

use dunlin_testkit::upstream::{Action, Asked, Reply, Upstream};
use tokio::task::JoinSet;

use super::evil::group_with;
use super::*;

const GOOD: &str = "a.test. 300 IN A 192.0.2.1";

fn good() -> Action {
    Reply::new().answer(GOOD).into()
}

fn pooled(upstream: &Upstream, udp_pool: usize) -> Group<crate::Remote> {
    group_with(&[upstream], Duration::from_secs(5), udp_pool)
}

async fn answered(group: &Group<crate::Remote>) -> bool {
    group.ask(&ask("a.test"), false).await.result.is_ok()
}

fn ports(upstream: &Upstream) -> Vec<u16> {
    upstream.asked().iter().map(|asked| asked.client.port()).collect()
}

fn distinct(numbers: impl IntoIterator<Item = u16>) -> usize {
    numbers.into_iter().collect::<HashSet<_>>().len()
}

#[tokio::test]
async fn a_pool_uses_all_its_ports_and_each_query_has_an_id_of_its_own() {
    let upstream = Upstream::start();
    upstream.always(good());
    let group = pooled(&upstream, 1024);
    for _ in 0..2000 {
        assert!(answered(&group).await);
    }
    let ports = ports(&upstream);
    // 2000 draws out of 1024 find 879 of them, give or take 14.
    let different = distinct(ports.iter().copied());
    assert!((780..=1024).contains(&different), "{different} ports");
    assert!(ports.iter().max().unwrap() - ports.iter().min().unwrap() > 60_000);
    assert!(ports.iter().all(|port| *port >= 1024));
    let ids = upstream.asked().iter().filter_map(Asked::id).collect::<Vec<u16>>();
    assert!(distinct(ids) > 1900);
}

#[tokio::test]
async fn a_quiet_socket_is_used_again() {
    let upstream = Upstream::start();
    upstream.always(good());
    let group = pooled(&upstream, 1);
    for _ in 0..10 {
        assert!(answered(&group).await);
    }
    assert_eq!(distinct(ports(&upstream)), 1);
}

#[tokio::test]
async fn one_query_is_in_flight_on_a_socket_and_an_exhausted_pool_opens_new_ones() {
    let upstream = Upstream::start();
    upstream.always(vec![Action::Wait(Duration::from_millis(50)), good()]);
    for pool in [1, 64] {
        let group = Arc::new(pooled(&upstream, pool));
        let mut queries = JoinSet::new();
        for _ in 0..64 {
            let group = Arc::clone(&group);
            queries.spawn(async move { answered(&group).await });
        }
        assert!(queries.join_all().await.into_iter().all(|answered| answered));
        let asked = ports(&upstream);
        assert_eq!(distinct(asked[asked.len() - 64..].iter().copied()), 64, "pool of {pool}");
    }
}

#[tokio::test]
async fn a_socket_that_got_junk_is_not_used_again() {
    let forged = || Reply::new().answer("b.test. 1 IN A 192.0.2.66").wrong_question("b.test");
    let upstream = Upstream::start();
    for junk in [Action::Raw(vec![0]), Action::Raw(Vec::new()), forged().into()] {
        upstream.always(vec![junk, good()]);
        let group = pooled(&upstream, 1);
        for _ in 0..5 {
            assert!(answered(&group).await);
        }
        let asked = ports(&upstream);
        // Two new ports may be the same, by chance.
        assert!(distinct(asked[asked.len() - 5..].iter().copied()) > 3);
    }
}

#[tokio::test]
async fn what_comes_after_the_response_spoils_the_socket_and_no_answer() {
    let upstream = Upstream::start();
    upstream.always(vec![good(), good()]);
    let group = pooled(&upstream, 1);
    for _ in 0..20 {
        assert!(answered(&group).await);
    }
    assert!(distinct(ports(&upstream)) > 1);
}

#[tokio::test]
async fn a_socket_whose_query_was_not_answered_is_not_used_again() {
    let upstream = Upstream::start();
    upstream.always(Vec::new());
    let group = group_with(&[&upstream], Duration::from_millis(100), 1);
    assert!(!answered(&group).await);
    let silent: HashSet<u16> = ports(&upstream).into_iter().collect();
    upstream.always(good());
    let before = ports(&upstream).len();
    assert!(answered(&group).await && answered(&group).await);
    assert!(ports(&upstream)[before..].iter().all(|port| !silent.contains(port)));
}

#[tokio::test]
async fn a_pool_outlives_the_runtime_that_used_it() {
    let upstream = Upstream::start();
    upstream.always(good());
    let group = Arc::new(pooled(&upstream, 1));
    for _ in 0..2 {
        let group = Arc::clone(&group);
        let asking = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(answered(&group))
        };
        assert!(tokio::task::spawn_blocking(asking).await.unwrap());
    }
    assert_eq!(distinct(ports(&upstream)), 1);
}
