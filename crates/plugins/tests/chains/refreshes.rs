//! What `cache` does in the background is no query of a client: it leaves no line, no count and no
//! metadata. Row MD12.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dunlin_core::Error;
use dunlin_core::rr::rdata::A;
use dunlin_core::rr::{RData, RecordType};
use dunlin_core::testing::{Stub, query, stub};

use crate::journal::Journal;
use crate::kit::{block, metric};

/// Stands in for `forward`: it names itself as one does, and may be down.
fn upstream(is_down: &Arc<AtomicBool>) -> Stub {
    let is_down = Arc::clone(is_down);
    stub(move |query| {
        let is_down = is_down.load(Ordering::SeqCst);
        Box::pin(async move {
            if let Some(metadata) = query.metadata() {
                metadata.set("forward/upstream", "192.0.2.53:53");
            }
            if is_down {
                return Err(Error::new("down"));
            }
            let name = query.name().clone();
            Ok(query.reply().answer(name, 10, RData::A(A::new(192, 0, 2, 1))))
        })
    })
}

/// A way to cache; per query of a client, in which second it comes and what is logged; how often the
/// upstream is asked.
struct Row {
    cache: &'static str,
    goes_down: bool,
    lines: [(u64, &'static str); 3],
    asked: usize,
}

const UP: &str = "192.0.2.53:53";

const ROWS: &[Row] = &[
    Row { cache: "", goes_down: false, lines: [(0, UP), (1, "-"), (11, UP)], asked: 2 },
    Row {
        cache: "prefetch 1 1m 50%",
        goes_down: false,
        lines: [(0, UP), (5, "-"), (6, "-")],
        asked: 2,
    },
    Row {
        cache: "prefetch 1 1m 50%",
        goes_down: true,
        lines: [(0, UP), (5, "-"), (6, "-")],
        asked: 3,
    },
    Row {
        cache: "serve_stale 1h",
        goes_down: false,
        lines: [(0, UP), (11, "-"), (12, "-")],
        asked: 2,
    },
    Row {
        cache: "serve_stale 1h",
        goes_down: true,
        lines: [(0, UP), (11, "-"), (13, "-")],
        asked: 3,
    },
    Row {
        cache: "serve_stale 1h verify",
        goes_down: false,
        lines: [(0, UP), (11, UP), (12, "-")],
        asked: 2,
    },
    // The client's own query went there, though a stale answer came of it.
    Row {
        cache: "serve_stale 1h verify",
        goes_down: true,
        lines: [(0, UP), (11, UP), (13, UP)],
        asked: 3,
    },
    Row {
        cache: "serve_stale 1h verify 1s",
        goes_down: true,
        lines: [(0, UP), (11, "-"), (13, "-")],
        asked: 3,
    },
];

#[tokio::test(start_paused = true)]
async fn what_happens_in_the_background_is_not_seen_in_the_foreground() {
    for row in ROWS {
        let what = format!("{} {}", row.cache, row.goes_down);
        let (journal, _guard) = Journal::start();
        let is_down = Arc::default();
        let upstream = upstream(&is_down);
        let text = format!(
            "metadata\nprometheus\nerrors\nlog . \"{{rcode}} {{/forward/upstream}}\"\ncache {{\n{}\n}}",
            row.cache
        );
        let mut block = block(&text).before(upstream.clone());
        block.start().await.unwrap();
        let mut second = 0;
        for (at, _) in row.lines {
            tokio::time::advance(Duration::from_secs(at - second)).await;
            second = at;
            block.ask(query("a.test.", RecordType::A)).await.unwrap();
            is_down.store(row.goes_down, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(upstream.asked(), row.asked, "{what}");
        assert_eq!(metric(&block, "coredns_dns_requests_total", &[]), 3, "{what}");
        assert_eq!(journal.take("plugin/errors"), [""; 0], "{what}");
        let expected = row.lines.map(|(_, named)| format!("[INFO] NOERROR {named}"));
        assert_eq!(block.lines(), expected, "{what}");
        block.stop().await;
    }
}
