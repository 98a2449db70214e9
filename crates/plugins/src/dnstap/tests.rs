//! The acceptance rows of the specification; those of the Corefile (1 to 5) stand in `parse/tests.rs`,
//! those that need other plugins (9, 10, 11) in `tests/chains/taps.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dunlin_core::directive::Retain;
use dunlin_core::metrics::Metrics;
use dunlin_core::op::Message as DnsMessage;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, query, stub};
use dunlin_core::{Reply, Transport};
use dunlin_testkit::metrics::value;
use dunlin_testkit::ports;
use dunlin_testkit::tls::Authority;
use dunlin_testkit::wait::until_async;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::ENTRY;
use super::connect::Collector as Remote;
use super::endpoint::Endpoint;
use super::fake::{Collector, Manners, decode};
use super::outlet::{Numbers, Outlet, Pace, Side};
use super::record::{Kind, Message, Sender, encode};
use super::tls::Client;

/// The block, and behind it a plugin that answers but to `drop.test`, `fail.test`.
pub(super) fn block(lines: &str) -> TestBlock {
    block_after(lines, &Retain::default())
}

pub(super) fn block_after(lines: &str, retain: &Retain) -> TestBlock {
    let block = testing::block_for(".:53", &[ENTRY], lines, retain);
    block.unwrap_or_else(|error| panic!("{lines}: {error:#}")).before(stub(|query| {
        Box::pin(async move {
            match query.name().to_ascii().as_str() {
                "drop.test." => Ok(Reply::silence()),
                "fail.test." => Err(dunlin_core::Error::new("no")),
                _ => Ok(query.reply()),
            }
        })
    }))
}

pub(super) async fn ask(block: &mut TestBlock) {
    block.ask(query("Example.ORG", RecordType::A)).await.unwrap();
}

pub(super) fn number(block: &TestBlock, name: &str, labels: &[(&str, &str)]) -> f64 {
    value(&block.metrics().page(), name, labels).unwrap_or(0.0)
}

pub(super) async fn connected(block: &TestBlock, count: f64) {
    let gauge = "dunlin_dnstap_connected";
    until_async(format!("{count} connections"), async || number(block, gauge, &[]) == count).await;
}

pub(super) fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tap.sock");
    (folder, path)
}

#[tokio::test]
async fn rows_6_7_8_a_query_is_a_pair_of_records() {
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    for full in ["", "full"] {
        let lines = format!("dnstap {} {full} {{\nidentity me\nversion 1\n}}", path.display());
        let mut block = block(&lines);
        block.start().await.unwrap();
        let before = collector.records().len();
        let asked = query("Example.ORG", RecordType::A).from("[::ffff:192.0.2.1]:5353").tcp();
        block.ask(asked.clone()).await.unwrap();
        let records = collector.wait_for(before + 2).await.split_off(before);
        for (record, kind) in records.iter().zip([5, 6]) {
            let client = Some("192.0.2.1:5353".parse().unwrap());
            assert_eq!((record.kind, record.family, record.protocol), (kind, 1, 2), "{record:?}");
            assert_eq!((record.query_address, record.response_address), (client, None));
            assert_eq!((&*record.identity, &*record.version, &*record.extra), ("me", "1", ""));
            assert!(record.query_time > 0 && (record.response_time > 0) == (kind == 6));
        }
        let [first, second] = records.as_slice() else { panic!("{records:?}") };
        if full.is_empty() {
            assert!(
                [&first.query, &first.response, &second.query, &second.response]
                    .iter()
                    .all(|message| message.is_empty())
            );
        } else {
            assert_eq!(first.query, asked.to_bytes());
            let response = DnsMessage::from_vec(&second.response).unwrap();
            assert_eq!(response.queries[0].name().to_string(), "Example.ORG.");
            assert_eq!((response.metadata.id, second.query.len()), (4660, 0));
        }
        block.stop().await;
    }
    let once = "ready start 5 6 stop closed";
    assert_eq!(collector.words(), format!("{once} {once}"));
}

#[tokio::test]
async fn what_no_plugin_replies_to_has_no_response() {
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let mut block = block(&format!("dnstap {}", path.display()));
    block.start().await.unwrap();
    for name in ["drop.test", "fail.test", "a.test"] {
        let _told = block.ask(query(name, RecordType::A)).await;
    }
    block.stop().await;
    collector.wait_for_words("closed").await;
    assert_eq!(collector.words(), "ready start 5 5 5 6 stop closed");
    let labels = |kind| [("type", kind)];
    let name = "dunlin_dnstap_records_total";
    let counts =
        ["client_query", "client_response"].map(|kind| number(&block, name, &labels(kind)));
    assert_eq!(counts, [3.0, 1.0]);
}

#[tokio::test]
async fn rows_12_13_a_collector_may_come_late_and_again() {
    let (_folder, path) = socket();
    let mut block = block(&format!("dnstap {}", path.display()));
    block.start().await.unwrap();
    ask(&mut block).await;
    until_async("records have nowhere to go", async || {
        number(&block, "dunlin_dnstap_dropped_total", &[("reason", "unconnected")]) == 2.0
    })
    .await;
    for _ in 0..2 {
        let collector = Collector::unix(&path);
        connected(&block, 1.0).await;
        ask(&mut block).await;
        collector.wait_for(2).await;
        drop(collector);
        std::fs::remove_file(&path).unwrap();
        connected(&block, 0.0).await;
    }
    block.stop().await;
}

#[tokio::test]
async fn row_14_a_full_queue_drops_and_does_not_wait() {
    let (_folder, path) = socket();
    let metrics = Metrics::new(0);
    let outlet = outlet(&metrics, Endpoint::Unix(path), Client::Verifying(None));
    outlet.enter();
    for _ in 0..100 {
        outlet.send(vec![0]);
    }
    let dropped = |reason| {
        value(&metrics.page(), "dunlin_dnstap_dropped_total", &[("reason", reason)]).unwrap()
    };
    assert_eq!(dropped("queue_full"), 99.0);
    outlet.leave().await;
    assert_eq!((dropped("queue_full"), dropped("unconnected")), (99.0, 1.0));
    assert!(!outlet.is_open());
}

/// An outlet with a queue of one record, and little patience.
fn outlet(metrics: &Metrics, endpoint: Endpoint, tls: Client) -> Arc<Outlet> {
    let short = Duration::from_millis(50);
    let pace = Pace { retry: short, flush: short, ..Pace::default() };
    let side = Side::Connect(Remote { endpoint, tls, send_buffer: 1 << 20, queue: 1 });
    Arc::new(Outlet::new(side, pace, Numbers::of(metrics, "x")))
}

#[tokio::test]
async fn row_15_every_line_is_a_tap() {
    let sockets = [socket(), socket(), socket()];
    let collectors = sockets.each_ref().map(|(_, path)| Collector::unix(path));
    let lines = sockets.each_ref().map(|(_, path)| format!("dnstap {}", path.display()));
    let mut block = block(&lines.join("\n"));
    block.start().await.unwrap();
    ask(&mut block).await;
    for collector in &collectors {
        collector.wait_for(2).await;
    }
    block.stop().await;
    for collector in &collectors {
        collector.wait_for_words("closed").await;
        assert_eq!(collector.words(), "ready start 5 6 stop closed");
    }
}

#[tokio::test]
async fn row_16_a_stalled_collector_does_not_keep_the_others() {
    let address = ports::closed();
    let mut block = block(&format!("dnstap listen tcp://{address} full"));
    block.start().await.unwrap();
    let stalled = Collector::on(dial(&address.to_string()).await, Manners::Stalls);
    let silent = dial(&address.to_string()).await;
    let good = Collector::on(dial(&address.to_string()).await, Manners::Good);
    connected(&block, 2.0).await;
    for _ in 0..1000 {
        ask(&mut block).await;
        tokio::task::yield_now().await;
    }
    good.wait_for(2000).await;
    assert_eq!(stalled.words(), "ready start");
    drop((stalled, silent));
    connected(&block, 1.0).await;
    block.stop().await;
    good.wait_for_words("6 stop closed").await;
}

/// Connects as soon as somebody listens.
async fn dial(address: &str) -> TcpStream {
    let mut stream = None;
    until_async(address, async || {
        stream = TcpStream::connect(address).await.ok();
        stream.is_some()
    })
    .await;
    stream.unwrap()
}

#[tokio::test]
async fn row_17_collectors_show_certificates_where_an_authority_is_named() {
    let authority = Authority::new();
    let files = authority.files(&["127.0.0.1"]);
    let address = ports::closed();
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let ca = files.authority.display();
    let lines = format!("dnstap listen tls://{address} {{\ntls {certificate} {key} {ca}\n}}");
    let mut block = block(&lines);
    block.start().await.unwrap();
    let name = rustls::pki_types::ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let anonymous = TlsConnector::from(authority.client_config());
    let stream = anonymous.connect(name, dial(&address.to_string()).await).await;
    let refused = match stream {
        Ok(stream) => {
            let collector = Collector::on(stream, Manners::Good);
            collector.wait_for_words("closed").await;
            collector.words()
        }
        Err(_) => "closed".to_owned(),
    };
    assert_eq!(refused, "closed");
    let identity = Some((files.certificate.clone(), files.key.clone()));
    let known = dunlin_upstream::tls::TlsFiles { identity, authorities: Some(files.authority) };
    let known = dunlin_upstream::tls::TlsClient::load(&known).unwrap().connector();
    let name = rustls::pki_types::ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let stream = known.connect(name, dial(&address.to_string()).await).await.unwrap();
    let collector = Collector::on(stream, Manners::Good);
    connected(&block, 1.0).await;
    ask(&mut block).await;
    collector.wait_for(2).await;
    block.stop().await;
}

#[tokio::test]
async fn collectors_behind_tls_are_verified_unless_told_otherwise() {
    let authority = Authority::new();
    let acceptor = authority.server_config(&["127.0.0.1"]).into();
    let (collector, address) = Collector::tcp(Some(acceptor)).await;
    let endpoint = Endpoint::parse(&format!("tls://{address}")).unwrap();
    let ours = Some(authority.pem_path());
    let theirs = Some(Authority::new().pem_path().with_file_name("nobody.pem"));
    let table = [(Client::Trusting, true), (Client::Verifying(ours), true)];
    for (client, streams) in table.into_iter().chain([(Client::Verifying(theirs), false)]) {
        let metrics = Metrics::new(0);
        let connected = || value(&metrics.page(), "dunlin_dnstap_connected", &[]) == Some(1.0);
        let dropped = || value(&metrics.page(), "dunlin_dnstap_dropped_total", &[]) != Some(0.0);
        let outlet = outlet(&metrics, endpoint.clone(), client.clone());
        outlet.enter();
        until_async(format!("{client:?}"), async || {
            if !streams {
                outlet.send(vec![0]);
            }
            if streams { connected() } else { dropped() && !connected() }
        })
        .await;
        outlet.leave().await;
    }
    let words = collector.words();
    assert_eq!(words.matches("ready start stop closed").count(), 2, "{words}");
    assert_eq!(words.matches("ready").count(), 2, "{words}");
}

#[tokio::test]
async fn row_18_a_reload_keeps_what_did_not_change() {
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let lines = format!("dnstap {} {{\nidentity", path.display());
    let mut first = block(&format!("{lines} one\n}}"));
    first.start().await.unwrap();
    ask(&mut first).await;
    // One that fails after this plugin was set up, and before it was started.
    let mut broken = block_after(&format!("{lines} two\n}}"), &first.retain());
    broken.stop().await;
    ask(&mut first).await;
    let mut second = block_after(&format!("{lines} three\n}}"), &first.retain());
    second.start().await.unwrap();
    ask(&mut first).await;
    first.stop().await;
    ask(&mut second).await;
    let identities: Vec<_> =
        collector.wait_for(8).await.iter().map(|record| record.identity.clone()).collect();
    assert_eq!(identities, ["one", "one", "one", "one", "one", "one", "three", "three"]);
    second.stop().await;
    collector.wait_for_words("closed").await;
    assert_eq!(collector.words(), "ready start 5 6 5 6 5 6 5 6 stop closed");
}

#[test]
fn row_19_protocols_have_numbers_of_their_own() {
    let table = [(Transport::Udp, 1), (Transport::Tcp, 2), (Transport::Tls, 3)];
    for (transport, protocol) in table {
        for (address, family) in [("192.0.2.1:53", 1), ("[2001:db8::1]:53", 2)] {
            let message = Message {
                kind: Kind::ForwarderResponse,
                transport,
                query_address: None,
                response_address: Some(address.parse().unwrap()),
                query_time: SystemTime::UNIX_EPOCH,
                response_time: Some(SystemTime::now()),
                query: &[1; 300],
                response: &[2; 70_000],
            };
            let sender = Sender { identity: b"", version: b"v", extra: b"\xc3\xa4" };
            let found = decode(&encode(&sender, &message));
            assert_eq!((found.kind, found.protocol, found.family), (8, protocol, family));
            assert_eq!(found.response_address, message.response_address);
            assert_eq!(found.query_address, None);
            assert_eq!((found.query, found.response), (vec![1; 300], vec![2; 70_000]));
            assert_eq!((&*found.identity, &*found.version, &*found.extra), ("", "v", "ä"));
            assert!(found.query_time == 0 && found.response_time > 1_700_000_000);
        }
    }
}

#[tokio::test]
async fn row_20_the_end_flushes_and_takes_leave() {
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let mut block = block(&format!("dnstap {}", path.display()));
    block.start().await.unwrap();
    for _ in 0..500 {
        ask(&mut block).await;
    }
    block.stop().await;
    collector.wait_for_words("6 stop closed").await;
    assert_eq!(collector.records().len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn row_20_a_collector_that_takes_no_leave_is_not_waited_for() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let stalled = Collector::on(theirs, Manners::Stalls);
    let mut stream: Box<dyn super::endpoint::Stream> = Box::new(ours);
    super::frames::greet(&mut stream).await.unwrap();
    let metrics = Metrics::new(0);
    let (records, mut queue) = tokio::sync::mpsc::channel(1);
    drop(records);
    let numbers = Numbers::of(&metrics, "x");
    let mut greeted = super::stream::Greeted::new(stream, Pace::default().patience);
    let end = super::pump::pump(&mut greeted, &mut queue, Pace::default(), &numbers).await;
    assert!(matches!(end, super::pump::End::Closed), "{end:?}");
    assert_eq!(stalled.words(), "ready start");
}

#[tokio::test]
async fn a_listener_takes_the_place_of_a_stale_socket_and_leaves_none() {
    let (_folder, path) = socket();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let mut block = block(&format!("dnstap listen unix://{}", path.display()));
    block.start().await.unwrap();
    let collector = Collector::on(attach(&path).await, Manners::Good);
    connected(&block, 1.0).await;
    ask(&mut block).await;
    collector.wait_for(2).await;
    block.stop().await;
    collector.wait_for_words("6 stop closed").await;
    assert!(!path.exists());
}

async fn attach(path: &Path) -> UnixStream {
    let mut stream = None;
    until_async(path.display(), async || {
        stream = UnixStream::connect(path).await.ok();
        stream.is_some()
    })
    .await;
    stream.unwrap()
}

#[tokio::test]
async fn handshakes_that_make_no_sense_are_refused() {
    use super::frames::{Control, expect};
    let accept = Control::Accept.to_bytes();
    let mut other = accept.clone();
    *other.last_mut().unwrap() = b'q';
    let mut cut_off = accept.clone();
    cut_off[19] += 1;
    let table: [(&[u8], bool); 8] = [
        (&accept, true),
        (b"\0\0\0\0\0\0\0\x04\0\0\0\x01", true),
        (&other, false),
        (&cut_off, false),
        (b"\0\0\0\x01a", false),
        (b"\0\0\0\0\0\0\0\x03\0\0\0", false),
        (b"\0\0\0\0\0\0\x02\x01", false),
        (b"\0\0\0\0\0\0\0\x04\0\0\0\x05", false),
    ];
    for (bytes, is_taken) in table {
        let result = expect(&mut &*bytes, Control::Accept).await;
        assert_eq!(result.is_ok(), is_taken, "{bytes:?}: {result:?}");
    }
}
