//! Connections: matching, order, limits and ends, on pipes in memory and on loopback.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use dunlin_core::buffer::Buffer;
use dunlin_core::metrics::Metrics;
use dunlin_testkit::upstream::{Action, Asked, Reply, Upstream};
use dunlin_testkit::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::book::{Book, frame};
use super::connection::State;
use super::driver::drive;
use super::*;
use crate::metrics::ProxyMetrics;
use crate::tests::{ask, good, pass};

type Waiting = oneshot::Receiver<Result<Buffer, ExchangeError>>;

fn order(name: &str) -> (Order, Waiting) {
    let (reply, response) = oneshot::channel();
    (Order { ask: ask(name), reply }, response)
}

fn book(limits: StreamLimits) -> Book {
    let (local, remote) = ("127.0.0.1:9".parse().unwrap(), "127.0.0.1:53".parse().unwrap());
    Book::new(Arc::new(State::default()), local, remote, limits)
}

/// A connection over a pipe with this buffer: our end is driven, the other one is the peer's.
fn connection(buffer: usize, limits: StreamLimits) -> (mpsc::Sender<Order>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    let (orders, queue) = mpsc::channel(100);
    tokio::spawn(drive(ours, queue, book(limits)));
    (orders, theirs)
}

/// The next query that the peer sees.
async fn read_query(peer: &mut DuplexStream) -> Vec<u8> {
    let length = peer.read_u16().await.unwrap();
    let mut query = vec![0; usize::from(length)];
    peer.read_exact(&mut query).await.unwrap();
    query
}

/// A good response to a query.
fn response_to(query: &[u8]) -> Vec<u8> {
    good(&Ask::new(query).unwrap())
}

async fn write_message(peer: &mut DuplexStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap();
    peer.write_all(&[&length.to_be_bytes()[..], message].concat()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn responses_in_any_order_and_in_pieces_reach_their_queries() {
    let (orders, mut peer) = connection(4096, StreamLimits::default());
    let mut waiting = Vec::new();
    for name in ["a.test", "b.test", "c.test"] {
        let (order, response) = order(name);
        orders.try_send(order).unwrap();
        waiting.push((name, response));
    }
    let mut queries = Vec::new();
    for _ in 0..3 {
        queries.push(read_query(&mut peer).await);
    }
    let ids: HashSet<u16> = queries.iter().map(|query| dunlin_core::wire::id(query)).collect();
    assert_eq!(ids.len(), 3);
    let mut octets = Vec::new();
    for query in queries.iter().rev() {
        let response = response_to(query);
        octets.extend_from_slice(&u16::try_from(response.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(&response);
    }
    for piece in octets.chunks(7) {
        peer.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    for (name, response) in waiting {
        let bytes = response.await.unwrap().unwrap();
        assert_eq!(bytes[12..12 + ask(name).name().len()], *ask(name).name(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn fw_22_a_wrong_response_ends_the_connection() {
    type Change = fn(&mut Vec<u8>);
    let wrong = |query: &[u8], change: Change| {
        let mut response = response_to(query);
        change(&mut response);
        response
    };
    let changes: [(&str, Change); 4] = [
        ("another ID", |response| response[0] ^= 1),
        ("another question", |response| response[13] = b'x'),
        ("no response", |response| response[2] &= 0x7f),
        ("no message", |response| response.truncate(5)),
    ];
    for (row, change) in changes {
        let (orders, mut peer) = connection(4096, StreamLimits::default());
        let (order, response) = order("a.test");
        orders.try_send(order).unwrap();
        let query = read_query(&mut peer).await;
        write_message(&mut peer, &wrong(&query, change)).await;
        let error = response.await.unwrap().unwrap_err();
        assert!(matches!(error, ExchangeError::WrongReply { .. }), "{row}: {error}");
        orders.closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_is_told_of() {
    let (orders, peer) = connection(4096, StreamLimits::default());
    let (order, response) = order("a.test");
    orders.try_send(order).unwrap();
    drop(peer);
    assert!(response.await.unwrap().unwrap_err().is_closed());
    orders.closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_expire() {
    let started = Instant::now();
    let (orders, _peer) = connection(4096, StreamLimits::default());
    orders.closed().await;
    assert_eq!(started.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn expire_0_waits_for_responses_and_does_not_spin() {
    let limits = StreamLimits { expire: Duration::ZERO, ..StreamLimits::default() };
    let (orders, mut peer) = connection(4096, limits);
    let (order, response) = order("a.test");
    orders.try_send(order).unwrap();
    let query = read_query(&mut peer).await;
    pass(Duration::from_secs(1)).await;
    write_message(&mut peer, &response_to(&query)).await;
    assert!(response.await.unwrap().is_ok());
    orders.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_ends_the_connection_after_two_seconds() {
    let started = Instant::now();
    let (orders, _peer) = connection(16, StreamLimits::default());
    let (order, response) = order("a.test");
    orders.try_send(order).unwrap();
    let error = response.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "write tcp 127.0.0.1:9->127.0.0.1:53: i/o timeout");
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn fw_23_the_id_of_an_abandoned_query_is_not_given_away() {
    let mut book = book(StreamLimits::default());
    let now = Instant::now();
    let mut ids = HashSet::new();
    for number in 0..4096 {
        let (order, response) = order(&format!("n{number}.test"));
        let before = book.unwritten().len();
        book.post(order, now);
        drop(response);
        let sent = frame(&book.unwritten()[before..], 0).unwrap();
        assert!(ids.insert(dunlin_core::wire::id(sent)), "given out twice");
        let written = book.unwritten().len();
        book.sent(written, now);
    }
    assert!(!book.has_room(), "the bound holds");
    assert!(!book.is_awaited());
}

struct Rig {
    streams: Streams,
    metrics: UpstreamMetrics,
}

impl Rig {
    fn to(upstream: &Upstream, limits: StreamLimits) -> Self {
        let endpoint = Endpoint { remote: upstream.address(), source: None, tls: None, limits };
        let metrics = ProxyMetrics::of(&Metrics::new(0)).upstream("forward", "x");
        Self { streams: Streams::new(endpoint), metrics }
    }

    async fn ask(&self, name: &str) -> Result<Response, ExchangeError> {
        self.streams.exchange(&ask(name), false, within_ms(10_000), &self.metrics).await
    }
}

fn within_ms(milliseconds: u64) -> Time {
    let now = Instant::now();
    Time { now, until: now + Duration::from_millis(milliseconds) }
}

fn answering() -> Upstream {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("a.test. 300 IN A 192.0.2.1"));
    upstream
}

#[tokio::test]
async fn one_query_after_the_other_needs_one_connection() {
    let upstream = answering();
    let rig = Rig::to(&upstream, StreamLimits::default());
    for _ in 0..10 {
        assert!(rig.ask("a.test").await.is_ok());
    }
    assert_eq!((upstream.connections(), rig.streams.pool.len()), (1, 1));
}

#[tokio::test]
async fn queries_at_the_same_time_open_connections_up_to_the_limit_then_share() {
    let upstream = Upstream::start();
    let waiting = Action::Wait(Duration::from_millis(100));
    upstream.always(vec![waiting, Reply::new().answer("a.test. 300 IN A 192.0.2.1").into()]);
    let rig = Arc::new(Rig::to(&upstream, StreamLimits::default()));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.ask("a.test").await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(upstream.connections(), 8);
}

#[tokio::test]
async fn queries_that_share_a_connection_go_with_the_last_one_until_it_has_twice_as_many() {
    let upstream = Upstream::start();
    let limits = StreamLimits { connections: 2, ..StreamLimits::default() };
    let rig = Rig::to(&upstream, limits);
    let lease = || rig.streams.pool.lease(&rig.streams.endpoint, false, Instant::now()).unwrap();
    let (one, other) = (lease(), lease());
    let in_flight = || [&one, &other].map(|lease| lease.connection.state.in_flight.load(Relaxed));
    let mut held = Vec::new();
    for expected in [[2, 1], [2, 2], [2, 3], [2, 4], [3, 4], [4, 4], [5, 4], [6, 4], [7, 4], [8, 4]]
    {
        held.push(lease());
        assert_eq!(in_flight(), expected);
    }
    held.push(lease());
    assert_eq!(in_flight(), [8, 5]);
}

#[tokio::test]
async fn f54_max_idle_conns_keeps_no_more() {
    let upstream = answering();
    let limits = StreamLimits { max_idle: 1, ..StreamLimits::default() };
    let rig = Rig::to(&upstream, limits);
    let (one, two) = tokio::join!(rig.ask("a.test"), rig.ask("a.test"));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!((upstream.connections(), rig.streams.pool.len()), (2, 1));
    for _ in 0..2 {
        assert!(rig.ask("a.test").await.is_ok());
    }
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn max_age_takes_a_connection_out_of_use() {
    let upstream = answering();
    let limits = StreamLimits { max_age: Duration::from_nanos(1), ..StreamLimits::default() };
    let rig = Rig::to(&upstream, limits);
    for _ in 0..3 {
        assert!(rig.ask("a.test").await.is_ok());
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn a_reset_of_a_warm_connection_is_told_from_a_failure() {
    let upstream = Upstream::start();
    upstream.on("reset.test", Action::Reset);
    upstream.on("a.test", Reply::new());
    let rig = Rig::to(&upstream, StreamLimits::default());
    let fresh = rig.ask("reset.test").await.unwrap_err();
    assert!(!matches!(fresh, ExchangeError::Stale(_)), "{fresh}");
    assert!(rig.ask("a.test").await.is_ok());
    let warm = rig.ask("reset.test").await.unwrap_err();
    assert!(matches!(warm, ExchangeError::Stale(_)), "{warm}");
    assert!(rig.ask("a.test").await.is_ok());
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_not_used_again() {
    let upstream = answering();
    upstream.on("silent.test", Vec::<Action>::new());
    let rig = Rig::to(&upstream, StreamLimits::default());
    assert!(rig.ask("a.test").await.is_ok());
    let silent = ask("silent.test");
    let mut exchange = pin!(rig.streams.exchange(&silent, false, within_ms(50), &rig.metrics));
    let look = tokio::time::timeout(Duration::from_millis(5), &mut exchange).await;
    assert!(look.is_err(), "it is silent");
    assert!(exchange.await.unwrap_err().is_timeout());
    assert!(rig.ask("a.test").await.is_ok());
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_silent_connection_is_not_trusted_though_nobody_waits_any_more() {
    let upstream = answering();
    upstream.on("silent.test", Vec::<Action>::new());
    let rig = Rig::to(&upstream, StreamLimits::default());
    assert!(rig.ask("a.test").await.is_ok());
    // The query is given up early, as one that was hedged.
    let asked = tokio::time::timeout(Duration::from_millis(50), rig.ask("silent.test")).await;
    assert!(asked.is_err());
    wait::until_async("the end of the patience", async || {
        assert!(rig.streams.pool.len() <= 1);
        drop(rig.streams.pool.lease(&rig.streams.endpoint, false, Instant::now()));
        upstream.connections() == 2
    })
    .await;
    assert!(rig.ask("a.test").await.is_ok());
    assert_eq!(upstream.asked().last().map(|asked| asked.connection), Some(2));
}

#[tokio::test]
async fn a_fresh_connection_is_one_that_nobody_was_answered_on() {
    let upstream = answering();
    let rig = Rig::to(&upstream, StreamLimits::default());
    assert!(rig.ask("a.test").await.is_ok());
    assert!(
        rig.streams.exchange(&ask("a.test"), true, within_ms(10_000), &rig.metrics).await.is_ok()
    );
    let used: Vec<u64> = upstream.asked().iter().map(|asked: &Asked| asked.connection).collect();
    assert_eq!(used, [1, 2]);
}

#[tokio::test]
async fn connections_end_with_their_pool() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    let rig = Rig::to(&upstream, StreamLimits::default());
    assert!(rig.ask("a.test").await.is_ok());
    let lease = rig.streams.pool.lease(&rig.streams.endpoint, false, Instant::now()).unwrap();
    let state = Arc::downgrade(&lease.connection.state);
    drop(lease);
    drop(rig);
    wait::until_async("the end of the task", async || state.strong_count() == 0).await;
}
