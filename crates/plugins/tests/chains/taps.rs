//! *dnstap* with the plugins that it tells of: rows 9, 10 and 11 of its specification.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dunlin_core::Transport;
use dunlin_core::op::Message;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_testkit::upstream::{Reply, Upstream};

use crate::fake_collector::{Collector, read};
use crate::journal::Journal;
use crate::kit::{Server, block};

fn socket() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tap.sock");
    (folder, path)
}

#[tokio::test]
async fn row_9_an_exchange_stands_between_query_and_reply() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("a.test. 60 IN A 192.0.2.1"));
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let lines = format!("dnstap {} full\nforward . {}", path.display(), upstream.address());
    let mut block = block(&lines);
    block.start().await.unwrap();
    let asked = query("A.test", RecordType::A).id(77);
    for (number, (asked, protocol)) in (1..).zip([(asked.clone(), 1), (asked.tcp(), 2)]) {
        block.ask(asked).await.unwrap();
        let records = collector.wait_for(4 * number).await.split_off(4 * (number - 1));
        let kinds: Vec<u64> = records.iter().map(|record| record.kind).collect();
        assert_eq!(kinds, [5, 7, 8, 6]);
        for record in &records[1..3] {
            assert_eq!((record.protocol, record.family), (protocol, 1));
            assert_eq!(record.response_address, Some(upstream.address()));
            let local = record.query_address.unwrap();
            assert!(local.ip().is_loopback() && local.port() > 0, "{local}");
            assert_eq!(Some(local), records[1].query_address);
        }
        let [sent, received] = [&records[1].query, &records[2].response]
            .map(|bytes| Message::from_vec(bytes).unwrap());
        assert_eq!((sent.metadata.id, received.metadata.id), (77, 77));
        assert_eq!((sent.answers.len(), received.answers.len()), (0, 1));
        assert!(records[1].response.is_empty() && records[2].query.is_empty());
        assert!(records[1].response_time == 0 && records[2].response_time > 0);
    }
    block.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_silent_has_no_response() {
    let upstream = dunlin_testkit::ports::closed();
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let mut block = block(&format!("dnstap {}\nforward . {upstream}", path.display()));
    block.start().await.unwrap();
    block.ask(query("a.test", RecordType::A)).await.unwrap_err();
    block.stop().await;
    collector.wait_for_words("closed").await;
    let words = collector.words();
    assert!(words.starts_with("ready start 5 7 "), "{words}");
    assert!(!words.contains(['6', '8']), "{words}");
    for record in &collector.records()[1..] {
        assert!(record.query.is_empty() && record.response_address == Some(upstream));
    }
}

#[tokio::test]
async fn row_10_extra_has_what_is_known_so_far() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let lines = format!(
        "metadata\ndnstap {} {{\nextra \"upstream: {{/forward/upstream}} {{name}} {{rcode}} \
         {{rsize}} {{duration}}\"\n}}\nforward . {}",
        path.display(),
        upstream.address()
    );
    let mut block = block(&lines);
    block.start().await.unwrap();
    block.ask(query("a.test", RecordType::A)).await.unwrap();
    let records = collector.wait_for(4).await;
    let extra = |upstream: &str| format!("upstream: {upstream} a.test. - - -");
    assert_eq!(records[0].extra, extra("-"));
    assert_eq!(records[3].extra, extra(&upstream.address().to_string()));
    block.stop().await;
}

#[tokio::test(start_paused = true)]
async fn row_11_without_a_collector_all_is_answered_and_the_loss_is_told() {
    let (journal, _guard) = Journal::start();
    let (_folder, path) = socket();
    let mut block = block(&format!("dnstap {}\nwhoami", path.display()));
    block.start().await.unwrap();
    for _ in 0..100 {
        block.ask(query("a.test", RecordType::A)).await.unwrap();
    }
    let path = path.display();
    let error = format!(
        "ERROR plugin/dnstap: No connection to dnstap endpoint: dial unix {path}: connect: no such \
         file or directory"
    );
    let waiting = tokio::time::timeout(Duration::from_secs(10), std::future::pending::<()>());
    waiting.await.unwrap_err();
    tokio::task::yield_now().await;
    let warning = "WARN plugin/dnstap: Dropped dnstap messages: 200".to_owned();
    assert_eq!(journal.take("plugin/dnstap"), [error, warning]);
    block.stop().await;
}

/// As CoreDNS: the reply as the client gets it, cut, with our OPT and the client's ID.
#[tokio::test]
async fn a_response_is_what_goes_out() {
    let upstream = Upstream::start();
    let many = (1..=200)
        .fold(Reply::new(), |reply, at| reply.answer(&format!("a.test. 60 IN A 192.0.2.{at}")));
    upstream.always(many);
    let (_folder, path) = socket();
    let collector = Collector::unix(&path);
    let lines =
        format!("dnstap {} full\nnsid me\nforward . {}", path.display(), upstream.address());
    let server = Server::new(&format!(". {{\n{lines}\n}}")).await;
    let a = || query("A.test", RecordType::A).id(77);
    // Over UDP the upstream is asked twice: it cuts its response too.
    for (count, asked, transport) in [
        (6, a(), Transport::Udp),
        (12, a().edns(1232).option(3, b""), Transport::Udp),
        (16, a().tcp(), Transport::Tcp),
    ] {
        let sent = server.exchange(&asked.to_bytes(), transport).await.unwrap();
        let records = collector.wait_for(count).await;
        let (record, message) = (&records[count - 1], Message::from_vec(&sent).unwrap());
        assert_eq!((record.kind, message.metadata.id), (6, 77));
        assert_eq!(message.metadata.truncation, transport == Transport::Udp);
        assert_eq!(record.response, sent, "{asked:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_some_kinds_of_records_are_made() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    let (_folder, path) = socket();
    let table = [
        ("query", "start 5 stop"),
        ("response", "start 6 stop"),
        ("forward", "start 7 8 stop"),
        ("query response", "start 5 6 stop"),
        ("forward query", "start 5 7 8 stop"),
        ("response\nonly forward response", "start 7 8 6 stop"),
    ];
    for (kinds, words) in table {
        let lines = format!(
            "dnstap file {} {{\nonly {kinds}\n}}\nforward . {}",
            path.display(),
            upstream.address()
        );
        let mut block = block(&lines);
        block.start().await.unwrap();
        block.ask(query("a.test", RecordType::A)).await.unwrap();
        block.stop().await;
        assert_eq!(read(&path).await.0, words, "{kinds}");
    }
}

#[tokio::test]
async fn of_a_sample_all_records_of_a_query_are_there_or_none() {
    let upstream = Upstream::start();
    upstream.always(Reply::new());
    let (_folder, path) = socket();
    let lines = format!(
        ". {{\nrewrite name a.test b.test\ndnstap file {} full {{\nsample 4\n}}\nforward . {}\n}}",
        path.display(),
        upstream.address()
    );
    let server = Server::new(&lines).await;
    for id in 1..=200 {
        server.ask(&query("a.test", RecordType::A).id(id)).await;
    }
    server.stop().await;
    let mut kinds: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for record in read(&path).await.1 {
        let bytes = if record.query.is_empty() { &record.response } else { &record.query };
        kinds.entry(Message::from_vec(bytes).unwrap().metadata.id).or_default().push(record.kind);
    }
    assert!(kinds.values().all(|kinds| *kinds == [5, 7, 8, 6]), "{kinds:?}");
    assert!((20..100).contains(&kinds.len()), "{} of 200", kinds.len());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_is_told_once_and_tried_again() {
    let (journal, _guard) = Journal::start();
    let (folder, _) = socket();
    let path = folder.path().join("not there yet").join("tap");
    let mut block = block(&format!("dnstap file \"{}\"\nwhoami", path.display()));
    block.start().await.unwrap();
    for _ in 0..10 {
        block.ask(query("a.test", RecordType::A)).await.unwrap();
    }
    let wait = async || {
        let waiting = tokio::time::timeout(Duration::from_secs(10), std::future::pending::<()>());
        waiting.await.unwrap_err();
        tokio::task::yield_now().await;
    };
    wait().await;
    let path = path.display();
    let error = format!(
        "ERROR plugin/dnstap: Failed to write dnstap file {path}: No such file or directory (os error 2)"
    );
    let warning = "WARN plugin/dnstap: Dropped dnstap messages: 20".to_owned();
    assert_eq!(journal.take("plugin/dnstap"), [error, warning]);
    std::fs::create_dir(folder.path().join("not there yet")).unwrap();
    wait().await;
    block.ask(query("a.test", RecordType::A)).await.unwrap();
    block.stop().await;
    assert_eq!(read(&folder.path().join("not there yet/tap")).await.0, "start 5 6 stop");
    assert_eq!(journal.take("plugin/dnstap"), [""; 0]);
}
