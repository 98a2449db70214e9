//! The controller over real sockets: configurations that replace each other, and files that change.

use std::path::Path;

use dunlin_core::directive::{ReloadTimes, SocketCount};
use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{query, stub};
use dunlin_core::wire::{self, Flags};
use dunlin_core::{Directive, Entry, Registry};
use dunlin_testkit::client::{Tcp, Udp};
use dunlin_testkit::wait::{until, until_async};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::config::Origin;

fn bind(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.next();
    let hosts = directive.remaining_args().into_iter().map(str::to_owned).collect();
    directive.parts().hosts = Some(hosts);
    Ok(())
}

fn reload(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let hour = Duration::from_secs(3600);
    directive.parts().reload = Some(ReloadTimes { interval: hour, jitter: Duration::ZERO });
    Ok(())
}

/// `needs FILE`: fails to start without it.
fn needs(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.next();
    let file = directive.remaining_args().concat();
    directive.parts().hooks.on_start(|_| async move {
        anyhow::ensure!(Path::new(&file).exists(), "plugin/needs: nothing there");
        Ok(())
    });
    Ok(())
}

/// `rcode NUMBER`: answers everything with it.
fn rcode(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.next();
    let rcode: u8 = directive.remaining_args().concat().parse()?;
    directive.add(stub(move |query| {
        Box::pin(async move { Ok(query.error(ResponseCode::from(0, rcode))) })
    }));
    Ok(())
}

/// `sockets NUMBER`
fn sockets(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.next();
    let count = directive.remaining_args().concat().parse()?;
    directive.parts().sockets = Some(SocketCount::Exactly(count));
    Ok(())
}

fn setup(origin: Origin) -> Setup {
    Setup {
        origin,
        port: 0,
        registry: Registry::new(vec![
            Entry { name: "sockets", setup: sockets },
            Entry { name: "reload", setup: reload },
            Entry { name: "bind", setup: bind },
            Entry { name: "needs", setup: needs },
            Entry { name: "rcode", setup: rcode },
        ]),
        fallback: ". {\n bind 127.0.0.1\n reload\n rcode 9\n}\n".into(),
    }
}

impl Controller {
    fn of_test(setup: Setup) -> Self {
        let metrics = Metrics::new(1);
        let control = Control::new(drop);
        Self {
            setup,
            lines: Lines::discarded(),
            generation: Generation::assemble(Draft::default()),
            shared: Arc::new(Shared::new(&metrics, control.clone())),
            sockets: Sockets::start(Driver::Native, Some(1), &metrics).unwrap(),
            metrics,
            listeners: HashMap::new(),
            endpoints: Endpoints::default(),
            drains: TaskTracker::new(),
            control,
            on_debug: Box::new(drop),
            extras: Extras::default(),
            has_missing: false,
        }
    }

    fn draft(&self, text: &str) -> Draft {
        let setup = setup(Origin::Stdin(text.into()));
        let corefile = setup.load().corefile;
        setup.set_up(&corefile, &self.metrics, &self.lines, &self.retain()).unwrap()
    }

    /// The one address.
    fn address(&self) -> SocketAddr {
        let mut all = self.listeners.values();
        let only = all.next().unwrap();
        assert!(all.next().is_none(), "several listeners");
        only.address
    }

    fn metric(&self, name: &str) -> u64 {
        let page = self.metrics.page();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.expect(name).parse().unwrap()
    }
}

/// The UDP sockets of this port of 127.0.0.1, as the kernel lists them.
fn sockets_of(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let local = format!(" 0100007F:{port:04X} 00000000:");
    table.lines().filter(|line| line.contains(&local)).count()
}

/// MS7; core.md row 89. One worker serves them all.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_sockets_follows_the_corefile() {
    let text =
        |count: &str, rcode: u8| format!(". {{\n bind 127.0.0.1\n {count}\n rcode {rcode}\n}}\n");
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    let mut port = None;
    for (rcode, (count, expected)) in
        (1..).zip([("", 1), ("sockets 3", 3), ("sockets 2", 2), ("sockets 2", 2), ("", 1)])
    {
        controller.apply(controller.draft(&text(count, rcode))).await.unwrap();
        let address = controller.address();
        assert_eq!(*port.get_or_insert_with(|| address.port()), address.port());
        until_async("the sockets", async || sockets_of(address.port()) == expected).await;
        for _ in 0..20 {
            assert_eq!(ask(address), rcode);
        }
        let lines = controller.started("").zone_lines;
        assert_eq!(lines.len(), if count.is_empty() { 1 } else { expected }, "{lines:?}");
    }
}

const ONE: &str = ". {\n bind 127.0.0.1\n rcode 1\n}\n";
const TWO: &str = ". {\n bind 127.0.0.1\n rcode 2\n}\n";

fn message(qtype: RecordType, id: u16) -> Vec<u8> {
    query("example.org", qtype).id(id).to_bytes()
}

/// The rcode, the same over both transports.
fn ask(server: SocketAddr) -> u8 {
    let udp = Udp::to(server);
    udp.send(&message(RecordType::A, 1)).unwrap();
    let mut tcp = Tcp::to(server);
    tcp.send(&message(RecordType::A, 1)).unwrap();
    let [udp, tcp] = [udp.receive().unwrap(), tcp.receive().unwrap()];
    assert_eq!(udp, tcp);
    Flags::of(&udp).rcode()
}

fn is_closed(server: SocketAddr) -> bool {
    let udp = Udp::to(server);
    // The second send tells that the first met a closed port.
    let [_, sent] = [(); 2].map(|()| udp.send(&message(RecordType::A, 1)));
    Tcp::connect(server).is_err() && sent.is_err()
}

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Has the stop hook of the first block write a word.
fn log_stop(draft: &mut Draft, log: &Log, word: &'static str) {
    let log = Arc::clone(log);
    draft.blocks[0].parts.hooks.on_stop(move || async move { log.lock().push(word) });
}

/// Answers MX when it gets a permit.
fn wait_for(draft: &mut Draft, go: &Arc<Semaphore>) {
    let go = Arc::clone(go);
    let waits = stub(move |query| {
        let go = Arc::clone(&go);
        Box::pin(async move {
            if query.qtype() == RecordType::MX {
                go.acquire().await.unwrap().forget();
            }
            Ok(query.error(ResponseCode::from(0, 5)))
        })
    });
    draft.blocks[0].parts.plugins = vec![Box::new(waits)];
}

/// core.md rows 82 to 85; CF-01.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_hook_that_fails_changes_nothing() {
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    let log = Log::default();
    let mut first = controller.draft(ONE);
    log_stop(&mut first, &log, "first");
    controller.apply(first).await.unwrap();
    let address = controller.address();
    assert_eq!(ask(address), 1);

    let text = format!("{TWO}. {{\n bind 127.0.0.2\n needs it\n}}\n");
    let mut second = controller.draft(&text);
    log_stop(&mut second, &log, "second");
    assert_eq!(controller.apply(second).await.unwrap_err(), "plugin/needs: nothing there");
    assert_eq!((controller.address(), ask(address)), (address, 1));
    assert_eq!(*log.lock(), ["second"], "what had begun is ended");
    assert_eq!(controller.drains.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_changes_nothing() {
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    controller.apply(controller.draft(ONE)).await.unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!("{TWO}.:{port} {{\n bind 127.0.0.1\n rcode 2\n}}\n");
    let error = controller.apply(controller.draft(&text)).await.unwrap_err();
    let expected = format!("Listen: listen tcp 127.0.0.1:{port}: bind: address already in use");
    assert_eq!(error, expected);
    assert_eq!(ask(controller.address()), 1);
}

/// RL19: a query in flight over the switch is answered by the chain that it began in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_patience_one_address_that_is_taken_does_not_stop_another() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    controller.extras.is_patient = true;
    let alone = controller.draft(&format!(".:{port} {{\n bind 127.0.0.1\n rcode 9\n}}\n"));
    let error = controller.apply(alone).await.unwrap_err();
    assert!(error.contains("address already in use"), "{error}");
    let both = controller.draft(&format!(".:{port} {{\n bind 127.0.0.1 127.0.0.2\n rcode 9\n}}\n"));
    controller.apply(both).await.unwrap();
    assert_eq!((controller.listeners.len(), controller.has_missing), (1, true));
    controller.open_missing().await;
    assert!(controller.has_missing);
    drop(taken);
    // Again and again, as the controller does: somebody else's connection may have the port by now.
    let deadline = Instant::now() + Duration::from_secs(30);
    while controller.has_missing && Instant::now() < deadline {
        tokio::task::yield_now().await;
        controller.open_missing().await;
    }
    assert_eq!((controller.listeners.len(), controller.has_missing), (2, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_generation_stops_once_after_its_last_query() {
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    let (log, go) = (Log::default(), Arc::new(Semaphore::new(0)));
    let mut first = controller.draft(ONE);
    log_stop(&mut first, &log, "first");
    wait_for(&mut first, &go);
    controller.apply(first).await.unwrap();
    let address = controller.address();
    let (udp, mut tcp) = (Udp::to(address), Tcp::to(address));
    udp.send(&message(RecordType::MX, 7)).unwrap();
    tcp.send(&message(RecordType::MX, 8)).unwrap();
    until("two queries in work", || controller.metric("dunlin_pending_queries") == 2);

    controller.apply(controller.draft(TWO)).await.unwrap();
    assert_eq!((controller.address(), ask(address)), (address, 2));
    assert_eq!(log.lock().len(), 0, "queries are in work");
    go.add_permits(2);
    let [late_udp, late_tcp] = [udp.receive().unwrap(), tcp.receive().unwrap()];
    assert_eq!([wire::id(&late_udp), wire::id(&late_tcp)], [7, 8]);
    assert_eq!([Flags::of(&late_udp).rcode(), Flags::of(&late_tcp).rcode()], [5, 5]);
    until_async("the stop hook", async || !log.lock().is_empty()).await;
    tcp.send(&message(RecordType::MX, 9)).unwrap();
    assert_eq!(Flags::of(&tcp.receive().unwrap()).rcode(), 2, "a connection outlives a reload");
    controller.apply(controller.draft(ONE)).await.unwrap();
    assert_eq!(*log.lock(), ["first"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_nobody_wants_any_more_closes_after_its_last_query() {
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    let go = Arc::new(Semaphore::new(0));
    let mut first = controller.draft(ONE);
    wait_for(&mut first, &go);
    controller.apply(first).await.unwrap();
    let address = controller.address();
    let udp = Udp::to(address);
    udp.send(&message(RecordType::MX, 7)).unwrap();
    until("a query in work", || controller.metric("dunlin_pending_queries") == 1);
    let other = TWO.replace("127.0.0.1", "127.0.0.2");
    controller.apply(controller.draft(&other)).await.unwrap();
    assert_eq!(ask(controller.address()), 2);
    go.add_permits(1);
    assert_eq!(wire::id(&udp.receive().unwrap()), 7);
    until("the old address is closed", || is_closed(address));
}

/// core.md rows 87 and 91; CF-10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_answers_what_is_in_work_and_stops_all_generations() {
    let mut controller = Controller::of_test(setup(Origin::Stdin(Vec::new())));
    let (log, go) = (Log::default(), Arc::new(Semaphore::new(0)));
    for word in ["first", "second"] {
        let mut draft = controller.draft(ONE);
        log_stop(&mut draft, &log, word);
        wait_for(&mut draft, &go);
        controller.apply(draft).await.unwrap();
        let address = controller.address();
        let udp = Udp::to(address);
        udp.send(&message(RecordType::MX, 7)).unwrap();
        let count = if word == "first" { 1 } else { 2 };
        until("a query in work", || controller.metric("dunlin_pending_queries") == count);
        if word == "second" {
            let mut signals = Signals::install().unwrap();
            let ending = tokio::spawn(async move { controller.shut_down(&mut signals).await });
            until("the address is closed", || Tcp::connect(address).is_err());
            assert_eq!(log.lock().len(), 0);
            go.add_permits(2);
            assert_eq!(wire::id(&udp.receive().unwrap()), 7);
            assert_eq!(ending.await.unwrap(), 0);
            log.lock().sort_unstable();
            assert_eq!(*log.lock(), ["first", "second"]);
            return;
        }
    }
}

struct Running {
    folder: tempfile::TempDir,
    controller: Controller,
    reload: Reload,
}

impl Running {
    async fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Corefile");
        std::fs::write(&path, text).unwrap();
        let mut controller = Controller::of_test(setup(Origin::Usual(path)));
        let mut reload = Reload::new(&controller.metrics);
        let (loaded, draft) =
            reload.first(&controller.setup, &controller.metrics, &controller.lines).unwrap();
        controller.apply(draft).await.unwrap();
        reload.arm(&controller, &loaded);
        Self { folder, controller, reload }
    }

    fn write(&self, text: &str) {
        std::fs::write(self.folder.path().join("Corefile"), text).unwrap();
    }

    /// Looks at the files and tells: rcode, failures, whether the files say something else.
    async fn look(&mut self) -> (u8, u64, u64) {
        self.reload.look(&mut self.controller).await;
        self.state()
    }

    fn state(&self) -> (u8, u64, u64) {
        let failed = self.controller.metric("coredns_reload_failed_total");
        let stale = self.controller.metric("dunlin_config_stale");
        (ask(self.controller.address()), failed, stale)
    }
}

fn corefile(more: &str) -> String {
    format!(". {{\n bind 127.0.0.1\n reload\n {more}\n}}\n")
}

/// core.md row 93; reload.md RL01 to RL14; CF-04 to CF-06.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_followed_and_bad_ones_change_nothing() {
    let mut running = Running::with(&corefile("rcode 1")).await;
    let path = running.folder.path().join("Corefile");
    assert_eq!(running.look().await, (1, 0, 0));
    running.write(&format!("# a comment\n\n{}", corefile("rcode 1")));
    assert_eq!(running.look().await, (1, 0, 0));
    running.write(&corefile("rcode 2"));
    assert_eq!(running.look().await, (2, 0, 0));

    let bad = ["", "# nothing\n", ". {\n rcode 3\n", &corefile("nonsense"), &corefile("rcode x")];
    // Empty and comments only are one content.
    for (text, failed) in bad.iter().zip([1, 1, 2, 3, 4]) {
        running.write(text);
        assert_eq!(running.look().await, (2, failed, 1), "{text}");
        assert_eq!(running.look().await, (2, failed, 1), "{text}: told once");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(running.look().await, (2, 5, 1), "gone");
    running.write(&corefile("rcode 2"));
    assert_eq!(running.look().await, (2, 5, 0), "what runs is back");

    running.write(". {\n bind 127.0.0.1\n rcode 4\n}\n");
    assert_eq!(running.look().await, (4, 5, 0), "without reload");
    running.write(&corefile("rcode 6"));
    assert_eq!(running.look().await, (4, 5, 0), "nobody watches any more");
    running.reload.forced(&mut running.controller).await;
    assert_eq!(running.state(), (6, 5, 0), "the operator said so");
    running.write(&corefile("rcode 7"));
    assert_eq!(running.look().await, (7, 5, 0), "RL12");
}

/// CF-05.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_whose_cause_has_gone_is_made_good_without_an_edit() {
    let mut running = Running::with(&corefile("rcode 1")).await;
    let needed = running.folder.path().join("needed");
    running.write(&corefile(&format!("rcode 2\n needs {}", needed.display())));
    assert_eq!(running.look().await, (1, 1, 1));
    assert_eq!(running.look().await, (1, 1, 1), "not before its time");
    std::fs::write(&needed, "").unwrap();
    // The change in the directory may be told before the retry is due.
    until_async("the reload", async || {
        running.reload.due().await;
        running.look().await == (2, 1, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_reload_of_a_broken_file_changes_nothing() {
    let mut running = Running::with(&corefile("rcode 1")).await;
    running.write(". {");
    running.reload.forced(&mut running.controller).await;
    assert_eq!(running.state(), (1, 1, 1));
    std::fs::remove_file(running.folder.path().join("Corefile")).unwrap();
    running.reload.forced(&mut running.controller).await;
    assert_eq!(running.state(), (1, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fallback_runs_until_there_are_server_blocks() {
    let mut running = Running::with("").await;
    assert_eq!(running.look().await, (9, 0, 0), "it is not told that the file is empty");
    std::fs::remove_file(running.folder.path().join("Corefile")).unwrap();
    assert_eq!(running.look().await, (9, 0, 0));
    running.write(&corefile("rcode 1"));
    assert_eq!(running.look().await, (1, 0, 0));
    running.write("");
    assert_eq!(running.look().await, (1, 1, 1));

    let written = running.controller.setup.fallback.clone();
    let mut running = Running::with(&written).await;
    running.write("");
    assert_eq!(running.look().await, (9, 1, 1), "what the operator wrote is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_input_is_never_looked_at_again() {
    let text = corefile("rcode 1");
    let mut controller = Controller::of_test(setup(Origin::Stdin(text.into())));
    let mut reload = Reload::new(&controller.metrics);
    let (loaded, draft) =
        reload.first(&controller.setup, &controller.metrics, &controller.lines).unwrap();
    controller.apply(draft).await.unwrap();
    reload.arm(&controller, &loaded);
    controller.setup.origin = Origin::Stdin(corefile("rcode 2").into());
    reload.look(&mut controller).await;
    assert_eq!(ask(controller.address()), 1);
    let due = std::pin::pin!(reload.due());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(due.poll(&mut context).is_pending());
}
