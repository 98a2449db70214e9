//! *trace* with the plugins whose work it tells of: rows 10, 11 and 12 of its specification.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_testkit::collector::{Answer, Collector};
use dunlin_testkit::ports;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::wait::until_async;
use serde_json::Value;

use crate::journal::Journal;
use crate::kit::block;

fn spans(collector: &Collector) -> Vec<Value> {
    let posted = collector.posted().into_iter();
    posted.flat_map(|posted| serde_json::from_slice::<Vec<Value>>(&posted.body).unwrap()).collect()
}

fn find<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let found: Vec<_> = spans.iter().filter(|span| span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:?}");
    found[0]
}

#[tokio::test]
async fn row_10_each_plugin_on_the_way_has_a_span_inside_that_of_its_caller() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("a.test. 60 IN A 192.0.2.1"));
    let collector = Collector::start();
    let lines = format!(
        "trace {}\nerrors\ncache\nforward . {}\nbufsize 1232",
        collector.address(),
        upstream.address()
    );
    let mut block = block(&lines);
    block.start().await.unwrap();
    block.ask(query("A.test", RecordType::A).from("192.0.2.7:4000")).await.unwrap();
    block.ask(query("a.test", RecordType::A).tcp()).await.unwrap();
    block.stop().await;

    let spans = spans(&collector);
    let second = spans.iter().position(|span| span["name"] == "servedns").unwrap() + 1;
    let (miss, hit) = spans.split_at(second);
    // What stands before *trace* in the chain has no part in it.
    let chain = ["servedns", "errors", "cache", "forward", "connect"];
    assert_eq!(miss.len(), chain.len(), "{miss:?}");
    for pair in chain.windows(2) {
        assert_eq!(find(miss, pair[1])["parentId"], find(miss, pair[0])["id"], "{pair:?}");
    }
    assert!(miss.iter().all(|span| span["traceId"] == miss[0]["traceId"]));
    let connect = find(miss, "connect");
    assert_eq!(connect["tags"]["peer.address"], upstream.address().to_string());
    let names: Vec<_> = hit.iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["cache", "errors", "servedns"]);
    assert_ne!(hit[0]["traceId"], miss[0]["traceId"]);
    let tags = |name: &str, protocol: &str, client: &str| {
        serde_json::json!({
            "coredns.io/name": name, "coredns.io/type": "A", "coredns.io/rcode": "NOERROR",
            "coredns.io/proto": protocol, "coredns.io/remote": client,
        })
    };
    assert_eq!(find(miss, "servedns")["tags"], tags("a.test.", "udp", "192.0.2.7"));
    assert_eq!(find(hit, "servedns")["tags"], tags("a.test.", "tcp", "127.0.0.1"));
}

#[tokio::test]
async fn row_11_a_failure_of_forward_is_the_rcode_and_is_noted() {
    let upstream = ports::closed();
    let collector = Collector::start();
    let mut block = block(&format!("trace {}\nforward . {upstream}", collector.address()));
    block.start().await.unwrap();
    let error = block.ask(query("a.test", RecordType::A)).await.unwrap_err().to_string();
    block.stop().await;
    let spans = spans(&collector);
    let query = find(&spans, "servedns");
    assert_eq!(query["tags"]["coredns.io/rcode"], "SERVFAIL");
    assert_eq!(query["tags"]["error"], "true");
    let notes: Vec<_> =
        query["annotations"].as_array().unwrap().iter().map(|note| &note["value"]).collect();
    assert_eq!(notes, ["event:error", &format!("error.object:{error}")]);
    let forward = &find(&spans, "forward")["id"];
    let connects: Vec<_> = spans.iter().filter(|span| span["name"] == "connect").collect();
    assert!(!connects.is_empty() && connects.iter().all(|span| &span["parentId"] == forward));
}

#[tokio::test]
async fn row_12_the_log_knows_the_trace() {
    let collector = Collector::start();
    let mut block = block(&format!(
        "metadata\ntrace {} {{\nevery 2\n}}\nlog . \"id={{/trace/traceid}}\"\nwhoami",
        collector.address()
    ));
    block.start().await.unwrap();
    for _ in 0..2 {
        block.ask(query("a.test", RecordType::A)).await.unwrap();
    }
    block.stop().await;
    let spans = spans(&collector);
    let id = find(&spans, "servedns")["traceId"].as_str().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|octet| octet.is_ascii_hexdigit()), "{id}");
    assert_eq!(block.lines(), ["[INFO] id=-".to_owned(), format!("[INFO] id={id}")]);
}

#[tokio::test]
async fn trouble_with_a_collector_is_told_once_in_a_while() {
    let (journal, _guard) = Journal::start();
    let collector = Collector::start();
    collector.answer([Answer::Status(500); 3]);
    let lines = "{\nzipkin_max_batch_size 2\nzipkin_max_batch_interval 1h\n}";
    let mut refused = block(&format!("trace {} {lines}\nwhoami", collector.address()));
    refused.start().await.unwrap();
    for count in 1..=3 {
        refused.ask(query("a.test", RecordType::A)).await.unwrap();
        until_async("a request", async || collector.posted().len() == count).await;
    }
    refused.stop().await;
    let status = "WARN plugin/trace: failed the request with status code 500".to_owned();
    assert_eq!(journal.take("plugin/trace"), [status]);

    let nobody = ports::closed();
    let mut alone = block(&format!("trace {nobody} {{\nzipkin_max_backlog_size 1\n}}\nwhoami"));
    alone.start().await.unwrap();
    alone.ask(query("a.test", RecordType::A)).await.unwrap();
    alone.stop().await;
    let lines = [
        format!(
            "failed to send the request: Post \"http://{nobody}/api/v2/spans\": dial tcp {nobody}: \
             connect: connection refused"
        ),
        "backlog too long, disposing 1 spans".to_owned(),
        "1 spans were not sent before the end".to_owned(),
    ];
    let lines = lines.map(|line| format!("WARN plugin/trace: {line}"));
    assert_eq!(journal.take("plugin/trace"), lines);
}

#[tokio::test]
async fn a_server_block_without_trace_has_its_plugins_as_they_are() {
    for (lines, wraps, taps) in [("cache\nwhoami", 0, 0), ("trace\ncache\nwhoami", 1, 1)] {
        let block = block(lines);
        assert_eq!((block.parts().wraps.len(), block.parts().taps.len()), (wraps, taps), "{lines}");
    }
}
