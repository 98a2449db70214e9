//! The acceptance rows of the specification: `scenes/rows.txt` holds them in their order, here are those
//! that a script cannot tell. `D` in a name marks a row that Dunlin decides otherwise than CoreDNS
//! HEAD.

use dunlin_core::directive::Retain;
use dunlin_core::metadata::Metadata;

use super::scenes::{Scene, play_all, question, settle, show};

const CACHE: &str = "cache";

#[tokio::test(start_paused = true)]
async fn the_rows_of_the_specification_hold() {
    play_all(include_str!("scenes/rows.txt")).await;
}

#[tokio::test(start_paused = true)]
async fn dunlins_own_decisions_hold() {
    play_all(include_str!("scenes/policy.txt")).await;
}

/// D: with a compressed owner the records follow the question's spelling, the client's; CoreDNS
/// shows the spelling that filled the entry.
#[tokio::test(start_paused = true)]
async fn c23_the_client_keeps_its_letter_case() {
    let mut scene = Scene::new(CACHE).await;
    scene.upstream.says("NOERROR; an A 300; ar A 300 2 @OTHER.test");
    let first = scene.block.ask(question("CaSe.test A")).await.unwrap();
    assert_eq!(first.answers()[0].name.to_ascii(), "CaSe.test.");
    let second = scene.block.ask(question("cAsE.test A")).await.unwrap();
    let message = second.message().unwrap();
    assert_eq!(message.queries[0].name().to_ascii(), "cAsE.test.");
    assert_eq!(message.answers[0].name.to_ascii(), "cAsE.test.");
    assert_eq!(scene.upstream.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn c25_d_ten_identical_queries_are_one_exchange() {
    let mut scene = Scene::new(CACHE).await;
    scene.upstream.says("NOERROR after 500; an A 300");
    let chain = scene.block.chain();
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (chain, site) = (chain.clone(), scene.block.site());
            let mut query = question("a.test A").id(n).at(site).build();
            tokio::spawn(async move { chain.run(&mut query).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(show(task.await.unwrap()), "NOERROR 300");
    }
    assert_eq!(scene.upstream.asked(), 1);
    let numbers =
        ["requests_total", "hits_total", "misses_total"].map(|name| scene.value(name, None));
    assert_eq!(numbers, [10, 0, 10]);
}

#[tokio::test(start_paused = true)]
async fn c39_a_duration_is_a_zone() {
    let mut scene = Scene::new("cache 10s").await;
    scene
        .play(
            "C39",
            "U NOERROR; an A 300
            Q a.test A ad -> NOERROR 300 #1
            Q a.test A ad -> NOERROR 300 #2
            M requests_total 0
            Q a.10s A -> NOERROR 300 #3
            Q a.10s A -> NOERROR aa 300 #3
            M requests_total 2",
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn c40_the_zones_of_a_block_share_a_cache() {
    let mut scene = Scene::with("a.test b.test", CACHE, &Retain::default()).await;
    scene
        .play(
            "C40",
            "U NOERROR; an A 300
            Q x.a.test A -> NOERROR 300 #1
            Q x.b.test A -> NOERROR 300 #2
            Q x.a.test A -> NOERROR aa 300 #2
            M entries success 2",
        )
        .await;
    assert!(scene.block.metrics().page().contains(r#"zones="a.test.,b.test.""#));
}

#[tokio::test(start_paused = true)]
async fn c48_the_capacity_is_a_bound() {
    let mut scene = Scene::new("cache {; success 1000; }").await;
    scene.upstream.says("NOERROR; an A 300");
    for n in 0..5000 {
        scene.block.ask(question(&format!("n{n}.test A"))).await.unwrap();
    }
    let entries = scene.value("entries", Some("success"));
    assert!(entries > 1000 && entries <= 1024, "{entries}");
    assert_eq!(scene.value("evictions_total", Some("success")), 5000 - entries);
}

/// D: CoreDNS begins anew at each reload.
#[tokio::test(start_paused = true)]
async fn c50_the_store_outlives_a_reload_that_changes_nothing_behind_it() {
    let mut scene = Scene::new(CACHE).await;
    scene
        .play(
            "C50",
            "U NOERROR; an A 300
        Q a.test A -> NOERROR 300 #1",
        )
        .await;
    let mut same = Scene::with(".:53", CACHE, &scene.block.retain()).await;
    same.play("C50 same", "Q a.test A -> NOERROR aa 300 #0").await;
    let mut changed = Scene::with(".:53", "cache 60", &scene.block.retain()).await;
    changed
        .play(
            "C50 changed",
            "U NOERROR; an A 300
        Q a.test A -> NOERROR 60 #1",
        )
        .await;
    let mut elsewhere = Scene::with("b.test:53", CACHE, &scene.block.retain()).await;
    elsewhere
        .play(
            "C50 elsewhere",
            "U NOERROR; an A 300
        Q a.b.test A -> NOERROR 300 #1",
        )
        .await;
    scene.block.stop().await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn metadata_say_what_the_store_had() {
    let mut scene = Scene::new("cache {; serve_stale 1h; }").await;
    scene.upstream.says("NOERROR; an A 6");
    let chain = scene.block.chain();
    for (later, state) in [(0, "miss"), (1, "hit"), (6, "stale")] {
        tokio::time::advance(std::time::Duration::from_secs(later)).await;
        let mut query = question("a.test A").at(scene.block.site()).build();
        query.attach_metadata(Metadata::default());
        chain.run(&mut query).await.unwrap();
        assert_eq!(query.metadata().unwrap().get("cache/state").as_deref(), Some(state));
    }
    scene.block.stop().await;
}
