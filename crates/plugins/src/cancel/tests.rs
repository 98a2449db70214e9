//! Rows of the specification. Row CA6, and CA1 with a real upstream, stand in `tests/chains`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, Stub, query, stub};
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use dunlin_testkit::metrics::value;
use tokio::time::Instant;

use super::ENTRY;

/// A chain that takes its time.
fn slow(seconds: f64) -> Stub {
    stub(move |query: &mut Query| {
        let reply = query.reply();
        Box::pin(async move {
            let never = std::future::pending::<()>();
            let _ = tokio::time::timeout(Duration::from_secs_f64(seconds), never).await;
            Ok(reply)
        })
    })
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_given_up() {
    let table = [
        ("CA1", "cancel 1s", 2.0, Err(1000)),
        ("CA1", "cancel 1s", 0.5, Ok(500)),
        ("CA5", "cancel", 60.0, Err(5001)),
        ("CA5", "cancel", 5.0, Ok(5000)),
        ("", "cancel 1s\ncancel 3s", 60.0, Err(3000)),
    ];
    for (row, text, seconds, expected) in table {
        let mut block = testing::setup(&ENTRY, text).unwrap().before(slow(seconds));
        let start = Instant::now();
        let result = block.ask(query("example.org.", RecordType::A)).await;
        // The timer goes by whole milliseconds, and may be one late.
        let passed = start.elapsed().as_millis();
        let found = result.map(|_| passed).map_err(|error| {
            assert_eq!(error.to_string(), "plugin/cancel: deadline exceeded");
            assert_eq!(error.rcode(), ResponseCode::ServFail);
            passed
        });
        let is_close = |found: u128, wanted: u128| (wanted..=wanted + 1).contains(&found);
        let as_expected = match (found, expected) {
            (Ok(found), Ok(wanted)) | (Err(found), Err(wanted)) => is_close(found, wanted),
            _ => false,
        };
        assert!(as_expected, "{row} {text}: {found:?}");
        let cancelled = value(&block.metrics().page(), "dunlin_cancel_cancelled_total", &[]);
        assert_eq!(cancelled, Some(if expected.is_err() { 1.0 } else { 0.0 }), "{row}");
    }
}

#[tokio::test]
async fn ca4_what_is_there_at_once_is_passed_on() {
    let behind = stub(|query| Box::pin(async move { Ok(query.error(ResponseCode::NXDomain)) }));
    let mut block = testing::setup(&ENTRY, "cancel").unwrap().before(behind);
    let reply = block.ask(query("example.org.", RecordType::A)).await.unwrap();
    assert_eq!(reply.rcode(), ResponseCode::NXDomain);
}

/// Answers at once, and works on in the background: a cache that refreshes.
struct Refreshing(Arc<AtomicUsize>);

#[async_trait]
impl Plugin for Refreshing {
    fn name(&self) -> &'static str {
        "refreshing"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        let (rest, mut later, done) = (next.detach(), query.duplicate(), Arc::clone(&self.0));
        tokio::spawn(async move {
            rest.run(&mut later).await.unwrap();
            done.fetch_add(1, Ordering::SeqCst);
        });
        Ok(query.reply())
    }
}

#[tokio::test(start_paused = true)]
async fn ca8_work_in_the_background_is_not_given_up() {
    let done = Arc::new(AtomicUsize::new(0));
    let block = testing::setup(&ENTRY, "cancel 1s").unwrap();
    let mut block = block.before(Refreshing(Arc::clone(&done))).before(slow(4.0));
    block.ask(query("example.org.", RecordType::A)).await.unwrap();
    dunlin_testkit::wait::until_async("the refresh", async || done.load(Ordering::SeqCst) == 1)
        .await;
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let table = [
        ("CA2", "cancel 0", "invalid negative duration: \"0\""),
        ("CA2", "cancel -1s", "invalid negative duration: \"-1s\""),
        ("CA2", "cancel x", "invalid duration: \"x\""),
        ("CA2", "cancel 5", "invalid duration: \"5\""),
        (
            "CA3",
            "cancel 1s 2s",
            "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '2s'",
        ),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}
