//! The acceptance rows of the specification; those that need other plugins (10 to 12) stand in
//! `tests/chains/traces.rs`.

use std::time::{Duration, SystemTime};

use dunlin_core::directive::Retain;
use dunlin_core::rr::RecordType;
use dunlin_core::tap::{Exchange, Tap};
use dunlin_core::testing::{self, TestBlock, query, stub};
use dunlin_core::{Directive, Entry, Error, Plugin};
use dunlin_testkit::collector::{Answer, Collector};
use dunlin_testkit::metrics::value;
use dunlin_testkit::ports;
use dunlin_testkit::wait::until_async;
use serde_json::Value;

use super::connects::Connects;
use super::endpoint::Endpoint;
use super::exporter::{Exporter, Limits, Numbers, Pace};
use super::setup::parse;
use super::span::Service;
use super::*;

/// The block, and behind it a plugin that answers but to `fail.test`, and never to `silent.test`.
fn block(lines: &str) -> TestBlock {
    block_after(lines, &Retain::default())
}

fn block_after(lines: &str, retain: &Retain) -> TestBlock {
    let block = testing::block_for(".:53", &[ENTRY, ASKS], lines, retain);
    block.unwrap_or_else(|error| panic!("{lines}: {error:#}")).before(stub(|query| {
        Box::pin(async move {
            match query.name().to_ascii().as_str() {
                "fail.test." => Err(Error::new("it never works")),
                "silent.test." => std::future::pending().await,
                _ => Ok(query.reply()),
            }
        })
    }))
}

/// A plugin that looks another name up before it hands on.
const ASKS: Entry = Entry { name: "asks", setup: set_up_asks };

fn set_up_asks(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let lookup = directive.lookup();
    directive.no_arguments()?;
    directive.add(Asks(lookup));
    Ok(())
}

struct Asks(dunlin_core::lookup::Lookup);

#[async_trait]
impl Plugin for Asks {
    fn name(&self) -> &'static str {
        "asks"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        if query.depth() == 0 {
            self.0.ask(query, b"\x05other\x04test\0", 1).await?;
        }
        next.run(query).await
    }
}

async fn ask(block: &mut TestBlock, name: &str) {
    block.ask(query(name, RecordType::A)).await.unwrap();
}

fn number(block: &TestBlock, name: &str, labels: &[(&str, &str)]) -> f64 {
    value(&block.metrics().page(), name, labels).unwrap_or(0.0)
}

async fn counted(block: &TestBlock, name: &str, labels: &[(&str, &str)], count: f64) {
    let what = format!("{name} {labels:?} {count}");
    until_async(what, async || number(block, name, labels) == count).await;
}

/// All spans that a Zipkin collector has, in the order in which they ended.
fn spans(collector: &Collector) -> Vec<Value> {
    let lists = collector.posted().into_iter().map(|posted| {
        assert_eq!((posted.method.as_str(), posted.path.as_str()), ("POST", "/api/v2/spans"));
        serde_json::from_slice::<Vec<Value>>(&posted.body).unwrap()
    });
    lists.flatten().collect()
}

async fn wait_for_spans(collector: &Collector, count: usize) -> Vec<Value> {
    until_async(format!("{count} spans"), async || spans(collector).len() >= count).await;
    spans(collector)
}

fn names(spans: &[Value]) -> Vec<&str> {
    spans.iter().map(|span| span["name"].as_str().unwrap()).collect()
}

/// What a table needs of a configuration.
fn config(text: &str) -> Result<String, String> {
    let entry = Entry {
        name: "trace",
        setup: |directive| {
            let config = parse(directive)?;
            let Limits { backlog, batch, interval } = config.limits;
            anyhow::bail!(
                "{:?} {} every {} {} {} {backlog} {batch} {interval:?}",
                config.endpoint.kind,
                config.endpoint,
                config.every,
                config.service,
                config.analytics_rate
            )
        },
    };
    let text = testing::setup(&entry, text).unwrap_err().to_string();
    if text.contains(" every ") { Ok(text) } else { Err(text) }
}

#[test]
fn rows_1_2_6_what_the_directive_comes_to() {
    let table = [
        ("", "Zipkin http://localhost:9411/api/v2/spans every 1 coredns 0 1000 100 1s"),
        ("zipkin", "Zipkin http://zipkin/api/v2/spans every 1 coredns 0 1000 100 1s"),
        ("ZipKin a:1", "Zipkin http://a:1/api/v2/spans every 1 coredns 0 1000 100 1s"),
        ("http://a/b?c", "Zipkin http://a/b?c every 1 coredns 0 1000 100 1s"),
        ("datadog \"\"", "Datadog http://localhost:8126/v0.3/traces every 1 coredns 0 1000 100 1s"),
        ("otlp a:4318", "Otlp http://a:4318/v1/traces every 1 coredns 0 1000 100 1s"),
        (
            "{\nevery 0\nservice x\nclient_server\nclient_server false\n\
             datadog_analytics_rate 0.25\nzipkin_max_backlog_size 7\nzipkin_max_batch_size 3\n\
             zipkin_max_batch_interval 1m30s\n}",
            "Zipkin http://localhost:9411/api/v2/spans every 0 x 0.25 7 3 90s",
        ),
        (
            "{\ndatadog_analytics_rate\nzipkin_max_backlog_size 0\nzipkin_max_batch_size 0\n\
             zipkin_max_batch_interval 0\n}",
            "Zipkin http://localhost:9411/api/v2/spans every 1 coredns 0 1000 100 1s",
        ),
        (
            "a {\nevery 5\n}\ntrace b {\nzipkin_max_batch_interval 1ns\n}",
            "Zipkin http://b/api/v2/spans every 5 coredns 0 1000 100 1ms",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(config(&format!("trace {text}")).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn rows_3_4_5_7_8_what_is_wrong_is_refused() {
    let count = "Wrong argument count or unexpected line ending after";
    let table = [
        ("foo bar", "tracing endpoint type 'foo' is not supported".to_owned()),
        ("FOO bar", "tracing endpoint type 'foo' is not supported".to_owned()),
        ("a b c", format!("Corefile:2 - Error during parsing: {count} 'c'")),
        ("{\nevery x\n}", "strconv.ParseUint: parsing \"x\": invalid syntax".to_owned()),
        ("{\nevery -1\n}", "strconv.ParseUint: parsing \"-1\": invalid syntax".to_owned()),
        ("{\nevery\n}", format!("Corefile:3 - Error during parsing: {count} 'every'")),
        ("{\nevery 1 2\n}", format!("Corefile:3 - Error during parsing: {count} '2'")),
        ("{\nservice\n}", format!("Corefile:3 - Error during parsing: {count} 'service'")),
        ("{\nbogus\n}", "Corefile:3 - Error during parsing: unknown property 'bogus'".to_owned()),
        ("{\nclient_server x\n}", "strconv.ParseBool: parsing \"x\": invalid syntax".to_owned()),
        (
            "datadog a {\ndatadog_analytics_rate 2\n}",
            "datadog analytics rate must be between 0 and 1, '2.000000' is not supported"
                .to_owned(),
        ),
        (
            "{\ndatadog_analytics_rate x\n}",
            "strconv.ParseFloat: parsing \"x\": invalid syntax".to_owned(),
        ),
        (
            "{\nzipkin_max_backlog_size x\n}",
            "strconv.Atoi: parsing \"x\": invalid syntax".to_owned(),
        ),
        (
            "{\nzipkin_max_batch_size -1\n}",
            "zipkin_max_batch_size must not be negative: '-1'".to_owned(),
        ),
        ("{\nzipkin_max_batch_interval 5\n}", "time: missing unit in duration \"5\"".to_owned()),
        (
            "{\nzipkin_max_batch_interval -1s\n}",
            "zipkin_max_batch_interval must not be negative: '-1s'".to_owned(),
        ),
        ("ftp://a", "invalid tracing endpoint 'ftp://a': neither http nor https".to_owned()),
    ];
    for (text, expected) in table {
        assert_eq!(config(&format!("trace {text}")), Err(expected), "{text}");
    }
}

#[test]
fn endpoints_are_hosts_or_urls() {
    let table = [
        ("otlp", "http://a", Ok("http://a/v1/traces a 80 /v1/traces")),
        ("otlp", "https://a/", Ok("https://a/v1/traces a 443 /v1/traces")),
        ("otlp", "https://a/b", Ok("https://a/b a 443 /b")),
        ("zipkin", "http://a:9411", Ok("http://a:9411/ a 9411 /")),
        (
            "zipkin",
            "my-http-proxy:1",
            Ok("http://my-http-proxy:1/api/v2/spans my-http-proxy 1 /api/v2/spans"),
        ),
        ("zipkin", "[::1]:9411", Ok("http://[::1]:9411/api/v2/spans ::1 9411 /api/v2/spans")),
        ("datadog", "http://[::1]", Ok("http://[::1]/v0.3/traces ::1 80 /v0.3/traces")),
        ("zipkin", "a:x", Err("not a port")),
        ("zipkin", "a:99999", Err("not a port")),
        ("zipkin", "a:", Err("not a port")),
        ("zipkin", "http://u:p@a", Err("it has a password")),
        ("zipkin", "unix://run/x", Err("neither http nor https")),
        ("zipkin", "a b", Err("not a URL, and no HOST:PORT")),
        ("zipkin", ":9411", Err("it has no host")),
    ];
    for (kind, text, expected) in table {
        let found = Endpoint::parse(kind, text).map(|endpoint| {
            let path = endpoint.path_and_authority().0;
            format!("{endpoint} {} {} {path}", endpoint.host(), endpoint.port())
        });
        let expected = expected.map(str::to_owned);
        let expected =
            expected.map_err(|reason| format!("invalid tracing endpoint '{text}': {reason}"));
        assert_eq!(found.map_err(|error| error.to_string()), expected, "{text}");
    }
}

#[tokio::test]
async fn row_1_queries_are_answered_without_a_collector() {
    let endpoint = ports::closed();
    let mut block = block(&format!("trace {endpoint} {{\nzipkin_max_backlog_size 3\n}}"));
    block.start().await.unwrap();
    for _ in 0..5 {
        ask(&mut block, "a.test").await;
    }
    block.stop().await;
    let url = format!("http://{endpoint}/api/v2/spans");
    let of = |reason| [("endpoint", url.as_str()), ("reason", reason)];
    // Two spans of each query: the query itself, and the plugin that answers.
    assert_eq!(number(&block, "dunlin_trace_dropped_total", &of("backlog_full")), 7.0);
    assert_eq!(number(&block, "dunlin_trace_dropped_total", &of("unsent")), 3.0);
    assert_eq!(number(&block, "dunlin_trace_sent_total", &[("endpoint", &url)]), 0.0);
}

#[tokio::test]
async fn rows_6_9_one_of_so_many_is_traced() {
    for (every, traced) in [(0, vec![]), (1, vec![1, 2, 3, 4, 5, 6]), (3, vec![3, 6]), (7, vec![])]
    {
        let collector = Collector::start();
        let lines = format!("trace {} {{\nevery {every}\n}}", collector.address());
        let mut block = block(&lines);
        block.start().await.unwrap();
        for number in 1..=6 {
            ask(&mut block, &format!("q{number}.test")).await;
        }
        block.stop().await;
        let spans = spans(&collector);
        let asked: Vec<_> =
            spans.iter().filter_map(|span| span["tags"]["coredns.io/name"].as_str()).collect();
        let expected: Vec<_> = traced.iter().map(|number| format!("q{number}.test.")).collect();
        assert_eq!(asked, expected, "every {every}");
        assert_eq!(spans.len(), 2 * traced.len());
    }
}

#[tokio::test]
async fn a_lookup_of_a_plugin_is_part_of_the_trace() {
    let collector = Collector::start();
    let mut block = block(&format!("trace {}\nasks", collector.address()));
    block.start().await.unwrap();
    ask(&mut block, "a.test").await;
    block.stop().await;
    let spans = spans(&collector);
    // What is looked up passes the whole chain, and the spans end from the innermost outwards.
    let expected = ["stub", "asks", "trace", "stub", "asks", "servedns"];
    assert_eq!(names(&spans), expected);
    let id = |index: usize| &spans[index]["id"];
    let parents: Vec<_> = spans.iter().map(|span| &span["parentId"]).collect();
    assert_eq!(parents, [id(1), id(2), id(4), id(4), id(5), &Value::Null]);
    assert!(spans.iter().all(|span| span["traceId"] == spans[0]["traceId"]));
}

#[tokio::test]
async fn failures_are_told_and_work_that_was_given_up_has_its_spans() {
    let collector = Collector::start();
    let mut block = block(&format!("trace {}", collector.address()));
    block.start().await.unwrap();
    block.ask(query("fail.test", RecordType::A)).await.unwrap_err();
    let silent = block.ask(query("silent.test", RecordType::A));
    assert!(tokio::time::timeout(Duration::from_millis(1), silent).await.is_err());
    block.stop().await;
    let spans = spans(&collector);
    assert_eq!(names(&spans), ["stub", "servedns", "stub", "servedns"]);
    assert_eq!(spans[1]["tags"]["error"], "true");
    assert_eq!(spans[1]["tags"]["coredns.io/rcode"], "SERVFAIL");
    assert_eq!(spans[1]["annotations"][1]["value"], "error.object:it never works");
    assert_eq!(spans[3]["tags"], Value::Null);
}

#[tokio::test]
async fn a_full_batch_is_sent_at_once_and_a_small_one_in_time() {
    let collector = Collector::start();
    for properties in
        ["zipkin_max_batch_size 4\nzipkin_max_batch_interval 1h", "zipkin_max_batch_interval 1ms"]
    {
        let mut block = block(&format!("trace {} {{\n{properties}\n}}", collector.address()));
        let before = spans(&collector).len();
        block.start().await.unwrap();
        ask(&mut block, "a.test").await;
        ask(&mut block, "b.test").await;
        wait_for_spans(&collector, before + 4).await;
        block.stop().await;
    }
}

#[tokio::test]
async fn many_spans_go_in_batches_over_one_connection() {
    let collector = Collector::start();
    let lines = format!(
        "trace {} {{\nzipkin_max_batch_size 6\nzipkin_max_batch_interval 1h\nservice DNS\n}}",
        collector.address()
    );
    let mut block = block(&lines);
    for _ in 0..10 {
        ask(&mut block, "a.test").await;
    }
    block.start().await.unwrap();
    block.stop().await;
    let posted = collector.posted();
    let sizes = posted
        .iter()
        .map(|posted| serde_json::from_slice::<Vec<Value>>(&posted.body).unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [6, 6, 6, 2]);
    assert_eq!(collector.connections(), 1);
    let headers = ["content-type", "b3", "host"].map(|name| posted[0].header(name).unwrap());
    assert_eq!(headers, ["application/json", "0", &collector.address().to_string()]);
    let service = &spans(&collector)[0]["localEndpoint"];
    assert_eq!(service, &serde_json::json!({ "serviceName": "dns" }));
}

#[tokio::test]
async fn what_a_collector_refuses_is_dropped_and_what_it_is_too_busy_for_is_kept() {
    let table = [
        (Answer::Status(400), 1, 0),
        (Answer::Status(500), 1, 0),
        (Answer::StatusAndHangUp(500), 1, 0),
        (Answer::Status(503), 0, 1),
        (Answer::Status(429), 0, 1),
    ];
    for (answer, refused, repeated) in table {
        let collector = Collector::start();
        collector.answer([answer]);
        let lines = "{\nzipkin_max_batch_size 1\nzipkin_max_batch_interval 1ms\n}";
        let mut block = block(&format!("trace {} {lines}", collector.address()));
        block.start().await.unwrap();
        ask(&mut block, "a.test").await;
        let endpoint = format!("http://{}/api/v2/spans", collector.address());
        let sent = f64::from(2 - refused);
        counted(&block, "dunlin_trace_sent_total", &[("endpoint", &endpoint)], sent).await;
        let labels = [("endpoint", endpoint.as_str()), ("reason", "refused")];
        counted(&block, "dunlin_trace_dropped_total", &labels, refused.into()).await;
        block.stop().await;
        assert_eq!(spans(&collector).len(), 2 + repeated, "{answer:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_anew() {
    let collector = Collector::start();
    collector.answer([Answer::StatusAndHangUp(200), Answer::StatusAndHangUp(200)]);
    let mut block =
        block(&format!("trace {} {{\nzipkin_max_batch_size 2\n}}", collector.address()));
    block.start().await.unwrap();
    for count in 1..4 {
        ask(&mut block, "a.test").await;
        wait_for_spans(&collector, 2 * count).await;
    }
    block.stop().await;
    assert_eq!((spans(&collector).len(), collector.connections()), (6, 3));
}

/// An exporter without a server block around it, which is impatient.
fn exporter(endpoint: &str, metrics: &dunlin_core::metrics::Metrics) -> Arc<Exporter> {
    let pace = Pace {
        patience: Duration::from_millis(50),
        retry: Duration::from_millis(1),
        drain: Duration::from_millis(100),
        ..Pace::default()
    };
    let limits = Limits { interval: Duration::from_millis(1), ..Limits::default() };
    let service = Service { name: "a".to_owned(), address: None, analytics_rate: 0.0 };
    let numbers = Numbers::of(metrics, endpoint);
    Arc::new(Exporter::new(
        Endpoint::parse("zipkin", endpoint).unwrap(),
        service,
        limits,
        pace,
        numbers,
    ))
}

#[tokio::test]
async fn spans_wait_for_a_collector_that_comes_late() {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let metrics = dunlin_core::metrics::Metrics::new(0);
    let exporter = exporter(&address.to_string(), &metrics);
    exporter.enter();
    (0..3).for_each(|_| drop(Open::query(&exporter)));
    // So many that it has failed by now: the connection is refused at once.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let collector = Collector::on(address);
    wait_for_spans(&collector, 3).await;
    exporter.leave().await;
    assert_eq!(spans(&collector).len(), 3);
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_delay_the_end_for_long() {
    let collector = Collector::start();
    collector.answer([Answer::Silence; 100]);
    let metrics = dunlin_core::metrics::Metrics::new(0);
    let address = collector.address().to_string();
    let exporter = exporter(&address, &metrics);
    exporter.enter();
    drop(Open::query(&exporter));
    until_async("two attempts", async || collector.posted().len() >= 2).await;
    exporter.leave().await;
    let of = |name, labels: &[_]| value(&metrics.page(), name, labels).unwrap_or(0.0);
    let labels = [("endpoint", address.as_str()), ("reason", "unsent")];
    assert_eq!(of("dunlin_trace_sent_total", &labels[..1]), 0.0);
    assert_eq!(of("dunlin_trace_dropped_total", &labels), 1.0);
}

/// What forward tells of an exchange, in and out of a trace.
#[tokio::test]
async fn an_exchange_lasts_from_its_query_to_its_end() {
    let collector = Collector::start();
    let metrics = dunlin_core::metrics::Metrics::new(0);
    let exporter = exporter(&collector.address().to_string(), &metrics);
    exporter.enter();
    let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let failed = Exchange {
        upstream: "192.0.2.53:53".parse().unwrap(),
        local: None,
        transport: dunlin_core::Transport::Udp,
        sent,
        query: b"",
        received: None,
        ended: Some(sent + Duration::from_secs(2)),
        response: b"",
    };
    let given_up = Exchange { ended: None, ..failed };
    let query = query("a.test", RecordType::A).build();
    let tell =
        || [failed, given_up].iter().for_each(|exchange| Connects.exchanged(&query, exchange));
    tell();
    Open::query(&exporter).scope(async || tell()).await;
    exporter.leave().await;
    let spans = spans(&collector);
    assert_eq!(names(&spans), ["connect", "connect", "servedns"]);
    assert_eq!(
        (&spans[0]["timestamp"], &spans[0]["duration"]),
        (&1_000_000_000_000_000_u64.into(), &2_000_000.into())
    );
    assert!(spans[1]["duration"].as_u64().unwrap() > 2_000_000);
    assert_eq!(spans[0]["tags"], serde_json::json!({ "peer.address": "192.0.2.53:53" }));
}

#[tokio::test]
async fn a_reload_keeps_what_waits_unless_the_directive_changed() {
    let collector = Collector::start();
    let lines = format!("trace {} {{\nzipkin_max_batch_interval 1h\n}}", collector.address());
    let mut first = block(&lines);
    first.start().await.unwrap();
    ask(&mut first, "a.test").await;
    let mut second = block_after(&lines, &first.retain());
    // A generation that never starts has no part in it.
    let mut failed = block_after(&lines, &first.retain());
    failed.stop().await;
    second.start().await.unwrap();
    first.stop().await;
    ask(&mut second, "b.test").await;
    assert_eq!(spans(&collector).len(), 0);
    let mut third =
        block_after(&format!("{lines}\ntrace otlp {}", collector.address()), &second.retain());
    third.start().await.unwrap();
    second.stop().await;
    assert_eq!((spans(&collector).len(), collector.posted().len()), (4, 1));
    ask(&mut third, "c.test").await;
    third.stop().await;
    let posted = collector.posted();
    assert_eq!((posted.len(), posted[1].path.as_str()), (2, "/v1/traces"));
    assert_eq!(posted[1].header("content-type"), Some("application/x-protobuf"));
}
