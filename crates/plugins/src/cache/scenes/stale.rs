//! More about stale entries and refreshes than the rows of the specification say.

use super::script::{Scene, play_all, question, settle, show};

#[tokio::test(start_paused = true)]
async fn stale_entries_have_an_end_and_fall_back_safely() {
    play_all(include_str!("stale.txt")).await;
}

/// P-04, CA-08: however many clients ask, one refresh of an entry runs at a time.
#[tokio::test(start_paused = true)]
async fn one_refresh_of_an_entry_at_a_time() {
    let modes = ["immediate", "verify", "verify 100ms"];
    for mode in modes {
        let mut scene = Scene::new(&format!("cache {{; serve_stale 1h {mode}; }}")).await;
        scene.play(mode, "U NOERROR; an A 6\nQ a.test A -> NOERROR 6 #1\n+ 7000").await;
        scene.upstream.says("FAIL after 2000");
        let chain = scene.block.chain();
        let ask = |n: u16| {
            let (chain, site) = (chain.clone(), scene.block.site());
            let words = format!("a.test A from=10.0.0.{}", n % 200);
            let words = if n.is_multiple_of(3) { format!("{words} -rd") } else { words };
            let mut query = question(&words).at(site).build();
            tokio::spawn(async move { chain.run(&mut query).await })
        };
        let tasks: Vec<_> = (0..50).map(ask).collect();
        for task in tasks {
            let shown = show(task.await.unwrap());
            assert!(shown.starts_with("NOERROR aa") && shown.ends_with("0 e3"), "{mode}: {shown}");
        }
        settle().await;
        assert_eq!((scene.upstream.asked(), scene.upstream.most()), (2, 1), "{mode}");
        scene.block.stop().await;
    }
}

/// CA-08: refreshes are bounded; above the bound the stale answer has to do.
#[tokio::test(start_paused = true)]
async fn refreshes_are_bounded() {
    let mut scene = Scene::new("cache {; serve_stale 1h immediate; }").await;
    scene.upstream.says("NOERROR; an A 6");
    let names = || (0..300).map(|n| format!("n{n}.test A"));
    for name in names() {
        scene.block.ask(question(&name)).await.unwrap();
    }
    tokio::time::advance(std::time::Duration::from_secs(7)).await;
    scene.upstream.says("FAIL after 4000");
    for name in names() {
        assert_eq!(show(scene.block.ask(question(&name)).await), "NOERROR aa 0 e3");
    }
    settle().await;
    assert_eq!((scene.upstream.most(), scene.value("prefetch_total", None)), (256, 256));
    scene.block.stop().await;
    settle().await;
}
