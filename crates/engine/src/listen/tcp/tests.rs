//! Real connections on the loopback, with short timeouts; what they wait for is a condition.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use dunlin_core::metrics::Metrics;
use dunlin_core::rr::rdata::TXT;
use dunlin_core::rr::{RData, RecordType};
use dunlin_core::testing::{Stub, TestQuery, query, stub};
use dunlin_core::wire;
use dunlin_testkit::client::Tcp;
use dunlin_testkit::wait::{DEADLINE, until};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::testing::{listener, table_of};

/// Longer than any test: then the client has given up.
const NEVER: Duration = DEADLINE.saturating_mul(10);
const LONG: Limits = Limits {
    read: NEVER,
    idle: NEVER,
    idle_in_a_crowd: NEVER,
    write: NEVER,
    on_its_way: SHORT,
    queries: QueryLimit::Unlimited,
};
const SHORT: Duration = Duration::from_millis(50);

struct Serving {
    listener: Arc<Listener>,
    thread: JoinHandle<()>,
}

/// Serves `plugin` in a thread of its own, as a worker does.
fn serve(plugin: &Stub, limits: Limits) -> Serving {
    let metrics = Metrics::new(0);
    let socket = dunlin_os::sockets::tcp_listener("127.0.0.1:0".parse().unwrap()).unwrap();
    // Accepted connections inherit it: what the kernel takes is no more than what we hold.
    socket2::SockRef::from(&socket).set_send_buffer_size(64 * 1024).unwrap();
    let listener = listener(table_of(plugin.clone()), &metrics, socket.local_addr().unwrap());
    // The least limit there is: 16 connections.
    let connections = Arc::new(Connections::new(&metrics, Some(27)));
    let served = Arc::clone(&listener);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = TcpListener::from_std(socket).unwrap();
            let tasks = served.tasks.clone();
            tasks.spawn(serve_tcp(served, socket, connections, limits));
            tasks.wait().await;
        });
    });
    Serving { listener, thread }
}

impl Serving {
    fn connect(&self) -> Tcp {
        Tcp::to(self.address())
    }

    fn address(&self) -> SocketAddr {
        self.listener.address
    }

    fn stop(&self) {
        self.listener.stop.cancel();
        self.listener.tasks.close();
    }

    fn wait_ended(self) {
        until("the end of all tasks", || self.thread.is_finished());
    }
}

/// MX waits for a permit, TXT is long, the rest is answered at once.
fn plugin(go: &Arc<Semaphore>) -> Stub {
    let go = Arc::clone(go);
    stub(move |query| {
        let go = Arc::clone(&go);
        Box::pin(async move {
            if query.qtype() == RecordType::MX {
                go.acquire().await.unwrap().forget();
            }
            let texts = if query.qtype() == RecordType::TXT { 240 } else { 0 };
            let text = RData::TXT(TXT::new(vec!["x".repeat(250)]));
            Ok((0..texts).fold(query.reply(), |reply, _| {
                reply.answer(query.name().clone(), 1, text.clone())
            }))
        })
    })
}

fn closed() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

fn fast(id: u16) -> Vec<u8> {
    asks(RecordType::A, id)
}

fn slow(id: u16) -> Vec<u8> {
    asks(RecordType::MX, id)
}

fn asks(qtype: RecordType, id: u16) -> Vec<u8> {
    let query: TestQuery = query("example.org", qtype).tcp();
    query.id(id).to_bytes()
}

#[track_caller]
fn receive(client: &mut Tcp) -> u16 {
    wire::id(&client.receive().unwrap())
}

#[track_caller]
fn exchange(client: &mut Tcp) {
    client.send(&fast(77)).unwrap();
    assert_eq!(receive(client), 77);
}

/// RL-08, RFC 7766 §6.2.1.1.
#[test]
fn a_slow_query_does_not_delay_a_fast_one() {
    let go = closed();
    let serving = serve(&plugin(&go), LONG);
    let mut client = serving.connect();
    client.send(&slow(1)).unwrap();
    client.send(&fast(2)).unwrap();
    assert_eq!(receive(&mut client), 2);
    go.add_permits(1);
    assert_eq!(receive(&mut client), 1);
    exchange(&mut client);
}

/// RL-06; core.md row 67.
#[test]
fn the_first_message_must_come_in_time_and_whole() {
    let serving = serve(&plugin(&closed()), Limits { read: SHORT, ..LONG });
    let started = [&b""[..], b"\0", b"\0\x1d", b"\0\x1dhalf of it"];
    for bytes in started {
        let mut client = serving.connect();
        client.send_unframed(bytes).unwrap();
        assert_eq!(client.wait_closed(), b"", "{bytes:?}");
    }
}

#[test]
fn a_later_message_must_come_whole_soon_after_its_first_octet() {
    let serving = serve(&plugin(&closed()), Limits { read: Duration::from_secs(1), ..LONG });
    let mut client = serving.connect();
    exchange(&mut client);
    client.send_unframed(b"\0\x1dhalf of it").unwrap();
    assert_eq!(client.wait_closed(), b"");
    let mut client = serving.connect();
    client.send_unframed(&[Tcp::framed(&fast(3)), b"\0\x1dhalf".to_vec()].concat()).unwrap();
    assert_eq!(client.wait_closed()[2..4], [0, 3]);
}

/// core.md row 68.
#[test]
fn an_idle_connection_is_closed_and_one_that_waits_for_a_reply_is_not() {
    let go = closed();
    let limits = Limits { read: Duration::from_secs(1), idle: SHORT, ..LONG };
    let serving = serve(&plugin(&go), limits);
    let mut waiting = serving.connect();
    waiting.send(&slow(1)).unwrap();
    let (mut idle, mut silent) = (serving.connect(), serving.connect());
    exchange(&mut idle);
    assert_eq!(idle.wait_closed(), b"");
    // Its time is up later than that of the connection that waits.
    assert_eq!(silent.wait_closed(), b"");
    go.add_permits(1);
    assert_eq!(receive(&mut waiting), 1);
    assert_eq!(waiting.wait_closed(), b"");
}

/// RL-05.
#[test]
fn idle_connections_go_sooner_when_places_are_scarce() {
    let serving = serve(&plugin(&closed()), Limits { idle_in_a_crowd: SHORT, ..LONG });
    let mut few: Vec<Tcp> = (0..12).map(|_| serving.connect()).collect();
    few.iter_mut().for_each(exchange);
    let mut one_more = serving.connect();
    exchange(&mut one_more);
    assert_eq!(one_more.wait_closed(), b"");
    few.iter_mut().for_each(exchange);
}

/// RL-10.
#[test]
fn a_half_closed_client_gets_its_replies() {
    let go = closed();
    let serving = serve(&plugin(&go), LONG);
    let mut client = serving.connect();
    client.send(&slow(1)).unwrap();
    client.send(&fast(2)).unwrap();
    client.finish().unwrap();
    assert_eq!(receive(&mut client), 2);
    go.add_permits(1);
    assert_eq!(receive(&mut client), 1);
    assert_eq!(client.wait_closed(), b"");
}

#[test]
fn what_is_no_message_closes_after_what_is_owed() {
    let go = closed();
    let serving = serve(&plugin(&go), LONG);
    for length in [0, 11] {
        let mut client = serving.connect();
        let bad = vec![0; length];
        let stream = [slow(1), fast(2), bad, fast(3)].map(|message| Tcp::framed(&message)).concat();
        client.send_unframed(&stream).unwrap();
        assert_eq!(receive(&mut client), 2);
        go.add_permits(1);
        assert_eq!(receive(&mut client), 1);
        assert_eq!(client.wait_closed(), b"", "length {length}");
    }
}

#[test]
fn messages_may_come_in_pieces() {
    let serving = serve(&plugin(&closed()), LONG);
    let mut client = serving.connect();
    let stream = [Tcp::framed(&fast(1)), Tcp::framed(&fast(2))].concat();
    for octet in stream {
        client.send_unframed(&[octet]).unwrap();
    }
    assert_eq!([receive(&mut client), receive(&mut client)], [1, 2]);
}

/// RL-07.
#[test]
fn after_128_queries_in_work_nothing_more_is_read() {
    let (go, plugin) = {
        let go = closed();
        (Arc::clone(&go), plugin(&go))
    };
    let serving = serve(&plugin, LONG);
    let mut client = serving.connect();
    let stream: Vec<u8> = (0..200).flat_map(|id| Tcp::framed(&slow(id))).collect();
    client.send_unframed(&stream).unwrap();
    until("128 queries in work", || plugin.asked() == 128);
    for _ in 0..10 {
        exchange(&mut serving.connect());
    }
    assert_eq!(plugin.asked(), 138, "129 of the one client");
    go.add_permits(1);
    receive(&mut client);
    until("one more query in work", || plugin.asked() == 139);
    go.add_permits(199);
    let rest = (0..199).map(|_| receive(&mut client));
    assert_eq!(rest.collect::<std::collections::BTreeSet<_>>().len(), 199);
}

#[test]
fn many_long_replies_arrive_whole() {
    let serving = serve(&plugin(&closed()), LONG);
    let mut client = serving.connect();
    let stream: Vec<u8> = (0..100).flat_map(|id| Tcp::framed(&asks(RecordType::TXT, id))).collect();
    client.send_unframed(&stream).unwrap();
    client.finish().unwrap();
    for id in 0..100 {
        let reply = client.receive().unwrap();
        assert!(reply.len() > 60_000);
        assert_eq!(wire::id(&reply), id);
    }
    assert_eq!(client.wait_closed(), b"");
}

/// RL-09.
#[test]
fn a_client_that_takes_nothing_is_closed_and_holds_no_heap_of_replies() {
    let plugin = plugin(&closed());
    let serving = serve(&plugin, Limits { write: Duration::from_millis(500), ..LONG });
    let mut client = std::net::TcpStream::connect(serving.address()).unwrap();
    socket2::SockRef::from(&client).set_recv_buffer_size(4096).unwrap();
    // In few reads of the server's: more than all buffers of the kernel hold.
    let stream: Vec<u8> =
        (0..1000).flat_map(|id| Tcp::framed(&asks(RecordType::TXT, id))).collect();
    client.write_all(&stream).unwrap();
    until("the end of the connection", || client.write_all(&Tcp::framed(&fast(1))).is_err());
    assert!(plugin.asked() < 60, "{} queries were answered into the void", plugin.asked());
}

/// TO12: what comes after the last query is not read.
#[test]
fn a_connection_ends_with_its_last_query() {
    let go = closed();
    let queries = QueryLimit::AtMost(2.try_into().unwrap());
    let serving = serve(&plugin(&go), Limits { queries, ..LONG });
    for pipelined in [false, true] {
        let mut client = serving.connect();
        exchange(&mut client);
        let mut rest = Tcp::framed(&slow(2));
        if pipelined {
            rest.extend(Tcp::framed(&fast(3)));
        }
        client.send_unframed(&rest).unwrap();
        go.add_permits(1);
        assert_eq!(receive(&mut client), 2);
        assert_eq!(client.wait_closed(), b"", "pipelined: {pipelined}");
    }
}

#[test]
fn what_the_corefile_says_goes_first() {
    let second = Duration::from_secs(1);
    let says = Timeouts { idle: Some(second), ..Timeouts::default() };
    let limits = Limits::default().under(&says);
    assert_eq!((limits.read, limits.idle), (Limits::default().read, second));
    let says = Timeouts { read: Some(second), write: Some(second), idle: None, ..says };
    let limits = Limits::default().under(&says);
    assert_eq!((limits.read, limits.write, limits.idle), (second, second, Limits::default().idle));
}

/// RL-05.
#[test]
fn the_connection_that_was_idle_for_longest_makes_room() {
    let serving = serve(&plugin(&closed()), LONG);
    let mut clients: Vec<Tcp> = (0..16).map(|_| serving.connect()).collect();
    clients.iter_mut().for_each(exchange);
    exchange(&mut clients[0]);
    exchange(&mut serving.connect());
    assert_eq!(clients[1].wait_closed(), b"");
    exchange(&mut clients[0]);
    clients[2..].iter_mut().for_each(exchange);
}

#[test]
fn a_connection_that_waits_for_a_reply_keeps_its_place() {
    let (go, plugin) = {
        let go = closed();
        (Arc::clone(&go), plugin(&go))
    };
    let serving = serve(&plugin, LONG);
    let mut waiting = serving.connect();
    waiting.send(&slow(1)).unwrap();
    until("a query in work", || plugin.asked() == 1);
    let mut idle: Vec<Tcp> = (0..15).map(|_| serving.connect()).collect();
    idle.iter_mut().for_each(exchange);
    exchange(&mut serving.connect());
    assert_eq!(idle[0].wait_closed(), b"");
    go.add_permits(1);
    assert_eq!(receive(&mut waiting), 1);
}

/// CF-10: nothing is lost of what was sent before the end was announced.
#[test]
fn the_end_answers_what_was_sent_before() {
    let (release, held) = mpsc::sync_channel(1);
    let held = Mutex::new(held);
    let blocks = stub(move |query| {
        if query.qtype() == RecordType::MX {
            // Stops the whole thread, so that nothing more is read.
            let _released = held.lock().recv();
        }
        Box::pin(async { Ok(query.reply()) })
    });
    let serving = serve(&blocks, LONG);
    let (mut first, mut second, mut idle) =
        (serving.connect(), serving.connect(), serving.connect());
    for client in [&mut first, &mut second, &mut idle] {
        exchange(client);
    }
    first.send(&slow(1)).unwrap();
    until("a query in work", || blocks.asked() == 4);
    second.send(&fast(2)).unwrap();
    let mut third = serving.connect();
    third.send(&fast(3)).unwrap();
    serving.stop();
    release.send(()).unwrap();
    for (client, id) in [(&mut first, 1), (&mut second, 2), (&mut third, 3)] {
        assert_eq!(receive(client), id);
        assert_eq!(client.wait_closed(), b"");
    }
    assert_eq!(idle.wait_closed(), b"");
    serving.wait_ended();
}

#[test]
fn the_end_waits_for_replies_that_are_owed() {
    let go = closed();
    let serving = serve(&plugin(&go), LONG);
    let (mut waiting, mut idle) = (serving.connect(), serving.connect());
    waiting.send(&slow(1)).unwrap();
    exchange(&mut waiting);
    exchange(&mut idle);
    serving.stop();
    assert_eq!(idle.wait_closed(), b"");
    go.add_permits(1);
    assert_eq!(receive(&mut waiting), 1);
    assert_eq!(waiting.wait_closed(), b"");
    assert!(Tcp::connect(serving.address()).map_or(true, |mut late| late.wait_closed().is_empty()));
    serving.wait_ended();
}

#[test]
fn the_end_waits_for_the_first_query_of_a_client_that_has_connected() {
    let serving = serve(&plugin(&closed()), Limits { on_its_way: NEVER, ..LONG });
    let [mut new, mut old] = [serving.connect(), serving.connect()];
    exchange(&mut old);
    serving.stop();
    // It has had its chance: whatever it wants more, it asks somebody else.
    assert!(old.wait_closed().is_empty());
    new.send(&fast(7)).unwrap();
    assert_eq!(receive(&mut new), 7);
    assert!(new.wait_closed().is_empty());
    serving.wait_ended();
    // One that never asks does not hold up the end.
    let serving = serve(&plugin(&closed()), LONG);
    let mut silent = serving.connect();
    serving.stop();
    assert!(silent.wait_closed().is_empty());
    serving.wait_ended();
}
