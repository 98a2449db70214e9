//! Records that go to a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::directive::Retain;
use dunlin_core::metrics::Metrics;
use dunlin_core::op::Message as DnsMessage;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_testkit::metrics::value;
use dunlin_testkit::wait::until_async;

use super::Recorder;
use crate::dnstap::fake::read;
use crate::dnstap::outlet::{Numbers, Outlet, Pace, Side};
use crate::dnstap::record::{Kind, Message, Sender, encode};
use crate::dnstap::tests::{ask, block, block_after, connected, number, socket as place};

#[tokio::test]
async fn a_file_is_read_frame_by_frame() {
    let (_folder, path) = place();
    let lines = format!("dnstap file {} full {{\nidentity me\n}}", path.display());
    let mut block = block(&lines);
    block.start().await.unwrap();
    connected(&block, 1.0).await;
    for id in 1..=3 {
        block.ask(query("Example.ORG", RecordType::A).id(id)).await.unwrap();
    }
    block.stop().await;
    let (words, records) = read(&path).await;
    assert_eq!(words, "start 5 6 5 6 5 6 stop");
    for (pair, id) in records.chunks(2).zip(1..) {
        let messages = [&pair[0].query, &pair[1].response];
        let messages = messages.map(|message| DnsMessage::from_vec(message).unwrap());
        assert_eq!(messages.map(|message| message.metadata.id), [id, id]);
        assert_eq!(pair[1].identity, "me");
    }
    assert_eq!(number(&block, "dunlin_dnstap_dropped_total", &[]), 0.0);
    assert_eq!(number(&block, "dunlin_dnstap_connected", &[]), 0.0);
    let endpoint = format!("file://{}", path.display());
    let labels = [("endpoint", &*endpoint), ("type", "client_response")];
    assert_eq!(number(&block, "dunlin_dnstap_records_total", &labels), 3.0);
}

#[tokio::test]
async fn records_are_in_the_file_soon_and_not_only_at_the_end() {
    let (_folder, path) = place();
    let metrics = Metrics::new(0);
    let outlet = outlet(&metrics, path.clone(), None);
    outlet.enter();
    outlet.send(record(1));
    until_async("a record", async || path.exists() && read(&path).await.0 == "start 5").await;
    outlet.leave().await;
    assert_eq!(read(&path).await.0, "start 5 stop");
}

/// An outlet with little patience.
fn outlet(metrics: &Metrics, path: PathBuf, limit: Option<u64>) -> Arc<Outlet> {
    let short = Duration::from_millis(50);
    let pace = Pace { retry: short, flush: short, ..Pace::default() };
    let numbers = Numbers::of(metrics, "x");
    Arc::new(Outlet::new(Side::File(Recorder { path, limit }), pace, numbers))
}

/// A record of about 100 octets that bears a number.
fn record(number: u16) -> Vec<u8> {
    let message = Message {
        kind: Kind::ClientQuery,
        transport: dunlin_core::Transport::Udp,
        query_address: Some(([192, 0, 2, 1], number).into()),
        response_address: None,
        query_time: std::time::SystemTime::UNIX_EPOCH,
        response_time: None,
        query: &[0; 60],
        response: &[],
    };
    encode(&Sender { identity: b"me", version: b"", extra: b"" }, &message)
}

#[tokio::test]
async fn a_full_file_is_put_aside_and_no_record_is_lost_between_the_two() {
    let (folder, path) = place();
    let metrics = Metrics::new(0);
    let outlet = outlet(&metrics, path.clone(), Some(1 << 17));
    outlet.enter();
    for number in 1..=5000 {
        outlet.send(record(number));
    }
    outlet.leave().await;
    let mut ports = Vec::new();
    for path in [folder.path().join("tap.sock.1"), path] {
        assert!(std::fs::metadata(&path).unwrap().len() <= 1 << 17);
        let (words, records) = read(&path).await;
        assert!(words.starts_with("start 5 ") && words.ends_with(" 5 stop"), "{words}");
        ports.extend(records.iter().map(|record| record.query_address.unwrap().port()));
    }
    let first = ports[0];
    assert!(first > 1 && ports.len() > 1000, "{} files", ports.len());
    assert!((first..=5000).eq(ports), "from {first} on, in order");
    assert_eq!(value(&metrics.page(), "dunlin_dnstap_dropped_total", &[]), Some(0.0));
}

#[tokio::test]
async fn a_disk_that_fails_costs_the_records_of_that_time_and_all_are_counted() {
    let (folder, path) = place();
    let (there, away) = (folder.path().join("there"), folder.path().join("away"));
    std::fs::create_dir(&there).unwrap();
    let path = there.join(path.file_name().unwrap());
    let metrics = Metrics::new(0);
    let dropped = |reason| {
        value(&metrics.page(), "dunlin_dnstap_dropped_total", &[("reason", reason)]).unwrap()
    };
    let outlet = outlet(&metrics, path.clone(), None);
    outlet.enter();
    outlet.send(record(1));
    until_async("a record", async || path.exists() && read(&path).await.0 == "start 5").await;
    std::fs::rename(&there, &away).unwrap();
    // As many as are gathered in one go.
    for number in 2..=6 {
        outlet.send(record(number));
    }
    until_async("failures", async || dropped("write_failed") == 5.0).await;
    std::fs::create_dir(&there).unwrap();
    until_async("another file", async || path.exists()).await;
    until_async("records are of use", async || !outlet.discards()).await;
    outlet.send(record(7));
    outlet.leave().await;
    assert_eq!(read(&away.join(path.file_name().unwrap())).await.0, "start 5 stop");
    assert_eq!(read(&path).await.0, "start 5 stop");
    assert_eq!((dropped("write_failed"), dropped("queue_full")), (5.0, 0.0));
}

#[tokio::test]
async fn lines_and_server_blocks_share_a_file_and_reloads_keep_it() {
    let (_folder, path) = place();
    let line = |rest: &str| format!("dnstap file {} {rest}\n", path.display());
    let (only_query, only_response) = ("{\nonly query\n}", "{\nonly response\n}");
    let mut first = block(&(line(only_query) + &line(only_response)));
    first.start().await.unwrap();
    ask(&mut first).await;
    let mut second = block_after(&line(only_response), &first.retain());
    second.start().await.unwrap();
    ask(&mut second).await;
    first.stop().await;
    ask(&mut second).await;
    second.stop().await;
    assert_eq!(read(&path).await.0, "start 5 6 6 6 stop");
    let mut third = block_after(&line(""), &Retain::default());
    third.start().await.unwrap();
    third.stop().await;
    assert_eq!(read(&path).await.0, "start stop");
}

#[tokio::test]
async fn what_is_not_chosen_is_neither_made_nor_counted_as_lost() {
    let (_folder, path) = place();
    let reply = [("type", "client_response")];
    // Without a collector, and with a file.
    for (line, lost) in
        [(path.display().to_string(), 1.0), (format!("file {}", path.display()), 0.0)]
    {
        let mut block = block(&format!("dnstap {line} {{\nonly response\n}}"));
        block.start().await.unwrap();
        ask(&mut block).await;
        block.stop().await;
        let records = ["client_query", "client_response"]
            .map(|kind| number(&block, "dunlin_dnstap_records_total", &[("type", kind)]));
        assert_eq!(records, [0.0, 1.0], "{line}");
        assert_eq!(number(&block, "dunlin_dnstap_records_total", &reply), 1.0);
        assert_eq!(number(&block, "dunlin_dnstap_dropped_total", &[]), lost, "{line}");
    }
    assert_eq!(read(&path).await.0, "start 6 stop");
}
