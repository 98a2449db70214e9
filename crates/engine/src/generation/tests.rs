//! Hooks and tasks: what runs when, and how often.

use dunlin_core::lines::Lines;
use dunlin_core::metrics::Metrics;
use dunlin_core::testing::stub;
use dunlin_core::{Directive, Entry, Registry};
use parking_lot::Mutex;

use super::*;
use crate::config::{Origin, Setup};

fn answers(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.add(stub(|query| Box::pin(async { Ok(query.reply()) })));
    Ok(())
}

type Log = Arc<Mutex<Vec<String>>>;

/// Two blocks on three addresses; hooks write into the log.
fn draft(log: &Log, failing: Option<usize>) -> Draft {
    let text = "a.test b.test:54 {\n own\n}\nc.test {\n own\n}\n";
    let setup = Setup {
        origin: Origin::Stdin(text.into()),
        port: 53,
        registry: Registry::new(vec![Entry { name: "own", setup: answers }]),
        fallback: String::new(),
    };
    let corefile = setup.load().corefile;
    let mut draft =
        setup.set_up(&corefile, &Metrics::new(0), &Lines::discarded(), &Retain::default()).unwrap();
    for block in &mut draft.blocks {
        let (index, starting, stopping) = (block.index, Arc::clone(log), Arc::clone(log));
        let tasks = Tasks::new(1);
        block.parts.tasks.push(tasks.clone());
        let ended = tasks.token();
        block.parts.hooks.on_start(move |context| async move {
            let sites = context.sites.iter().map(|site| format!("{}@{}", site.zone, site.server));
            let sites = sites.collect::<Vec<_>>().join(" ");
            starting.lock().push(format!("start {index} {sites} {:?}", context.listeners));
            anyhow::ensure!(failing != Some(index), "no luck");
            tasks.spawn(std::future::pending())?;
            Ok(())
        });
        block.parts.hooks.on_stop(move || async move {
            let tasks = if ended.is_cancelled() { "without tasks" } else { "too early" };
            stopping.lock().push(format!("stop {index} {tasks}"));
        });
    }
    draft
}

fn real() -> HashMap<SocketAddr, SocketAddr> {
    HashMap::from([("[::]:54".parse().unwrap(), "[::]:5454".parse().unwrap())])
}

#[tokio::test(start_paused = true)]
async fn hooks_run_once_and_know_where_they_are() {
    let log = Log::default();
    let mut generation = Generation::assemble(draft(&log, None));
    let control = Control::new(drop);
    generation.start(&real(), &control).await.unwrap();
    let started = [
        "start 0 a.test.@dns://:53 b.test.@dns://:54 [[::]:53, [::]:5454]",
        "start 1 c.test.@dns://:53 [[::]:53]",
    ];
    assert_eq!(*log.lock(), started);
    assert!(!generation.is_busy());
    generation.stop().await;
    generation.stop().await;
    assert_eq!(log.lock()[2..], ["stop 0 without tasks", "stop 1 without tasks"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_failing_start_hook_ends_the_start() {
    let log = Log::default();
    let mut generation = Generation::assemble(draft(&log, Some(0)));
    let error = generation.start(&real(), &Control::new(drop)).await.unwrap_err();
    assert_eq!(error.to_string(), "no luck");
    assert_eq!(log.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_hook_that_never_ends_is_a_failure() {
    let mut draft = draft(&Log::default(), None);
    draft.blocks[1].parts.hooks.on_start(|_| std::future::pending());
    let mut generation = Generation::assemble(draft);
    let error = generation.start(&real(), &Control::new(drop)).await.unwrap_err();
    assert_eq!(error.to_string(), "start hooks did not end within 30s");
}

#[test]
fn settings_of_blocks_are_united() {
    let mut draft = draft(&Log::default(), None);
    let times =
        |seconds| ReloadTimes { interval: Duration::from_secs(seconds), jitter: Duration::ZERO };
    draft.blocks[0].parts.reload = Some(times(1));
    draft.blocks[0].parts.lameduck = Duration::from_secs(5);
    draft.blocks[0].parts.debug = true;
    draft.blocks[0].parts.any_class = true;
    draft.blocks[1].parts.reload = Some(times(2));
    draft.blocks[1].parts.lameduck = Duration::from_secs(3);
    draft.blocks[1].parts.stacktrace = true;
    let generation = Generation::assemble(draft);
    assert_eq!(generation.reload, Some(times(2)), "the last block's");
    assert_eq!(generation.lameduck, Duration::from_secs(5));
    assert!(generation.debug);
    let [(_, both), (_, first)] = &generation.tables[..] else { panic!("two listeners") };
    assert!(both.any_class && first.any_class);
    let places: Vec<_> = both.places().collect();
    assert!(places.iter().all(|place| place.debug), "for the whole server");
    let traced = places.iter().filter(|place| place.stacktrace);
    assert_eq!(traced.map(|place| place.site.zone.as_str()).collect::<Vec<_>>(), ["c.test."]);
}

#[test]
fn a_generation_is_busy_while_somebody_reads_from_its_table() {
    let generation = Generation::assemble(draft(&Log::default(), None));
    let listener = arc_swap::ArcSwap::new(Arc::clone(&generation.tables[0].1));
    assert!(generation.is_busy(), "it is current");
    let reading = listener.load();
    listener.store(Arc::default());
    assert!(generation.is_busy(), "a batch is in work");
    drop(reading);
    assert!(!generation.is_busy());
}

#[test]
fn sh11_a_send_queue_holds_for_all_blocks_of_a_listener() {
    let text = "a.test b.test:54 {\n shed\n}\nc.test {\n own\n}\nd.test:55 {\n own\n}\n";
    let shed = Entry {
        name: "shed",
        setup: |directive| {
            let labels = &["server", "reason"];
            let dropped = directive.metrics().counter("test_dropped_total", "Replies.", labels);
            directive.parts().send_queue = Some(SendQueue { depth: 7, dropped });
            Ok(())
        },
    };
    let setup = Setup {
        origin: Origin::Stdin(text.into()),
        port: 53,
        registry: Registry::new(vec![shed, Entry { name: "own", setup: answers }]),
        fallback: String::new(),
    };
    let (corefile, metrics) = (setup.load().corefile, Metrics::new(0));
    let draft = setup.set_up(&corefile, &metrics, &Lines::discarded(), &Retain::default());
    let generation = Generation::assemble(draft.unwrap());
    let depths = generation.tables.iter().map(|(plan, table)| {
        (plan.address.port(), table.send_queue.as_ref().map(|queue| queue.depth))
    });
    assert_eq!(depths.collect::<Vec<_>>(), [(53, Some(7)), (54, Some(7)), (55, None)]);
    let (_, table) = generation.tables.first().unwrap();
    table.send_queue.as_ref().unwrap().dropped.inc();
    let line = "test_dropped_total{reason=\"response\",server=\"dns://:53\"} 1";
    assert!(metrics.page().contains(line));
}
