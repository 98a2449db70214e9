//! `metadata`, `prometheus`, `errors` and `log` in front of `cache`, `loop` and `forward`: one line and
//! one count for each query, by whoever answered it. Rows G08, M09, MD1, MD2, MD9, MD11, E01.

use std::sync::Arc;

use dunlin_core::metadata::Metadata;
use dunlin_core::plugin::Chain;
use dunlin_core::rr::RecordType;
use dunlin_core::site::Site;
use dunlin_core::testing::query;
use dunlin_testkit::upstream::{Action, Reply, Upstream};

use crate::journal::Journal;
use crate::kit::{block, metric};

const SOA: &str = "test. 300 IN SOA ns.test. host.test. 1 2 3 4 300";

/// Answers by name; what is not here is REFUSED.
fn upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream.on("a.test", Reply::new().answer("a.test. 300 IN A 192.0.2.1"));
    upstream.on("nx.test", Reply::nxdomain(SOA));
    upstream.on("nodata.test", Reply::new().authority(SOA));
    upstream.on("fail.test", Reply::servfail());
    upstream.on("silent.test", Vec::<Action>::new());
    upstream
}

/// The lines of a server block that observes all it does.
fn observed(upstream: &Upstream, metadata: &str) -> String {
    format!(
        "{metadata}\nprometheus\nerrors\ncache\nloop\n\
         log . \"{{name}} {{rcode}} {{>rflags}} {{rsize}} {{/forward/upstream}} {{/log/type}}\"\n\
         forward silent.test {upstream} {{\nread_timeout 100ms\nmax_fails 0\n}}\n\
         forward . {upstream}"
    )
}

/// A query, the line it leaves behind, who counts as its author, and how many errors are told.
struct Row {
    asked: &'static str,
    line: &'static str,
    author: &'static str,
    errors: usize,
}

const fn row(asked: &'static str, line: &'static str, author: &'static str) -> Row {
    Row { asked, line, author, errors: 0 }
}

const ROWS: &[Row] = &[
    row("a.test.", "NOERROR qr,rd,ra 46 UP NOERROR", "forward"),
    row("a.test.", "NOERROR qr,aa,rd,ra 46 - NOERROR", "cache"),
    row("nx.test.", "NXDOMAIN qr,rd,ra 81 UP NXDOMAIN", "forward"),
    row("nx.test.", "NXDOMAIN qr,aa,rd,ra 81 - NXDOMAIN", "cache"),
    row("nodata.test.", "NOERROR qr,rd,ra 85 UP NODATA", "forward"),
    row("nodata.test.", "NOERROR qr,aa,rd,ra 85 - NODATA", "cache"),
    row("fail.test.", "SERVFAIL qr,rd,ra 27 UP SERVERERROR", "forward"),
    row("fail.test.", "SERVFAIL qr,aa,rd,ra 27 - SERVERERROR", "cache"),
    row("refused.test.", "REFUSED qr,rd,ra 30 UP OTHERERROR", "forward"),
    row("refused.test.", "REFUSED qr,rd,ra 30 UP OTHERERROR", "forward"),
    Row { errors: 1, ..row("silent.test.", "SERVFAIL qr,rd 29 UP SERVERERROR", "") },
    row("silent.test.", "SERVFAIL qr,aa,rd 29 - SERVERERROR", "cache"),
];

#[tokio::test]
async fn each_query_is_one_line_and_one_count_by_its_author() {
    let (journal, _guard) = Journal::start();
    let upstream = upstream();
    let mut block = block(&observed(&upstream, "metadata"));
    block.start().await.unwrap();
    for (number, row) in (1..).zip(ROWS) {
        let rcode = row.line.split(' ').next().unwrap();
        let labels = [("rcode", rcode), ("plugin", row.author)];
        let counted = metric(&block, "coredns_dns_responses_total", &labels);
        let _told = block.ask(query(row.asked, RecordType::A)).await;
        let now = metric(&block, "coredns_dns_responses_total", &labels);
        assert_eq!(now, counted + 1, "{number} {}: {labels:?}", row.asked);
        for family in [
            "coredns_dns_responses_total",
            "coredns_dns_requests_total",
            "coredns_dns_request_duration_seconds_count",
            "coredns_dns_response_size_bytes_count",
            "coredns_cache_requests_total",
        ] {
            assert_eq!(metric(&block, family, &[]), number, "{number} {}: {family}", row.asked);
        }
        let errors = journal.take("plugin/errors");
        assert_eq!(errors.len(), row.errors, "{number} {}: {errors:?}", row.asked);
        let start = format!("ERROR plugin/errors: 2 {} A: read udp 127.0.0.1:", row.asked);
        assert!(errors.iter().all(|line| line.starts_with(&start)), "{errors:?}");
    }
    let up = upstream.to_string();
    let expected: Vec<String> = ROWS
        .iter()
        .map(|row| format!("[INFO] {} {}", row.asked, row.line.replace("UP", &up)))
        .collect();
    assert_eq!(block.lines(), expected);
    block.stop().await;
}

#[tokio::test]
async fn who_shares_an_exchange_has_a_line_and_a_count_too() {
    // Name, the leader's line and author, those of the others, errors told.
    let table = [
        ("a.test.", "NOERROR", "forward", "NOERROR", 0),
        ("nx.test.", "NXDOMAIN", "forward", "NXDOMAIN", 0),
        ("fail.test.", "SERVFAIL", "forward", "SERVFAIL", 0),
        ("refused.test.", "REFUSED", "forward", "REFUSED", 0),
        ("silent.test.", "SERVFAIL", "", "SERVFAIL", 1),
    ];
    for (name, rcode, author, shared, errors) in table {
        let (journal, _guard) = Journal::start();
        let upstream = upstream();
        let mut block = block(&observed(&upstream, "metadata"));
        let (chain, site) = (block.chain(), block.site());
        let ask = || ask(&chain, &site, name);
        tokio::join!(ask(), ask(), ask(), ask(), ask());
        let counted = |author: &str, rcode: &str| {
            metric(&block, "coredns_dns_responses_total", &[("plugin", author), ("rcode", rcode)])
        };
        assert_eq!((counted(author, rcode), counted("cache", shared)), (1, 4), "{name}");
        assert_eq!(metric(&block, "coredns_dns_requests_total", &[]), 5, "{name}");
        assert_eq!(journal.take("plugin/errors").len(), errors, "{name}");
        let lines = block.lines();
        let start = format!("[INFO] {name} {rcode} ");
        assert!(lines.iter().all(|line| line.starts_with(&start)), "{name}: {lines:?}");
        let leaders = lines.iter().filter(|line| line.contains(&upstream.to_string())).count();
        assert_eq!((lines.len(), leaders), (5, 1), "{name}: {lines:?}");
        if name != "silent.test." {
            assert_eq!(upstream.count(name), 1, "{name}");
        }
    }
}

async fn ask(chain: &Arc<Chain>, site: &Arc<Site>, name: &str) {
    let mut query = query(name, RecordType::A).at(Arc::clone(site)).build();
    query.attach_metadata(Metadata::default());
    let _told = chain.run(&mut query).await;
}

#[tokio::test]
async fn md1_md2_md11_the_upstream_is_known_where_there_is_metadata() {
    let upstream = upstream();
    let up = upstream.to_string();
    let table = [
        ("metadata", up.as_str(), "NOERROR"),
        ("", "-", "-"),
        ("metadata example.org", &up, "NOERROR"),
    ];
    for (metadata, named, kind) in table {
        let mut block = block(&observed(&upstream, metadata));
        block.ask(query("a.test.", RecordType::A)).await.unwrap();
        let expected = format!("[INFO] a.test. NOERROR qr,rd,ra 46 {named} {kind}");
        assert_eq!(block.lines(), [expected], "{metadata}");
    }
}

/// What is ignored (RFC 5452 §9.1) is told to those who look for it.
#[tokio::test]
async fn db1_a_reply_to_another_question_is_an_event_for_debugging() {
    let (journal, _guard) = Journal::start();
    let upstream = Upstream::start();
    let right = Reply::new().answer("d.test. 300 IN A 192.0.2.1");
    let wrong = right.clone().wrong_question("other.test");
    upstream.on("d.test", vec![Action::from(wrong), right.into()]);
    let mut block = block(&observed(&upstream, ""));
    let reply = block.ask(query("d.test.", RecordType::A)).await.unwrap();
    assert_eq!(reply.answers().len(), 1);
    let told = journal.take("plugin/forward");
    let [line] = told.as_slice() else { panic!("{told:?}") };
    assert!(line.starts_with("DEBUG plugin/forward: Wrong reply for id: "), "{line}");
    assert!(line.contains(", d.test. 1\ndebug: 000000 "), "{line}");
    assert!(journal.take("plugin/errors").is_empty());
}

/// What *cancel* gives up is a failure like others: a count, a line, and an error.
#[tokio::test(start_paused = true)]
async fn a_query_that_was_given_up_is_counted_and_logged() {
    let (journal, _guard) = Journal::start();
    let upstream = Upstream::start();
    upstream.always(Vec::new());
    let lines = format!("cancel 1s\nprometheus 127.0.0.1:0\nerrors\nlog\nforward . {upstream}");
    let mut block = block(&lines);
    block.start().await.unwrap();
    block.ask(query("a.test.", RecordType::A)).await.unwrap_err();
    let labels = [("rcode", "SERVFAIL"), ("plugin", "")];
    assert_eq!(metric(&block, "coredns_dns_responses_total", &labels), 1);
    assert_eq!(metric(&block, "dunlin_cancel_cancelled_total", &[]), 1);
    let error = "ERROR plugin/errors: 2 a.test. A: plugin/cancel: deadline exceeded";
    assert_eq!(journal.take("plugin/errors"), [error]);
    let logged = block.lines();
    assert!(logged.len() == 1 && logged[0].contains(" SERVFAIL "), "{logged:?}");
    block.stop().await;
}
