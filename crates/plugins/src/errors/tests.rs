//! The acceptance rows of the specification in their order (E01 to E15), then the built-in limit.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, Stub, TestBlock, query, stub};
use dunlin_core::{Directive, Entry};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber, span};

use super::setup::Config;
use super::*;

/// Collects the events of `plugin/errors` on this thread as the command line prints them.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    fn start() -> (Self, DefaultGuard) {
        let journal = Self::default();
        let guard = tracing::subscriber::set_default(journal.clone());
        (journal, guard)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "plugin/errors"
    }

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                assert_eq!(field.name(), "message");
                write!(self.0, "{value:?}").unwrap();
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = event.metadata().level();
        self.0.lock().unwrap().push(format!("[{level}] {}", message.0));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Lets time pass, and then the timers do their work.
async fn pass(time: Duration) {
    // A timer counts from when its task first ran.
    tokio::task::yield_now().await;
    tokio::time::advance(time).await;
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// Fails with the text that its name stands for.
fn failing() -> Stub {
    stub(|query| {
        Box::pin(async {
            let name = query.name().to_ascii();
            let error = match name.split('.').next().unwrap_or_default() {
                "ok" => return Ok(query.reply()),
                "nx" => return Ok(query.error(ResponseCode::NXDomain)),
                "full" => Error::new("concurrent queries exceeded maximum 1")
                    .with_rcode(ResponseCode::Refused),
                "lines" => Error::new("one\ntwo\x1b[31m"),
                "refused" => Error::new("read udp A->B: read: connection refused"),
                number => Error::new(format!("failure {number}")),
            };
            Err(error)
        })
    })
}

fn block(text: &str) -> TestBlock {
    testing::setup(&ENTRY, text).unwrap().before(failing())
}

async fn ask(block: &mut TestBlock, name: &str, times: usize) {
    for _ in 0..times {
        _ = block.ask(query(name, RecordType::A)).await;
    }
}

#[tokio::test]
async fn e01_to_e03_a_failure_is_one_line() {
    let (journal, _guard) = Journal::start();
    let mut errors = block("errors");
    let table = [
        ("refused.Test.", "2 refused.test. A: read udp A->B: read: connection refused"),
        ("full.test.", "5 full.test. A: concurrent queries exceeded maximum 1"),
        ("lines.test.", r"2 lines.test. A: one\ntwo\u{1b}[31m"),
    ];
    for (name, line) in table {
        ask(&mut errors, name, 1).await;
        assert_eq!(journal.take(), [format!("[ERROR] {line}")]);
    }
    ask(&mut errors, "ok.test.", 1).await;
    ask(&mut errors, "nx.test.", 1).await;
    assert!(journal.take().is_empty(), "DNS results are no failures");
    _ = errors.ask(query("x", RecordType::Unknown(65399))).await;
    assert_eq!(journal.take(), ["[ERROR] 2 x. TYPE65399: failure x"]);
    let mut nobody = testing::setup(&ENTRY, "errors").unwrap();
    ask(&mut nobody, "x.", 1).await;
    assert_eq!(journal.take(), ["[ERROR] 2 x. A: plugin/errors: no next plugin found"]);
}

#[tokio::test]
async fn the_failure_itself_passes_unchanged() {
    let error = block("errors").ask(query("full.", RecordType::A)).await.unwrap_err();
    assert_eq!(error.rcode(), ResponseCode::Refused);
    assert_eq!(error.to_string(), "concurrent queries exceeded maximum 1");
}

const REFUSED: &str = r#"consolidate 2s ".*connection refused$""#;

/// What is written while `count` queries for `name` fail, until the period has passed, and after
/// the end of the generation.
async fn consolidated(options: &str, name: &str, count: usize) -> [String; 3] {
    let (journal, _guard) = Journal::start();
    let mut errors = block(&format!("errors {{\n{options}\n}}"));
    ask(&mut errors, name, count).await;
    let at_once = journal.take();
    pass(Duration::from_millis(1999)).await;
    assert!(journal.take().is_empty(), "before the period has passed");
    pass(Duration::from_millis(2)).await;
    let later = journal.take();
    errors.stop().await;
    [at_once, later, journal.take()].map(|lines| lines.join("|"))
}

#[tokio::test(start_paused = true)]
async fn e04_failures_are_counted_for_the_period() {
    let told = "[WARN] 5 errors like '.*connection refused$' occurred in last 2s";
    let found = consolidated(&format!("{REFUSED} warning"), "refused.", 5).await;
    assert_eq!(found, ["", told, ""]);
    for (level, shown) in [("", "ERROR"), ("error", "ERROR"), ("info", "INFO"), ("debug", "DEBUG")]
    {
        let found = consolidated(&format!("{REFUSED} {level}"), "refused.", 1).await;
        let told = format!("[{shown}] 1 errors like '.*connection refused$' occurred in last 2s");
        assert_eq!(found, ["", told.as_str(), ""]);
    }
}

#[tokio::test(start_paused = true)]
async fn e05_the_end_tells_what_is_pending() {
    let (journal, _guard) = Journal::start();
    let mut errors = block(&format!("errors {{\n{REFUSED} warning\n}}"));
    ask(&mut errors, "refused.", 1).await;
    assert!(journal.take().is_empty());
    errors.stop().await;
    let told = "[WARN] 1 errors like '.*connection refused$' occurred in last 2s";
    assert_eq!(journal.take(), [told]);
    ask(&mut errors, "refused.", 1).await;
    let line = "[WARN] 2 refused. A: read udp A->B: read: connection refused";
    assert_eq!(journal.take(), [line], "after the end each one is a line");
    pass(Duration::from_secs(10)).await;
    assert!(journal.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn e06_and_e07_the_first_expression_that_matches_counts() {
    let options = "consolidate 2s refused info\nconsolidate 2s connection warning";
    let told = "[INFO] 2 errors like 'refused' occurred in last 2s";
    assert_eq!(consolidated(options, "refused.", 2).await, ["", told, ""]);
    let line = "[ERROR] 2 other. A: failure other";
    assert_eq!(consolidated(options, "other.", 1).await, [line, "", ""]);
    let anchored = "consolidate 2s ^2 info";
    let line = "[ERROR] 2 2. A: failure 2";
    assert_eq!(consolidated(anchored, "2.", 1).await, [line, "", ""], "only the text is matched");
}

/// What the parser makes of a directive, as text.
fn parsed(text: &str) -> anyhow::Result<String> {
    thread_local! {
        static PARSED: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
    }
    let setup = |directive: &mut Directive<'_>| {
        let Config { stacktrace, consolidate } = setup::parse(directive)?;
        let mut words = if stacktrace { vec!["stacktrace".to_owned()] } else { Vec::new() };
        words.extend(consolidate.iter().map(|settings| {
            let consolidate::Settings { period, pattern, level, show_first } = settings;
            format!("{period} {pattern} {level} {show_first}")
        }));
        PARSED.set(words.join("; "));
        Ok(())
    };
    testing::setup(&Entry { name: "errors", setup }, text)?;
    Ok(PARSED.take())
}

#[test]
fn e08_to_e13_what_setup_takes_and_refuses() {
    let at = |line: u8, text: &str| Err(format!("Corefile:{line} - Error during parsing: {text}"));
    let arguments = |line, after: &str| {
        at(line, &format!("Wrong argument count or unexpected line ending after '{after}'"))
    };
    let long = format!("errors {{\nconsolidate 5s {}\n}}", "a".repeat(10_001));
    let table = [
        ("errors", Ok("")),
        ("errors x", at(2, "invalid log file: x")),
        ("errors stdout", Ok("")),
        ("errors stdout x", arguments(2, "x")),
        ("errors\nerrors", Err("this plugin can only be used once per Server Block".into())),
        ("errors {\nconsolidate 5s\n}", arguments(3, "5s")),
        ("errors {\nconsolidate\n}", arguments(3, "consolidate")),
        ("errors {\nconsolidate 5s (\n}", at(3, "error parsing regexp: missing closing ): `(`")),
        ("errors {\nconsolidate 5 x\n}", at(3, "time: missing unit in duration \"5\"")),
        ("errors {\nconsolidate 5s x foo\n}", at(3, "unknown option in consolidate: foo")),
        ("errors {\nconsolidate 5s x Error\n}", at(3, "unknown option in consolidate: Error")),
        (
            "errors {\nconsolidate 5s x info error\n}",
            at(3, "multiple log levels specified in consolidate"),
        ),
        (
            "errors {\nconsolidate 5s x show_first info\n}",
            at(3, "log level must come before show_first in consolidate"),
        ),
        ("errors {\nconsolidate 5s x info show_first y\n}", arguments(3, "y")),
        (&long, at(3, "regex pattern too long: 10001 > 10000")),
        ("errors {\nconsolidate 5s x info show_first\n}", Ok("5s x INFO true")),
        (
            "errors {\nconsolidate 300s x\nconsolidate 1.5s y warning\n}",
            Ok("5m0s x ERROR false; 1.5s y WARN false"),
        ),
        ("errors {\nstacktrace\nstacktrace\n}", Ok("stacktrace")),
        (
            "errors {\nfoo\n}",
            Err("Corefile:3 - Syntax error: Unexpected token 'foo', expecting 'Unknown field foo'"
                .into()),
        ),
    ];
    for (text, expected) in table {
        let found = parsed(text).map_err(|error| error.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{text}");
    }
    assert!(testing::setup(&ENTRY, "errors {\nstacktrace\n}").unwrap().parts().stacktrace);
}

#[tokio::test(start_paused = true)]
async fn e14_and_e15_the_first_one_can_be_shown_at_once() {
    let options = format!("{REFUSED} info show_first");
    let line = "[INFO] 2 refused. A: read udp A->B: read: connection refused";
    let told = "[INFO] 3 errors like '.*connection refused$' occurred in last 2s";
    assert_eq!(consolidated(&options, "refused.", 3).await, [line, told, ""]);
    assert_eq!(consolidated(&options, "refused.", 1).await, [line, "", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_new_period_begins_with_the_next_failure() {
    let (journal, _guard) = Journal::start();
    let mut errors = block(&format!("errors {{\n{REFUSED}\n}}"));
    for count in [3, 1] {
        ask(&mut errors, "refused.", count).await;
        pass(Duration::from_secs(7)).await;
        let told =
            format!("[ERROR] {count} errors like '.*connection refused$' occurred in last 2s");
        assert_eq!(journal.take(), [told]);
    }
}

#[tokio::test(start_paused = true)]
async fn ten_lines_a_second_of_one_text_are_enough() {
    let (journal, _guard) = Journal::start();
    let mut errors = block("errors");
    for _ in 0..2 {
        ask(&mut errors, "same.", 10_000).await;
        ask(&mut errors, "other.", 2).await;
        assert_eq!(journal.take().len(), 10 + 2);
        pass(Duration::from_millis(1001)).await;
        assert_eq!(
            journal.take(),
            ["[ERROR] 9990 more errors like 'failure same' occurred in last 1s"]
        );
    }
    ask(&mut errors, "same.", 11).await;
    assert_eq!(journal.take().len(), 10);
    errors.stop().await;
    assert_eq!(journal.take(), ["[ERROR] 1 more errors like 'failure same' occurred in last 1s"]);
}

#[tokio::test(start_paused = true)]
async fn many_texts_at_once_do_not_take_more_room() {
    let (journal, _guard) = Journal::start();
    let mut errors = block("errors");
    for number in 0..limit::TEXTS + 50 {
        ask(&mut errors, &format!("{number}."), 1).await;
    }
    let lines = limit::TEXTS + usize::try_from(limit::LINES).unwrap();
    assert_eq!(journal.take().len(), lines);
    pass(Duration::from_millis(1001)).await;
    let told = "[ERROR] 40 more errors like 'failure 266' occurred in last 1s";
    assert_eq!(journal.take(), [told]);
    ask(&mut errors, "999.", 1).await;
    assert_eq!(journal.take().len(), 1, "the second after has room again");
}

#[test]
fn our_own_port_does_not_make_another_text() {
    let one = limit::without_port("read udp 10.0.0.1:40123->10.0.0.2:53: i/o timeout");
    assert_eq!(one, limit::without_port("read udp 10.0.0.1:9->10.0.0.2:53: i/o timeout"));
    assert_ne!(one, limit::without_port("read udp 10.0.0.1:9->10.0.0.3:53: i/o timeout"));
    assert_eq!(limit::without_port("port 53"), ("port 53", ""));
}
