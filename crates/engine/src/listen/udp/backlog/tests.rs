//! Sockets that cannot send. A datagram socket of the loopback always can; so this one is a stream in
//! disguise, whose other end does not read. Rows SH5 to SH8 and SH10 to SH12 of the specification.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use dunlin_core::Transport;
use dunlin_core::metrics::Metrics;
use dunlin_core::query::Source;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{Stub, query, stub};
use dunlin_os::batch::{BATCH, Datagram, Route};
use dunlin_testkit::metrics::value;

use super::super::door::Door;
use super::super::late::Late;
use tokio::time::Instant;

use super::*;
use crate::serve::Answer;
use crate::table::Table;
use crate::testing::{SERVER, listener, place, table, table_of};

const DEPTH: usize = 1024;
/// Of a reply to one of our queries: header, `b.test.`, type and class.
const REPLY: usize = 12 + 8 + 4;

struct Scene {
    endpoint: Arc<Endpoint>,
    metrics: Metrics,
    peer: TcpStream,
    /// Octets that the peer has to read before anything more can be sent.
    filling: usize,
}

/// A plugin that does what `shed` does.
fn sheds() -> Stub {
    stub(|query| {
        let congested = query.is_congested();
        let reply = query.reply();
        Box::pin(async move { Ok(if congested { dunlin_core::Reply::silence() } else { reply }) })
    })
}

fn answers() -> Stub {
    stub(|query| Box::pin(async { Ok(query.reply()) }))
}

/// The table with a send queue, as a generation makes it.
fn with_queue(mut table: Table, metrics: &Metrics) -> Table {
    let labels = &["server", "reason"];
    let dropped = metrics.counter("coredns_shed_dropped_total", "Dropped.", labels);
    let dropped = dropped.with(&[SERVER, "response"]);
    table.send_queue = Some(SendQueue { depth: DEPTH, dropped });
    table
}

impl Scene {
    fn new(table: Table) -> Self {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut own = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
        let peer = listening.accept().unwrap().0;
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        own.set_nonblocking(true).unwrap();
        let mut filling = 0;
        let full = loop {
            match own.write(&[0; 4096]) {
                Ok(written) => filling += written,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let metrics = Metrics::new(0);
        let listener = listener(with_queue(table, &metrics), &metrics, own.local_addr().unwrap());
        let socket = std::net::UdpSocket::from(OwnedFd::from(own));
        let endpoint = Endpoint::new(listener, Door::new(socket).unwrap(), Family::V4);
        Self { endpoint, metrics, peer, filling }
    }

    /// Queries come, as many at a time as a batch holds.
    fn ask(&self, name: &str, ids: std::ops::Range<u16>) {
        let table = self.endpoint.listener.table.load_full();
        let queue = table.send_queue.as_ref().unwrap();
        for batch in ids.collect::<Vec<_>>().chunks(BATCH) {
            self.endpoint.with_backlog(queue, |replies| {
                batch.iter().for_each(|id| self.handle(&table, name, *id, replies));
            });
            self.endpoint.flush_backlog();
        }
    }

    fn handle(&self, table: &Table, name: &str, id: u16, replies: &mut Outbox) {
        let bytes = query(name, RecordType::A).id(id).to_bytes();
        let client: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let datagram =
            Datagram { bytes: &bytes, route: Route::from(client), arrival: None, truncated: false };
        let now = Instant::now();
        self.endpoint.handle(table, &datagram, now, &mut Late::new(), replies);
    }

    fn waiting(&self) -> usize {
        self.endpoint.backlog.lock().as_ref().map_or(0, |backlog| backlog.replies.len())
    }

    fn dropped(&self, metric: &str, label: (&str, &str)) -> Option<f64> {
        value(&self.metrics.page(), metric, &[label])
    }

    fn lost_replies(&self) -> Option<f64> {
        self.dropped("coredns_shed_dropped_total", ("reason", "response"))
    }

    /// The peer reads; what is queued is sent, and the listener ends. The IDs in the order they came.
    async fn drain(mut self) -> Vec<u16> {
        let count = self.waiting();
        let tasks = &self.endpoint.listener.tasks;
        tasks.close();
        assert!(!tasks.is_empty(), "somebody waits for room");
        // Nobody is polled meanwhile: the socket is empty before more is written.
        self.peer.read_exact(&mut vec![0; self.filling]).unwrap();
        tokio::time::timeout(Duration::from_secs(20), tasks.wait()).await.unwrap();
        assert_eq!(self.waiting(), 0);
        let mut replies = vec![0; count * REPLY];
        self.peer.read_exact(&mut replies).unwrap();
        replies.chunks(REPLY).map(dunlin_core::wire::id).collect()
    }
}

#[tokio::test]
async fn sh5_sh7_sh12_the_newest_replies_leave_first_and_queries_are_dropped_while_all_wait() {
    let scene = Scene::new(table_of(sheds()));
    scene.ask("b.test.", 0..2000);
    assert_eq!(scene.waiting(), DEPTH);
    assert_eq!(scene.dropped("dunlin_dropped_total", ("reason", "plugin")), Some(976.0));
    assert_eq!(scene.lost_replies(), Some(0.0));
    assert_eq!(scene.drain().await, (0..1024).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn sh6_tcp_is_answered_while_the_queue_is_full() {
    let scene = Scene::new(table_of(sheds()));
    scene.ask("b.test.", 0..1024);
    let listener = &scene.endpoint.listener;
    let client = "127.0.0.1:40000".parse().unwrap();
    let (local, received) = (listener.address, Instant::now());
    let source = Source { client, local, transport: Transport::Tcp, received };
    let bytes = query("b.test.", RecordType::A).to_bytes();
    let answer = listener.shared.handle(&listener.table.load(), &bytes, source);
    assert!(matches!(answer, Answer::Now(Some(_))));
}

#[tokio::test]
async fn sh8_the_queue_outlives_a_reload_and_is_counted_on() {
    let scene = Scene::new(table_of(answers()));
    scene.ask("b.test.", 0..1025);
    assert_eq!((scene.waiting(), scene.lost_replies()), (DEPTH, Some(1.0)));
    let table = with_queue(table_of(answers()), &scene.metrics);
    scene.endpoint.listener.table.store(Arc::new(table));
    scene.ask("b.test.", 1025..1027);
    assert_eq!((scene.waiting(), scene.lost_replies()), (DEPTH, Some(3.0)));
    // A reload without `shed`: what waits is sent all the same.
    scene.endpoint.listener.table.store(Arc::new(table_of(answers())));
    assert_eq!(scene.drain().await, (3..1027).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn sh10_a_reply_that_the_kernel_refuses_is_counted() {
    let metrics = Metrics::new(0);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let table = with_queue(table_of(answers()), &metrics);
    let listener = listener(table, &metrics, socket.local_addr().unwrap());
    let endpoint = Endpoint::new(listener, Door::new(socket).unwrap(), Family::V4);
    let nowhere = Route::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let table = endpoint.listener.table.load();
    let queue = table.send_queue.as_ref().unwrap();
    endpoint.with_backlog(queue, |replies| replies.push(&[0; 12], &nowhere));
    endpoint.flush_backlog();
    let labels = [("server", SERVER), ("reason", "response")];
    assert_eq!(value(&metrics.page(), "coredns_shed_dropped_total", &labels), Some(1.0));
    assert!(endpoint.listener.tasks.is_empty(), "nothing is left to write");
}

#[tokio::test]
async fn sh11_all_replies_of_the_socket_are_queued_but_only_one_block_sheds() {
    let places = [place("a.test.", vec![Box::new(sheds())]), place(".", vec![Box::new(answers())])];
    let scene = Scene::new(table(places));
    scene.ask("b.test.", 0..1000);
    scene.ask("a.test.", 1000..1100);
    assert_eq!(scene.dropped("dunlin_dropped_total", ("reason", "plugin")), Some(76.0));
    scene.ask("b.test.", 1100..1110);
    assert_eq!((scene.waiting(), scene.lost_replies()), (DEPTH, Some(10.0)));
    let expected: Vec<u16> = (1100..1110).rev().chain((10..1024).rev()).collect();
    assert_eq!(scene.drain().await, expected);
}

#[tokio::test]
async fn what_cannot_be_sent_before_the_end_is_counted() {
    let scene = Scene::new(table_of(answers()));
    scene.ask("b.test.", 0..5);
    assert_eq!(scene.lost_replies(), Some(0.0));
    // As when the runtime of a worker ends, and its tasks with it.
    *scene.endpoint.backlog.lock() = None;
    assert_eq!(scene.lost_replies(), Some(5.0));
}
