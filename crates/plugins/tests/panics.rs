//! `debug` and `errors` when a plugin panics. Rows DB3, DB4 and DB12.
//!
//! The hook that takes backtraces belongs to the whole process, hence this file of its own, and a
//! failure is told by a `Result`: nobody prints panics any more.
#![forbid(unsafe_code)]

#[path = "chains/journal.rs"]
mod journal;

use dunlin_core::directive::Entry;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{query, stub};
use dunlin_core::{Directive, Transport, wire};
use dunlin_engine::{Embedded, install_hook};
use dunlin_plugins::registry;

use self::journal::Journal;

/// A plugin that panics when it is asked for mail.
fn set_up(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    directive.add(stub(|query| {
        assert!(query.qtype() != RecordType::MX, "no mail");
        Box::pin(async { Ok(query.reply()) })
    }));
    Ok(())
}

/// Lines of a server block; whether a stack is told; whether the end of the process is asked for.
const ROWS: [(&str, bool, bool); 4] = [
    ("errors", false, false),
    ("errors {\nstacktrace\n}", true, false),
    ("debug", false, true),
    ("debug\nerrors {\nstacktrace\n}", true, true),
];

#[tokio::test]
async fn a_panic_is_told_with_a_stack_or_the_end_as_configured() -> anyhow::Result<()> {
    install_hook();
    for (lines, has_stack, ends) in ROWS {
        let (journal, _guard) = Journal::start();
        let mut registry = registry();
        registry.insert_before("whoami", Entry { name: "panics", setup: set_up })?;
        let server = Embedded::new(registry, &format!(". {{\n{lines}\npanics\n}}")).await?;
        let mut rcodes = Vec::new();
        for qtype in [RecordType::MX, RecordType::A] {
            let asked = query("a.test.", qtype).to_bytes();
            let client = "127.0.0.1:40000".parse()?;
            let reply = server.answer(&asked, client, Transport::Udp).await;
            rcodes.push(reply.map(|reply| wire::Flags::of(&reply).rcode()));
        }
        let told = journal.take("dunlin_engine");
        let first = told.first().map(|text| text.split('\n').collect::<Vec<_>>());
        let first = first.unwrap_or_default();
        let found = (
            rcodes,
            first.first().is_some_and(|line| line.ends_with(RECOVERED)),
            first.get(1).is_some_and(|line| line.starts_with("at ") && line.contains(file!())),
            told.get(1).is_some_and(|line| line.ends_with(": no mail")),
        );
        let expected = (vec![Some(2), Some(0)], true, has_stack, ends);
        anyhow::ensure!(found == expected, "{lines}: {found:?}, told {told:#?}");
        anyhow::ensure!(told.len() == 1 + usize::from(ends), "{lines}: {told:#?}");
        server.stop().await;
    }
    Ok(())
}

const RECOVERED: &str = r#": Recovered from panic in server: "dns://:53" no mail"#;
