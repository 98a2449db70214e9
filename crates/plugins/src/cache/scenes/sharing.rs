//! Identical queries in flight share an exchange, whoever goes away meanwhile.

use std::sync::Arc;
use std::time::Duration;

use dunlin_core::{Reply, Result};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance};

use super::script::{Scene, question, settle, show};
use crate::cache::flight::{FlightKey, Flights, Joined, Landing};
use crate::cache::key::Key;
use crate::cache::store::{Limits, Store};

fn ask(scene: &mut Scene, words: &str) -> JoinHandle<Result<Reply>> {
    let (chain, site) = (scene.block.chain(), scene.block.site());
    let mut query = question(words).at(site).build();
    tokio::spawn(async move { chain.run(&mut query).await })
}

fn client(n: u32) -> String {
    format!("from=10.1.{}.{}", n / 250, n % 250 + 1)
}

/// P-14.
#[tokio::test(start_paused = true)]
async fn five_hundred_clients_are_one_exchange() {
    for (script, expected) in [
        ("NOERROR after 200; an A 300", "NOERROR 300"),
        ("SERVFAIL after 200", "SERVFAIL"),
        ("REFUSED after 200", "REFUSED"),
        ("NXDOMAIN after 200", "NXDOMAIN"),
        ("STRAY after 200; an A 300", "NOERROR 300"),
        ("SILENCE after 200", "silence"),
    ] {
        let mut scene = Scene::new("cache").await;
        scene.upstream.says(script);
        let began = Instant::now();
        let tasks: Vec<_> =
            (0..500).map(|n| ask(&mut scene, &format!("a.test A {}", client(n)))).collect();
        for task in tasks {
            assert_eq!(show(task.await.unwrap()), expected);
        }
        assert_eq!((scene.upstream.asked(), began.elapsed()), (1, Duration::from_millis(200)));
    }
}

/// The leader's error is told once, so that it is logged once.
#[tokio::test(start_paused = true)]
async fn a_failure_is_everybodys_at_once() {
    let mut scene = Scene::new("cache").await;
    scene.upstream.says("FAIL after 4000");
    let tasks: Vec<_> =
        (0..500).map(|n| ask(&mut scene, &format!("a.test A {}", client(n)))).collect();
    let mut shown = Vec::new();
    for task in tasks {
        shown.push(show(task.await.unwrap()));
    }
    shown.sort();
    assert_eq!(
        (shown[0].as_str(), shown[1].as_str(), shown[499].as_str()),
        ("ERR 2", "SERVFAIL e23", "SERVFAIL e23")
    );
    assert_eq!(scene.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_mixed_up_is_not() {
    let table = [
        ("RD", "NOERROR after 100; an A 300", &["a.test A", "a.test A -rd"][..], 2),
        (
            "case, AD, client",
            "NOERROR after 100; an A 300",
            &["a.test A", "A.test A ad", "a.test A from=10.0.0.9"],
            1,
        ),
        (
            "DO and CD",
            "NOERROR after 100; an A 300",
            &["a.test A", "a.test A do", "a.test A cd", "a.test A do cd"],
            4,
        ),
        (
            "a subnet without scope",
            "NOERROR after 100; an A 300; opt 8 00011800c00002",
            &["a.test A ecs=2", "a.test A ecs=2"],
            1,
        ),
        (
            "one subnet",
            "NOERROR after 100; an A 300; opt 8 00011818c00002",
            &["a.test A ecs=2", "a.test A ecs=2"],
            1,
        ),
        (
            "TC=1 is for datagrams",
            "NOERROR tc after 100",
            &["a.test A", "a.test A tcp", "a.test A tcp"],
            2,
        ),
        (
            "TC=1 over a stream is for all",
            "NOERROR tc after 100",
            &["a.test A tcp", "a.test A tcp", "a.test A"],
            1,
        ),
    ];
    for (row, script, queries, exchanges) in table {
        let mut scene = Scene::new("cache").await;
        scene.upstream.says(script);
        let tasks: Vec<_> = queries.iter().map(|words| ask(&mut scene, words)).collect();
        for task in tasks {
            assert!(show(task.await.unwrap()).starts_with("NOERROR"), "{row}");
        }
        assert_eq!(scene.upstream.asked(), exchanges, "{row}");
    }
}

/// CVE-2025-5994: however many subnets, a question has five exchanges at a time at most.
#[tokio::test(start_paused = true)]
async fn subnets_do_not_multiply_the_exchanges() {
    let mut scene = Scene::new("cache").await;
    scene.upstream.says("NOERROR after 10; an A 300; opt 8 00011818c00002");
    let tasks: Vec<_> = (0..60).map(|n| ask(&mut scene, &format!("a.test A ecs={n}"))).collect();
    for task in tasks {
        assert_eq!(show(task.await.unwrap()), "NOERROR 300");
    }
    assert!(scene.upstream.most() <= 5, "{}", scene.upstream.most());
    assert_eq!(scene.upstream.asked(), 60);
}

/// RF-07.
#[tokio::test(start_paused = true)]
async fn a_client_waits_for_an_answer_a_hundred_times_at_most() {
    let mut scene = Scene::new("cache").await;
    scene.upstream.says("NOERROR after 1000; an A 300");
    let tasks: Vec<_> = (0..5000).map(|_| ask(&mut scene, "a.test A")).collect();
    let other = ask(&mut scene, "a.test A from=10.0.0.2");
    let mut refused = 0;
    for task in tasks {
        refused += usize::from(show(task.await.unwrap()) == "ERR 5");
    }
    assert_eq!((refused, scene.upstream.asked()), (4899, 1));
    assert_eq!(show(other.await.unwrap()), "NOERROR 300");
}

/// FW-06: each follower has its own deadline, five seconds after it was received.
#[tokio::test(start_paused = true)]
async fn followers_give_up_at_their_own_deadline() {
    let mut scene = Scene::new("cache").await;
    scene.upstream.says("NOERROR after 60000; an A 300");
    let leader = ask(&mut scene, "a.test A");
    settle().await;
    let began = Instant::now();
    let early = ask(&mut scene, "a.test A");
    advance(Duration::from_secs(2)).await;
    let late = ask(&mut scene, "a.test A");
    assert_eq!(show(early.await.unwrap()), "ERR 2");
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(show(late.await.unwrap()), "ERR 2");
    assert_eq!(began.elapsed(), Duration::from_secs(7));
    assert_eq!(show(leader.await.unwrap()), "NOERROR 300");
}

/// FW-06: a cancelled leader leaves its seat to one follower, a cancelled follower to nobody.
#[tokio::test(start_paused = true)]
async fn whoever_is_cancelled_the_others_are_answered() {
    for seed in 0..20 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut scene = Scene::new("cache").await;
        scene.upstream.says("NOERROR after 1000; an A 300");
        let mut tasks = Vec::new();
        let (mut cancelled_leaders, mut begun) = (0, 1);
        for n in 0..500 {
            tasks.push(ask(&mut scene, &format!("a.test A {}", client(n))));
            if random.random_bool(0.1) {
                settle().await;
                let before = scene.upstream.asked();
                // Often the oldest, which is likely to lead.
                let oldest = random.random_bool(0.3);
                let at = if oldest { 0 } else { random.random_range(0..tasks.len()) };
                tasks.remove(at).abort();
                settle().await;
                cancelled_leaders += scene.upstream.asked() - before;
                begun += usize::from(tasks.is_empty());
                assert!(scene.upstream.asked() - before <= 1, "one new leader at most");
            }
        }
        for task in tasks {
            assert_eq!(show(task.await.unwrap()), "NOERROR 300", "seed {seed}");
        }
        assert_eq!(scene.upstream.asked(), begun + cancelled_leaders, "seed {seed}");
        assert_eq!(scene.upstream.most(), 1, "seed {seed}");
        assert!(cancelled_leaders > 0, "seed {seed}");
    }
}

/// The same on several threads: nothing is left in flight, everybody is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn seats_are_given_up_on_all_ways() {
    let store = Store::new(Limits { success: 4, denial: 4, octets: 1000 });
    let query = question("a.test A").build();
    let key = FlightKey { key: Key::of(&query, store.seed()).to_shared(), variant: 0 };
    let flights = Flights::<u64>::new();
    let mut random = SmallRng::seed_from_u64(1);
    let tasks: Vec<_> = (0..2000u64)
        .map(|n| {
            let (flights, key) = (Arc::clone(&flights), key.clone());
            let (lands, client) =
                (random.random_bool(0.5), [10, 0, 0, u8::try_from(n % 200).unwrap()]);
            tokio::spawn(async move {
                let deadline = Instant::now() + Duration::from_secs(60);
                let leader = match flights.join(key, client.into()) {
                    Joined::Lead(leader) => leader,
                    Joined::Follow(mut follower) => match follower.wait(deadline).await.unwrap() {
                        Landing::Lead(leader) => leader,
                        Landing::Outcome(_) => return 0,
                    },
                    Joined::Full => return 0,
                };
                tokio::task::yield_now().await;
                if lands {
                    leader.land(|| n);
                }
                1
            })
        })
        .collect();
    for (at, task) in tasks.into_iter().enumerate() {
        if at % 7 == 0 {
            task.abort();
            let _gone = task.await;
        } else {
            task.await.unwrap();
        }
    }
    assert_eq!(flights.len(), 0);
}

/// Two questions with one hash do not hear of each other.
#[tokio::test(start_paused = true)]
async fn a_collision_goes_alone() {
    let store = Store::new(Limits { success: 4, denial: 4, octets: 1000 });
    let queries = ["a.test A", "b.test A"].map(|words| question(words).build());
    let [one, other] = [0, 1].map(|at: usize| {
        let key = Key::of(&queries[at], store.seed()).with_hash(7).to_shared();
        FlightKey { key, variant: 0 }
    });
    let flights = Flights::<u8>::new();
    let client = [10, 0, 0, 1].into();
    let Joined::Lead(first) = flights.join(one.clone(), client) else { panic!("leads") };
    let Joined::Lead(second) = flights.join(other, client) else { panic!("leads, too") };
    let Joined::Follow(mut follower) = flights.join(one, client) else { panic!("follows") };
    second.land(|| 2);
    first.land(|| 1);
    let landing = follower.wait(Instant::now()).await;
    assert!(matches!(landing, Some(Landing::Outcome(1))), "{landing:?}");
    drop(follower);
    assert_eq!(flights.len(), 0);
}
