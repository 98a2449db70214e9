//! Real datagrams on the loopback.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use dunlin_core::metrics::Metrics;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{Stub, query, stub};
use dunlin_core::wire;
use dunlin_os::batch::LONGEST;
use dunlin_testkit::client::Udp;
use dunlin_testkit::wait::until;
use tokio::sync::Semaphore;

use super::*;
use crate::table::SendQueue;
use crate::testing::{listener, table_of};

struct Serving {
    listener: Arc<Listener>,
    /// The socket that is served.
    socket: UdpSocket,
    metrics: Metrics,
    thread: JoinHandle<()>,
}

/// Serves `plugin` in a thread of its own, as a worker does.
fn serve(plugin: &Stub, address: &str) -> Serving {
    serve_table(table_of(plugin.clone()), address)
}

fn serve_table(table: Table, address: &str) -> Serving {
    let metrics = Metrics::new(0);
    let socket = dunlin_os::sockets::udp_listener(address.parse().unwrap()).unwrap();
    let listener = listener(table, &metrics, socket.local_addr().unwrap());
    let (served, other) = (Arc::clone(&listener), socket.try_clone().unwrap());
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tasks = served.tasks.clone();
            tasks.spawn(serve_udp(served, socket));
            tasks.wait().await;
        });
    });
    Serving { listener, socket: other, metrics, thread }
}

impl Serving {
    fn port(&self) -> u16 {
        self.listener.address.port()
    }

    fn dropped(&self, reason: &str) -> u64 {
        let line = format!("dunlin_dropped_total{{reason=\"{reason}\",transport=\"udp\"}} ");
        let page = self.metrics.page();
        page.lines().find_map(|found| found.strip_prefix(&line)).unwrap().parse().unwrap()
    }

    fn stop(&self) {
        self.listener.stop.cancel();
        self.listener.tasks.close();
    }

    fn wait_ended(self) {
        until("the end of all tasks", || self.thread.is_finished());
    }
}

/// MX waits for a permit, the rest is answered at once.
fn plugin(go: &Arc<Semaphore>) -> Stub {
    let go = Arc::clone(go);
    stub(move |query| {
        let go = Arc::clone(&go);
        Box::pin(async move {
            if query.qtype() == RecordType::MX {
                go.acquire().await.unwrap().forget();
            }
            Ok(query.reply())
        })
    })
}

fn asks(qtype: RecordType, id: u16) -> Vec<u8> {
    query("example.org", qtype).id(id).to_bytes()
}

#[track_caller]
fn receive(client: &Udp) -> u16 {
    wire::id(&client.receive().unwrap())
}

#[test]
fn batches_are_answered_whole() {
    let serving = serve(&plugin(&Arc::new(Semaphore::new(0))), "127.0.0.1:0");
    let clients: Vec<Udp> = (0..5).map(|_| Udp::to(serving.listener.address)).collect();
    for round in 0..20u16 {
        for client in &clients {
            (0..10).for_each(|id| client.send(&asks(RecordType::A, round * 10 + id)).unwrap());
        }
        for client in &clients {
            let seen: BTreeSet<u16> = (0..10).map(|_| receive(client)).collect();
            assert_eq!(seen, (round * 10..round * 10 + 10).collect());
        }
    }
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked() {
    let go = Arc::new(Semaphore::new(100));
    for any in ["[::]:0", "0.0.0.0:0"] {
        let serving = serve(&plugin(&go), any);
        for address in ["127.0.0.1", "127.0.0.9", "127.1.2.3"] {
            let server = SocketAddr::new(address.parse().unwrap(), serving.port());
            // Connected: it sees nothing that comes from elsewhere.
            let client = Udp::to(server);
            client.send(&asks(RecordType::A, 1)).unwrap();
            assert_eq!(receive(&client), 1, "{address} at once");
            client.send(&asks(RecordType::MX, 2)).unwrap();
            assert_eq!(receive(&client), 2, "{address} later");
        }
    }
}

#[test]
fn plugins_see_the_address_that_was_asked_and_plain_ipv4_clients() {
    let seen = stub(|query| {
        assert!(query.client().is_ipv4() && query.client().ip().is_loopback());
        assert_eq!(query.local().ip().to_string(), "127.0.0.9");
        Box::pin(async { Ok(query.reply()) })
    });
    let serving = serve(&seen, "[::]:0");
    let client = Udp::to(SocketAddr::new("127.0.0.9".parse().unwrap(), serving.port()));
    client.send(&asks(RecordType::A, 1)).unwrap();
    let reply = client.receive().unwrap();
    assert_eq!(wire::Flags::of(&reply).rcode(), 0, "an assertion above failed");
}

#[test]
fn a_slow_reply_delays_nobody_and_is_sent_when_it_is_ready() {
    let go = Arc::new(Semaphore::new(0));
    let serving = serve(&plugin(&go), "127.0.0.1:0");
    let client = Udp::to(serving.listener.address);
    client.send(&asks(RecordType::MX, 1)).unwrap();
    client.send(&asks(RecordType::A, 2)).unwrap();
    assert_eq!(receive(&client), 2);
    go.add_permits(1);
    assert_eq!(receive(&client), 1);
}

/// As when an exchange ends that many clients wait for: all wake up before anything is sent. A send queue
/// changes nothing as long as they can be sent.
#[test]
fn many_replies_that_become_ready_in_one_turn_are_all_sent() {
    let dropped = Metrics::new(0).counter("test_dropped_total", "Replies.", &[]).with(&[]);
    let queue = SendQueue { depth: 1024, dropped: dropped.clone() };
    for send_queue in [None, Some(queue)] {
        check_many_late(send_queue);
    }
    assert_eq!(dropped.value(), 0);
}

fn check_many_late(send_queue: Option<SendQueue>) {
    let go = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&go);
    let plugin = stub(move |query| {
        let waits = Arc::clone(&waits);
        Box::pin(async move {
            match query.qtype() {
                RecordType::MX => waits.acquire().await.unwrap().forget(),
                _ => waits.add_permits(200),
            }
            Ok(query.reply())
        })
    });
    let mut table = table_of(plugin.clone());
    table.send_queue = send_queue;
    let serving = serve_table(table, "127.0.0.1:0");
    let client = Udp::to(serving.listener.address);
    (0..200).for_each(|id| client.send(&asks(RecordType::MX, id)).unwrap());
    until("200 queries in work", || plugin.asked() == 200);
    client.send(&asks(RecordType::A, 200)).unwrap();
    let seen: BTreeSet<u16> = (0..=200).map(|_| receive(&client)).collect();
    assert_eq!(seen.len(), 201);
    serving.stop();
    serving.wait_ended();
}

#[test]
fn what_is_too_long_or_our_own_gets_no_reply_and_is_counted() {
    let serving = serve(&plugin(&Arc::new(Semaphore::new(0))), "127.0.0.1:0");
    let client = Udp::to(serving.listener.address);
    let mut long = asks(RecordType::A, 1);
    long.resize(LONGEST + 1, 0);
    client.send(&long).unwrap();
    serving.socket.send_to(&asks(RecordType::A, 2), serving.listener.address).unwrap();
    client.send(&asks(RecordType::A, 3)).unwrap();
    assert_eq!(receive(&client), 3);
    assert_eq!((serving.dropped("oversize"), serving.dropped("self")), (1, 1));
    assert_eq!(serving.dropped("short"), 0);
}

/// On a wildcard socket every address of ours is our own.
#[test]
fn our_own_datagrams_are_known_on_a_wildcard_socket_too() {
    let serving = serve(&plugin(&Arc::new(Semaphore::new(0))), "[::]:0");
    let server = SocketAddr::new("::1".parse().unwrap(), serving.port());
    serving.socket.send_to(&asks(RecordType::A, 1), server).unwrap();
    let client = Udp::to(server);
    client.send(&asks(RecordType::A, 2)).unwrap();
    assert_eq!(receive(&client), 2);
    assert_eq!(serving.dropped("self"), 1);
}

/// CF-10: nothing is lost of what was sent before the end was announced.
#[test]
fn the_end_answers_what_the_kernel_holds_and_what_is_owed() {
    let (release, held) = mpsc::sync_channel(1);
    let (go, held) = (Arc::new(Semaphore::new(0)), Mutex::new(held));
    let waits = Arc::clone(&go);
    let blocks = stub(move |query| {
        let waits = Arc::clone(&waits);
        if query.qtype() == RecordType::TXT {
            // Stops the whole thread, so that nothing more is read.
            let _released = held.lock().recv();
        }
        Box::pin(async move {
            if query.qtype() == RecordType::MX {
                waits.acquire().await.unwrap().forget();
            }
            Ok(query.reply())
        })
    });
    let serving = serve(&blocks, "127.0.0.1:0");
    let client = Udp::to(serving.listener.address);
    client.send(&asks(RecordType::MX, 1)).unwrap();
    client.send(&asks(RecordType::TXT, 2)).unwrap();
    until("two queries in work", || blocks.asked() == 2);
    (3..100).for_each(|id| client.send(&asks(RecordType::A, id)).unwrap());
    serving.stop();
    release.send(()).unwrap();
    let seen: BTreeSet<u16> = (2..100).map(|_| receive(&client)).collect();
    assert_eq!(seen, (2..100).collect());
    go.add_permits(1);
    assert_eq!(receive(&client), 1);
    serving.wait_ended();
}

#[test]
fn what_waited_for_longer_than_its_client_has_expired() {
    let now = Duration::from_secs(1_700_000_000);
    let ago = |milliseconds| Some(now.saturating_sub(Duration::from_millis(milliseconds)));
    let table = [
        (ago(0), false),
        (ago(1900), false),
        (ago(1901), true),
        (ago(60_000), true),
        // The clock was set back meanwhile, or the socket tells no time.
        (Some(now + Duration::from_secs(5)), false),
        (None, false),
    ];
    for (arrival, expired) in table {
        assert_eq!(has_expired(arrival, now), expired, "{arrival:?}");
    }
}
