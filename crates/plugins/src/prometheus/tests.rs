//! The acceptance rows of the specification in their order, M01 to M15, as far as one server
//! block in process can show them: M02, M03, M11, M12 and M15 are the engine's.

use std::net::Ipv4Addr;

use dunlin_core::directive::{Closing, Control, OnListenFailure, StartContext};
use dunlin_core::metrics::Metrics;
use dunlin_core::op::ResponseCode;
use dunlin_core::rr::rdata::A;
use dunlin_core::rr::{RData, RecordType};
use dunlin_core::site::Site;
use dunlin_core::testing::{self, TestBlock, TestQuery, query};
use dunlin_core::{Error, Plugin};

use super::*;

/// Answers names that begin with its own, or hands on.
struct Answers(&'static str);

#[async_trait]
impl Plugin for Answers {
    fn name(&self) -> &'static str {
        self.0
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let name = query.name().clone();
        let text = name.to_ascii();
        match text.split('.').next().unwrap_or_default() {
            "fail" => Err(Error::new("it broke")),
            "refuse" => Err(Error::new("no").with_rcode(ResponseCode::Refused)),
            "silent" => Ok(Reply::silence()),
            "nx" => Ok(query.error(ResponseCode::NXDomain)),
            label if label.starts_with(self.0) => {
                Ok(query.reply().answer(name, 60, RData::A(A(Ipv4Addr::LOCALHOST))))
            }
            _ => next.run(query).await,
        }
    }
}

async fn block(text: &str, plugins: &[&'static str]) -> TestBlock {
    let mut block = testing::setup(&ENTRY, text).unwrap();
    for name in plugins {
        block = block.before(Answers(name));
    }
    block.start().await.unwrap();
    block
}

async fn ask(block: &mut TestBlock, query: TestQuery) {
    _ = block.ask(query).await;
}

fn whoami(qtype: RecordType) -> TestQuery {
    query("whoami.", qtype)
}

/// The lines of the page that begin so, in order, without the labels that are the same everywhere.
fn page(metrics: &Metrics, start: &str) -> Vec<String> {
    let page = metrics.page();
    let lines = page.lines().filter(|line| line.starts_with(start));
    let mut lines: Vec<String> = lines
        .map(|line| line.replace(r#",server="dns://:53""#, "").replace(r#",view="",zone=".""#, ""))
        .collect();
    lines.sort();
    lines
}

const REQUESTS: &str = "coredns_dns_requests_total{";
const RESPONSES: &str = "coredns_dns_responses_total{";

#[tokio::test]
async fn m01_a_query_and_its_reply_are_counted() {
    let mut block = block("prometheus 127.0.0.1:0", &["whoami"]).await;
    assert!(page(block.metrics(), "coredns_dns_").is_empty(), "no series before the first query");
    ask(&mut block, whoami(RecordType::A)).await;
    let metrics = block.metrics();
    let found = metrics.page();
    for line in [
        r#"coredns_dns_requests_total{family="1",proto="udp",server="dns://:53",type="A",view="",zone="."} 1"#,
        r#"coredns_dns_responses_total{plugin="whoami",rcode="NOERROR",server="dns://:53",view="",zone="."} 1"#,
        r#"coredns_dns_request_duration_seconds_count{server="dns://:53",view="",zone="."} 1"#,
        r#"coredns_dns_request_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="."} 24"#,
        r#"coredns_dns_response_size_bytes_sum{proto="udp",server="dns://:53",view="",zone="."} 46"#,
        "coredns_panics_total 0",
    ] {
        assert!(found.lines().any(|known| known == line), "no line {line} in\n{found}");
    }
    assert!(!found.contains("coredns_dns_do_requests_total{"), "{found}");
}

#[tokio::test]
async fn m04_labels_are_closed_sets() {
    let mut block = block("prometheus", &["whoami"]).await;
    for qtype in [RecordType::Unknown(65399), RecordType::NULL, RecordType::HTTPS] {
        ask(&mut block, whoami(qtype)).await;
    }
    ask(&mut block, whoami(RecordType::AAAA).tcp().from("[2001:db8::1]:4000").dnssec_ok()).await;
    let expected = [
        r#"{family="1",proto="udp",type="HTTPS"} 1"#,
        r#"{family="1",proto="udp",type="other"} 2"#,
        r#"{family="2",proto="tcp",type="AAAA"} 1"#,
    ];
    let found = page(block.metrics(), REQUESTS).join("\n").replace(REQUESTS, "{");
    assert_eq!(found, expected.join("\n"));
    assert_eq!(page(block.metrics(), "coredns_dns_do_").len(), 1);
}

#[tokio::test]
async fn m05_m08_m14_the_page_is_one_path_and_start_does_not_depend_on_it() {
    let table = [("prometheus", "localhost:9153"), ("prometheus :9253", ":9253")];
    for (text, address) in table {
        let mut block = block(text, &["whoami"]).await;
        ask(&mut block, whoami(RecordType::A)).await;
        let [endpoint] = block.parts().endpoints.as_slice() else { panic!("one endpoint") };
        assert_eq!((endpoint.address.as_str(), endpoint.path), (address, "/metrics"));
        assert!(matches!(endpoint.on_failure, OnListenFailure::Retry(_)));
        assert_eq!(endpoint.closing, Closing::Last);
        let response = (endpoint.handler)();
        assert_eq!(response.status, 200);
        assert_eq!(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
        assert!(String::from_utf8(response.body).unwrap().contains(REQUESTS));
    }
}

#[tokio::test]
async fn m06_plugins_are_enabled_while_a_generation_has_them() {
    let mut block = block("prometheus", &["cache", "whoami"]).await;
    let enabled = "coredns_plugin_enabled{";
    let expected =
        ["cache", "prometheus", "whoami"].map(|name| format!("{enabled}name=\"{name}\"}} 1"));
    assert_eq!(page(block.metrics(), enabled), expected);
    block.stop().await;
    assert!(page(block.metrics(), enabled).is_empty());
}

#[test]
fn m06_a_series_ends_with_the_last_generation_that_has_it() {
    let metrics = Metrics::new(0);
    let family = metrics.gauge("coredns_plugin_enabled", "", &["server", "zone", "view", "name"]);
    let context = |plugins: &[&'static str]| StartContext {
        sites: [Arc::clone(Site::none())].into(),
        plugins: plugins.into(),
        listeners: [].into(),
        offline: false,
        control: Control::new(|_| {}),
    };
    let count = || metrics.page().matches("coredns_plugin_enabled{").count();
    let old = setup::tell_plugins(&family, &context(&["cache", "whoami"]));
    let new = setup::tell_plugins(&family, &context(&["cache"]));
    assert_eq!(count(), 2);
    assert!(!metrics.page().contains("} 2"));
    drop(old);
    family.forget_unheld();
    assert_eq!(count(), 1);
    drop(new);
    family.forget_unheld();
    assert_eq!(count(), 0);
}

#[test]
fn m07_what_setup_refuses() {
    let at = |line: u8, text: &str| format!("Corefile:{line} - Error during parsing: {text}");
    let arguments = |line, after: &str| {
        at(line, &format!("Wrong argument count or unexpected line ending after '{after}'"))
    };
    let table = [
        ("prometheus", String::new()),
        ("prometheus :9153 {\n}", String::new()),
        ("prometheus {\nruntime_metrics\n}", String::new()),
        ("prometheus x", "address x: missing port in address".into()),
        ("prometheus a b", arguments(2, "b")),
        ("prometheus\nprometheus", "this plugin can only be used once per Server Block".into()),
        ("prometheus {\nfoo\n}", at(3, "unknown option: foo")),
        ("prometheus {\nruntime_metrics x\n}", arguments(3, "x")),
        ("prometheus {\ntls\n}", arguments(3, "tls")),
        ("prometheus {\ntls a b\n}", arguments(3, "b")),
        ("prometheus {\ntls a\ntls b\n}", at(4, "tls block already specified")),
        ("prometheus {\ntls a\n}", at(3, "tls is not supported yet")),
    ];
    for (text, expected) in table {
        let found = testing::setup(&ENTRY, text).map(|_| String::new());
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected, "{text}");
    }
}

#[tokio::test]
async fn m09_and_m10_the_author_and_the_rcode_of_each_reply() {
    let mut block = block("prometheus", &["cache", "forward"]).await;
    for name in ["cache.", "cache.", "forward.", "nx.", "fail.", "refuse.", "silent.", "nobody."] {
        ask(&mut block, query(name, RecordType::A)).await;
    }
    let expected = [
        r#"{plugin="",rcode="NOERROR"} 1"#,
        r#"{plugin="",rcode="REFUSED"} 1"#,
        r#"{plugin="",rcode="SERVFAIL"} 2"#,
        r#"{plugin="cache",rcode="NOERROR"} 2"#,
        r#"{plugin="cache",rcode="NXDOMAIN"} 1"#,
        r#"{plugin="forward",rcode="NOERROR"} 1"#,
    ];
    let found = page(block.metrics(), RESPONSES).join("\n").replace(RESPONSES, "{");
    assert_eq!(found, expected.join("\n"));
}

#[tokio::test]
async fn more_authors_than_have_a_place_are_counted_all_the_same() {
    let names = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"];
    let mut block = block("prometheus", &names).await;
    for name in names.iter().chain(&names) {
        ask(&mut block, query(name, RecordType::A)).await;
    }
    let found = page(block.metrics(), RESPONSES);
    assert_eq!(found.len(), names.len());
    assert!(found.iter().all(|line| line.ends_with(" 2")), "{found:?}");
}

#[tokio::test]
async fn m13_sizes_are_those_of_the_messages() {
    let mut block = block("prometheus", &["whoami"]).await;
    let padded = whoami(RecordType::A).edns(1232).option(65001, &[0; 17]);
    assert_eq!(padded.to_bytes().len(), 56);
    ask(&mut block, padded).await;
    let found = page(block.metrics(), "coredns_dns_request_size_bytes_sum");
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with(" 56"), "{found:?}");
}

#[tokio::test]
async fn each_site_has_series_of_its_own_and_strangers_are_counted_too() {
    let block = block("prometheus", &["whoami"]).await;
    let metrics = block.metrics().clone();
    let mut block = block;
    let chain = block.chain();
    for (zone, index) in [("a.", 0), ("b.", 7)] {
        let site = Site { server: "s".into(), zone: zone.into(), view: "v".into(), index };
        let mut query = whoami(RecordType::A).at(Arc::new(site)).build();
        chain.run(&mut query).await.unwrap();
    }
    let found = metrics.page();
    assert!(found.contains(r#"type="A",view="",zone="."} 1"#), "the index finds the site\n{found}");
    assert!(found.contains(r#"server="s",type="A",view="v",zone="b."} 1"#), "{found}");
}

#[test]
fn the_build_is_told() {
    let block = testing::setup(&ENTRY, "prometheus").unwrap();
    let found = page(block.metrics(), "coredns_build_info{");
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert!(line.contains("goversion=\"rustc1.") && line.ends_with(" 1"), "{line}");
    assert!(line.contains(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")), "{line}");
}
