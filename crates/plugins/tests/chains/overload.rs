//! `shed` and the plugins around it. Row SH9.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;

use crate::kit::{block, metric};

#[tokio::test]
async fn sh9_prometheus_and_log_know_nothing_of_what_was_dropped() {
    let mut block = block("shed\nprometheus 127.0.0.1:0\nlog\nwhoami");
    let asked = query("example.org.", RecordType::A);
    assert!(!block.ask(asked.clone()).await.unwrap().is_silence());
    for _ in 0..3 {
        assert!(block.ask(asked.clone().congested()).await.unwrap().is_silence());
    }
    assert_eq!(metric(&block, "coredns_dns_requests_total", &[]), 1);
    assert_eq!(metric(&block, "coredns_shed_dropped_total", &[("reason", "query")]), 3);
    assert_eq!(block.lines().len(), 1);
}
