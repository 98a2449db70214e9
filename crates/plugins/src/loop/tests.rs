//! Rows of the specification, with the exchange replaced by a chain in process.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dunlin_core::directive::Control;
use dunlin_core::op::ResponseCode;
use dunlin_core::plugin::Chain;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, Stub, TestQuery, query, stub};
use dunlin_core::wire::{Presentation, WireName};
use dunlin_core::zones::Zone;
use dunlin_core::{Plugin, Reply};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::detector::{Detector, Verdict};
use super::prober::{Listeners, watch};
use super::{ENTRY, Loop, OnLoop};

/// A server of one block with `loop`, and what it did.
#[derive(Clone)]
struct Server {
    detector: Arc<Detector>,
    on_loop: OnLoop,
    chain: Arc<OnceLock<Arc<Chain>>>,
    ended: Arc<Mutex<Vec<String>>>,
    /// Listener and name of each probe that was sent.
    sent: Arc<Mutex<Vec<(SocketAddr, WireName)>>>,
}

impl Server {
    fn new(zone: &str, on_loop: OnLoop) -> Self {
        Self {
            detector: Arc::new(Detector::new(Zone::new(zone).unwrap())),
            on_loop,
            chain: Arc::default(),
            ended: Arc::default(),
            sent: Arc::default(),
        }
    }

    /// Puts `upstream` behind `loop`.
    fn before(self, upstream: impl Plugin) -> Self {
        let ended = Arc::clone(&self.ended);
        let control = OnceLock::from(Control::new(move |text| ended.lock().push(text)));
        let (detector, on_loop) = (Arc::clone(&self.detector), self.on_loop);
        let plugin = Loop { detector, on_loop, control: Arc::new(control) };
        assert!(self.chain.set(Chain::new(vec![Box::new(plugin), Box::new(upstream)])).is_ok());
        self
    }

    async fn ask(&self, asked: TestQuery) -> Result<Reply, dunlin_core::Error> {
        self.chain.get().expect("a chain").run(&mut asked.build()).await
    }

    /// What the prober calls: the probe goes to this server.
    async fn probe(self, listener: SocketAddr, name: WireName) -> io::Result<()> {
        self.sent.lock().push((listener, name));
        self.ask(hinfo(&name)).await.map(|_| ()).map_err(io::Error::other)
    }

    async fn watch_with<F>(&self, exchange: impl Fn(SocketAddr, WireName) -> F)
    where
        F: Future<Output = io::Result<()>>,
    {
        let listeners = Listeners::new(&[address("127.0.0.1:53")]);
        watch(Arc::clone(&self.detector), listeners, self.on_loop, exchange).await;
    }

    async fn watch(&self) {
        self.watch_with(|listener, name| self.clone().probe(listener, name)).await;
    }

    fn last_name(&self) -> WireName {
        self.sent.lock().last().expect("a probe was sent").1
    }
}

/// An upstream that is the server itself.
fn itself(server: &Server) -> Stub {
    let chain = Arc::clone(&server.chain);
    stub(move |query| {
        let chain = Arc::clone(&chain);
        Box::pin(async move { chain.get().expect("a chain").run(&mut query.duplicate()).await })
    })
}

/// An upstream that answers.
fn answers(rcode: ResponseCode) -> Stub {
    stub(move |query| Box::pin(async move { Ok(query.error(rcode)) }))
}

/// An upstream that says nothing.
fn silent() -> Stub {
    stub(|_| Box::pin(std::future::pending()))
}

fn hinfo(name: &WireName) -> TestQuery {
    query(&Presentation(name.as_bytes()).to_string(), RecordType::HINFO)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn lp1_a_server_that_asks_itself_ends() {
    let server = Server::new(".", OnLoop::Exit);
    let upstream = itself(&server);
    let server = server.before(upstream.clone());
    server.watch().await;
    let name = Presentation(server.last_name().as_bytes()).to_string();
    let expected = format!(
        "plugin/loop: Loop (127.0.0.1:40000 -> 127.0.0.1:53) detected for zone \".\", see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO {name}\""
    );
    assert_eq!(*server.ended.lock(), [expected]);
    assert_eq!(upstream.asked(), 2, "the third sighting goes no further");
    assert_eq!(server.sent.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lp2_lp3_one_probe_goes_to_the_first_zone_and_serving_goes_on() {
    let server = Server::new("a.test", OnLoop::Exit).before(answers(ResponseCode::NXDomain));
    server.watch().await;
    assert_eq!(server.sent.lock().len(), 1);
    let name = Presentation(server.last_name().as_bytes()).to_string();
    let (numbers, zone) = name.split_at(name.len() - "a.test.".len());
    assert_eq!(zone, "a.test.");
    let numbers: Vec<&str> = numbers.trim_end_matches('.').split('.').collect();
    assert!(
        matches!(numbers[..], [one, two] if one.parse::<u64>().is_ok() && two.parse::<u64>().is_ok())
    );
    assert!(server.ended.lock().is_empty());

    let block = testing::block_for("a.test b.test", &[ENTRY], "loop", &Default::default());
    assert_eq!(block.unwrap().parts().plugins.len(), 1);
}

#[test]
fn arguments_are_refused_and_the_block_is_ours() {
    let at = |line, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let count = "Wrong argument count or unexpected line ending after";
    let brace = at(2, "Unexpected token '{', expecting argument");
    let once = "this plugin can only be used once per Server Block";
    let table = [
        ("LP4", "loop x", Some(at(2, &format!("{count} 'x'")))),
        ("LP4", "loop x y {\n}", Some(at(2, &format!("{count} 'x'")))),
        ("LP5", "loop\nloop", Some(once.to_owned())),
        ("", "loop", None),
        ("", "loop {\n}", Some(brace)),
        ("", "loop {\n on_loop exit\n}", None),
        ("", "loop {\n on_loop servfail\n}", None),
        ("", "loop {\n on_loop\n}", Some(at(3, &format!("{count} 'on_loop'")))),
        ("", "loop {\n on_loop x\n}", Some(at(3, "on_loop is exit or servfail, not 'x'"))),
        ("", "loop {\n foo\n}", Some(at(3, "unknown property 'foo'"))),
    ];
    for (row, text, expected) in table {
        let error = testing::setup(&ENTRY, text).err().map(|error| format!("{error:#}"));
        assert_eq!(error, expected, "{row} {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn lp6_of_two_servers_that_ask_each_other_the_prober_ends() {
    let [one, two] = [(), ()].map(|()| Server::new(".", OnLoop::Exit));
    let (to_one, to_two) = (itself(&one), itself(&two));
    let (one, two) = (one.before(to_two), two.before(to_one));
    one.watch().await;
    assert_eq!((one.ended.lock().len(), two.ended.lock().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn lp7_a_silent_upstream_is_given_up_after_half_a_minute() {
    let server = Server::new(".", OnLoop::Exit).before(silent());
    let start = Instant::now();
    server.watch().await;
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    assert_eq!(server.sent.lock().len(), 10);
    let name = server.last_name();
    assert!(server.sent.lock().iter().all(|(_, sent)| sent.as_bytes() == name.as_bytes()));
    for _ in 0..5 {
        let seen = server.detector.see(name.as_bytes(), address("192.0.2.1:1"));
        assert_eq!(seen, Verdict::Pass, "FW-37: the name is forgotten");
    }
    assert!(server.ended.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lp8_lp9_lp11_nobody_can_end_the_server_with_queries() {
    let upstream = answers(ResponseCode::Refused);
    let server = Server::new(".", OnLoop::Exit).before(upstream.clone());
    // LP9: while the probe is out.
    let meddled = async |listener, name: WireName| {
        for number in 0..10 {
            let other = format!("{number}.{number}.");
            server.ask(query(&other, RecordType::HINFO)).await.unwrap();
            let right = Presentation(name.as_bytes()).to_string();
            server.ask(query(&right, RecordType::TXT)).await.unwrap();
        }
        server.clone().probe(listener, name).await
    };
    server.watch_with(meddled).await;
    assert_eq!(server.sent.lock().len(), 1, "LP11");
    // LP8: after it was answered.
    let name = server.last_name();
    for _ in 0..5 {
        let reply = server.ask(hinfo(&name)).await.unwrap();
        assert_eq!(reply.rcode(), ResponseCode::Refused);
    }
    assert_eq!(upstream.asked(), 26);
    assert!(server.ended.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lp10_a_reply_of_the_generation_before_hides_no_loop() {
    let server = Server::new(".", OnLoop::Exit);
    let upstream = itself(&server);
    let server = server.before(upstream);
    let switched = Instant::now() + Duration::from_millis(1_500);
    let answered_by_the_old_one_first = async |listener, name| {
        if Instant::now() < switched {
            server.sent.lock().push((listener, name));
            return Ok(());
        }
        server.clone().probe(listener, name).await
    };
    server.watch_with(answered_by_the_old_one_first).await;
    assert_eq!(server.sent.lock().len(), 3);
    assert_eq!(server.ended.lock().len(), 1);

    let never_seen = Server::new(".", OnLoop::Exit);
    never_seen
        .watch_with(async |listener, name| {
            never_seen.sent.lock().push((listener, name));
            Ok(())
        })
        .await;
    assert_eq!(never_seen.sent.lock().len(), 5, "a plugin in front of it answers");
}

#[tokio::test(start_paused = true)]
async fn lp12_each_listener_is_probed_under_a_name_of_its_own() {
    let server = Server::new(".", OnLoop::Exit).before(answers(ResponseCode::NXDomain));
    let all = ["127.0.0.1:53", "127.0.0.2:53", "127.0.0.3:53", "127.0.0.1:53"].map(address);
    let exchange = |listener, name| server.clone().probe(listener, name);
    watch(Arc::clone(&server.detector), Listeners::new(&all), OnLoop::Exit, exchange).await;
    let sent = server.sent.lock();
    assert_eq!(sent.iter().map(|(listener, _)| *listener).collect::<Vec<_>>(), all[..3]);
    assert_ne!(sent[0].1.as_bytes(), sent[1].1.as_bytes());
    assert!(server.ended.lock().is_empty());
}

#[test]
fn a_listener_on_all_addresses_is_one_place() {
    let all = ["0.0.0.0:53", "[::]:53", "[::1]:53"].map(address);
    let detector = Detector::new(Zone::root());
    assert_eq!(Listeners::new(&all), Listeners::new(&[all[0], all[2]]));
    assert_ne!(Listeners::new(&all), Listeners::new(&all[1..]));
    let names = detector.arm(&[":53".into()], || 7);
    let name = names[0].as_bytes();
    let verdicts = [(); 4].map(|()| detector.see(name, address("[2001:db8::7]:4000")));
    let text = "Loop ([2001:db8::7]:4000 -> :53) detected for zone \".\", see https://coredns.io/plugins/loop#troubleshooting. Query: \"HINFO 7.7.\"";
    let expected = [Verdict::Pass, Verdict::Pass, Verdict::New(text.into()), Verdict::Known];
    assert_eq!(verdicts, expected);
}

#[tokio::test(start_paused = true)]
async fn a_lost_probe_is_counted_anew() {
    let server = Server::new(".", OnLoop::Exit).before(answers(ResponseCode::NoError));
    let lossy = async |listener, name| {
        // Twice seen, never answered: whoever asked again did so on behalf of one probe.
        server.ask(hinfo(&name)).await.unwrap();
        server.clone().probe(listener, name).await?;
        let count = server.sent.lock().len();
        if count < 4 { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
    };
    server.watch_with(lossy).await;
    assert_eq!(server.sent.lock().len(), 4);
    assert!(server.ended.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn on_loop_servfail_breaks_the_loop_and_serves_on() {
    let server = Server::new(".", OnLoop::Servfail);
    let upstream = itself(&server);
    let server = server.before(upstream.clone());
    let replies = Mutex::new(Vec::new());
    let watching = server.watch_with(async |listener, name| {
        server.sent.lock().push((listener, name));
        let reply = server.ask(hinfo(&name)).await.map_err(io::Error::other)?;
        replies.lock().push(reply.rcode());
        Ok(())
    });
    let watched = tokio::time::timeout(Duration::from_secs(150), watching).await;
    assert!(watched.is_err(), "it looks again for as long as there is a loop");
    assert_eq!(*replies.lock(), [ResponseCode::ServFail; 3], "at once, and each minute");
    let sent = server.sent.lock();
    assert_ne!(sent[0].1.as_bytes(), sent[1].1.as_bytes());
    assert_eq!(upstream.asked(), 6);
    assert!(server.ended.lock().is_empty());
}

#[tokio::test]
async fn a_probe_travels_over_udp_and_any_reply_will_do() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let listener = SocketAddr::new([0, 0, 0, 0].into(), socket.local_addr().unwrap().port());
    let name = Detector::new(Zone::new("a.test").unwrap()).arm(&[":53".into()], || u64::MAX)[0];
    let server = async {
        let mut asked = [0; 512];
        let (length, client) = socket.recv_from(&mut asked).await.unwrap();
        let asked = &asked[..length];
        let strange = [&(!asked[0]).to_be_bytes(), &asked[1..]].concat();
        socket.send_to(&strange, client).await.unwrap();
        let mut reply = asked.to_vec();
        reply[2] |= 0x80;
        reply[3] = 5;
        socket.send_to(&reply, client).await.unwrap();
        asked.to_vec()
    };
    let (result, asked) = tokio::join!(super::exchange::exchange(listener, name), server);
    result.unwrap();
    assert_eq!(asked[2..], hinfo(&name).to_bytes()[2..]);
}

#[test]
fn a_reply_has_the_id_of_the_probe() {
    let asked = query("1.2.", RecordType::HINFO).id(7).to_bytes();
    let reply = |id: u8, flags: u8, rcode: u8| vec![0, id, flags, rcode, 0, 0, 0, 0, 0, 0, 0, 0];
    let table = [
        (reply(7, 0x80, 0), true),
        (reply(7, 0x80, 5), true),
        (reply(8, 0x80, 0), false),
        (reply(7, 0x00, 0), false),
        (reply(7, 0x80, 0)[..11].to_vec(), false),
        (asked.clone(), false),
    ];
    for (reply, expected) in table {
        assert_eq!(super::exchange::is_reply(&reply, &asked), expected, "{reply:?}");
    }
}

#[tokio::test]
async fn a_zone_without_room_for_a_name_is_not_probed() {
    let zone = format!("{0}.{0}.{0}.{1}.", "a".repeat(63), "b".repeat(40));
    let server = Server::new(&zone, OnLoop::Exit);
    server.watch().await;
    assert!(server.sent.lock().is_empty());
}
