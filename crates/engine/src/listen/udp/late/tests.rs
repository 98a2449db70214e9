//! Replies of a stub that waits for a permit, driven by hand.

use std::net::SocketAddr;

use dunlin_core::Transport;
use dunlin_core::metrics::Metrics;
use dunlin_core::query::Source;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{Stub, query, stub};
use dunlin_core::wire;
use tokio::sync::Semaphore;

use super::*;
use crate::listen::Listener;
use crate::serve::{Answer, Outlet};
use crate::testing::{listener, table_of};

/// As of a query with a waker of its own.
struct Scene {
    listener: Arc<Listener>,
    metrics: Metrics,
    late: Late,
    go: Arc<Semaphore>,
}

fn waits(go: &Arc<Semaphore>) -> Stub {
    let go = Arc::clone(go);
    stub(move |query| {
        let go = Arc::clone(&go);
        Box::pin(async move {
            go.acquire().await.unwrap().forget();
            Ok(query.reply())
        })
    })
}

impl Scene {
    fn new() -> Self {
        Self::of(waits)
    }

    fn of(plugin: impl FnOnce(&Arc<Semaphore>) -> Stub) -> Self {
        let (go, metrics) = (Arc::new(Semaphore::new(0)), Metrics::new(0));
        let address = "127.0.0.1:53".parse().unwrap();
        let listener = listener(table_of(plugin(&go)), &metrics, address);
        Self { listener, metrics, late: Late::new(), go }
    }

    /// Queries come, each of which has to wait.
    fn ask(&mut self, ids: std::ops::Range<u16>) {
        let (client, local) = (client(), self.listener.address);
        let source = Source { client, local, transport: Transport::Udp, received: Instant::now() };
        let table = self.listener.table.load();
        for id in ids {
            let bytes = query("example.org", RecordType::A).id(id).to_bytes();
            let waker = self.late.next_waker();
            let shared = &self.listener.shared;
            match shared.handle_from(&table, &bytes, source, Outlet::Free, waker) {
                Answer::Later(later) => self.late.keep(later, Route::from(client)),
                Answer::Now(_) => panic!("the reply is ready"),
            }
        }
    }

    /// ID and rcode of each reply, and whether there are more.
    fn advance(&mut self, limit: usize) -> (Vec<(u16, u8)>, bool) {
        let mut sent = Vec::new();
        let more = self.late.advance(limit, |reply, route| {
            assert_eq!(route.peer, client());
            sent.push((wire::id(&reply), wire::Flags::of(&reply).rcode()));
        });
        (sent, more)
    }

    fn pending(&self) -> usize {
        self.metric("dunlin_pending_queries")
    }

    fn metric(&self, name: &str) -> usize {
        let page = self.metrics.page();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap().parse().unwrap()
    }
}

fn client() -> SocketAddr {
    "192.0.2.1:40000".parse().unwrap()
}

#[tokio::test]
async fn replies_are_made_as_they_are_called_and_in_portions() {
    let mut scene = Scene::new();
    scene.ask(0..100);
    assert_eq!(scene.advance(100), (vec![], false), "nobody was called");
    assert_eq!((scene.late.is_waiting(), scene.pending()), (true, 100));
    scene.go.add_permits(99);
    let mut replies = Vec::new();
    for (count, more) in [(64, true), (35, false)] {
        scene.late.wait().await;
        let portion = scene.advance(64);
        assert_eq!((portion.0.len(), portion.1), (count, more));
        replies.extend(portion.0);
    }
    assert_eq!(replies, (0..99).map(|id| (id, 0)).collect::<Vec<_>>());
    scene.go.add_permits(1);
    scene.late.wait().await;
    assert_eq!(scene.advance(64), (vec![(99, 0)], false));
    assert_eq!((scene.late.is_waiting(), scene.pending()), (false, 0));
}

#[tokio::test(start_paused = true)]
async fn one_alarm_gives_up_whatever_waits_for_six_seconds() {
    let mut scene = Scene::new();
    let start = Instant::now();
    scene.ask(0..100);
    tokio::time::advance(Duration::from_secs(1)).await;
    scene.ask(100..101);
    scene.late.wait().await;
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    assert_eq!(scene.advance(64).0.len(), 64);
    // The rest at once, in the next turn.
    scene.late.wait().await;
    assert_eq!(scene.advance(64).0, (64..100).map(|id| (id, 2)).collect::<Vec<_>>());
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    scene.late.wait().await;
    assert_eq!(scene.advance(64), (vec![(100, 2)], false));
    assert_eq!((start.elapsed(), scene.pending()), (Duration::from_secs(7), 0));
    // And it is set anew.
    scene.ask(0..1);
    scene.late.wait().await;
    assert_eq!((scene.advance(1).0, start.elapsed()), (vec![(0, 2)], Duration::from_secs(13)));
}

#[tokio::test(start_paused = true)]
async fn an_old_waker_calls_for_nothing_but_a_look() {
    let mut scene = Scene::new();
    let waker = scene.late.next_waker().clone();
    scene.ask(0..1);
    scene.go.add_permits(1);
    assert_eq!(scene.advance(1).0, [(0, 0)]);
    waker.wake_by_ref();
    assert_eq!(scene.advance(1), (vec![], false), "nobody is there");
    scene.ask(1..2);
    waker.wake_by_ref();
    waker.wake_by_ref();
    assert_eq!(scene.advance(2), (vec![], false), "it is not ready");
    scene.go.add_permits(1);
    assert_eq!(scene.advance(2), (vec![(1, 0)], false), "and was not forgotten");
}

/// Whatever a plugin does when it goes on, or is given up, costs its own query only.
#[tokio::test(start_paused = true)]
async fn panics_of_plugins_do_not_reach_the_loop() {
    struct Explodes;
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let mut scene = Scene::of(|go| {
        let go = Arc::clone(go);
        stub(move |query| {
            let go = Arc::clone(&go);
            Box::pin(async move {
                let explodes = (query.id() == 1).then(|| Explodes);
                go.acquire().await.unwrap().forget();
                drop(explodes);
                panic!("went on");
            })
        })
    });
    let start = Instant::now();
    scene.ask(0..2);
    scene.go.add_permits(1);
    scene.late.wait().await;
    assert_eq!(scene.advance(2), (vec![(0, 2)], false));
    scene.late.wait().await;
    assert_eq!(start.elapsed(), Duration::from_secs(6));
    assert_eq!(scene.advance(2), (vec![(1, 2)], false));
    assert!(!scene.late.is_waiting());
    assert_eq!(scene.metric("coredns_panics_total"), 2);
}

#[tokio::test]
async fn slots_of_a_crowd_are_given_back() {
    let mut scene = Scene::new();
    let crowd = KEPT + 1;
    scene.ask(0..u16::try_from(crowd).unwrap());
    scene.go.add_permits(crowd);
    let mut sent = 0;
    while sent < crowd {
        // The runtime lets no task do everything at once.
        scene.late.wait().await;
        sent += scene.advance(crowd).0.len();
    }
    assert!(scene.late.slots.is_empty() && !scene.late.is_waiting());
    scene.ask(0..1);
    scene.go.add_permits(1);
    assert_eq!(scene.advance(1).0, [(0, 0)]);
}
