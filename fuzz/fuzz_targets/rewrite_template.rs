//! Any words as rules and templates, and any name as a query: no panic, bounded work, and a reply to
//! the question that was asked.
//!
//! `cargo +nightly fuzz run rewrite_template`. The octets are lines: the name, then words of a rule,
//! then an expression, then a template for a record.
#![no_main]

use std::sync::LazyLock;

use dunlin_core::directive::Entry;
use dunlin_core::rr::{Name, RecordType};
use dunlin_core::testing::{self, query};
use dunlin_core::zones::spelled_name;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let known = ["rewrite", "template"];
    dunlin_plugins::registry().iter().filter(|entry| known.contains(&entry.name)).copied().collect()
});

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(4, '\n').map(|line| line.replace(['"', '\\', '\r'], ""));
    let mut next = || lines.next().unwrap_or_default();
    let (name, rule, pattern, template) = (next(), next(), next(), next());
    let Some(name) = question(&name) else { return };
    let words: String = rule.split(' ').map(|word| format!(" \"{word}\"")).collect();
    let corefile = format!(
        "rewrite{words}\n\
         template IN ANY {{\nmatch \"{pattern}\"\nanswer \"{template}\"\nfallthrough\n}}\n\
         template ANY ANY {{\nanswer \"x. 60 IN CNAME {{{{ .Name }}}}\"\n}}"
    );
    let Ok(mut block) = testing::block(&ENTRIES, &corefile) else { return };
    let asked = query(&name.to_ascii(), RecordType::A).option(65_001, b"x");
    let expected = asked.build().question().to_vec();
    let Ok(mut reply) = RUNTIME.block_on(block.ask(asked)) else { return };
    // What is too long to be sent becomes SERVFAIL later.
    if let Ok((bytes, summary)) = reply.wire() {
        assert_eq!(&bytes[12..summary.question_end], expected);
    }
});

/// A name that a test may ask for.
fn question(text: &str) -> Option<Name> {
    let wire = spelled_name(text).ok()?;
    let text = dunlin_core::wire::Presentation(&wire).to_string();
    let name = Name::from_ascii(text).ok()?;
    Name::from_ascii(name.to_ascii()).ok()
}
