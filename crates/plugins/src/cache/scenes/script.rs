//! Runs a script: what the upstream says, queries and the replies they must get, passing time.
//!
//! ```text
//! U SCRIPT            the upstream answers this from now on (see `upstream.rs`)
//! Q NAME TYPE [WORDS] -> REPLY
//!                     words: do ad cd -rd tcp ch ecs=N from=IP; the reply as `show` prints it,
//!                     then perhaps `#N`: upstream queries so far, `@N`: milliseconds it took
//! + MS                time passes
//! M NAME [TYPE] N     metric coredns_cache_NAME is N
//! ```

use std::time::Duration;

use dunlin_core::directive::Retain;
use dunlin_core::edns::options;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{TestBlock, TestQuery, block_for, query};
use dunlin_core::wire::{Flags, Records, types};
use dunlin_core::{Reply, Result};
use tokio::time::Instant;

use super::upstream::Upstream;
use crate::cache::ENTRY;

/// Runs a file of scripts. Each begins with `== ITS NAME`, then `CF DIRECTIVE` (with `; ` for a
/// line break); lines with `#` are remarks.
pub(in crate::cache) async fn play_all(text: &str) {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text = lines.collect::<Vec<_>>().join("\n");
    for script in text.split("== ").skip(1) {
        let (row, script) = script.split_once("\nCF ").unwrap();
        let (directive, script) = script.split_once('\n').unwrap();
        Scene::new(directive).await.play(row, script).await;
    }
}

/// A server block with a cache in front of a scripted upstream.
pub(in crate::cache) struct Scene {
    pub(in crate::cache) block: TestBlock,
    pub(in crate::cache) upstream: Upstream,
}

impl Scene {
    pub(in crate::cache) async fn new(directive: &str) -> Self {
        Self::with(".:53", directive, &Retain::default()).await
    }

    pub(in crate::cache) async fn with(keys: &str, directive: &str, retain: &Retain) -> Self {
        let upstream = Upstream::default();
        let block = block_for(keys, &[ENTRY], &directive.replace("; ", "\n"), retain).unwrap();
        let mut block = block.before(upstream.clone());
        block.start().await.unwrap();
        Self { block, upstream }
    }

    /// Runs the lines of a script; panics with the line that does not hold.
    pub(in crate::cache) async fn play(&mut self, row: &str, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (word, rest) = line.split_once(' ').unwrap();
            match word {
                "U" => self.upstream.says(rest),
                "Q" => self.question(row, rest).await,
                "+" => tokio::time::advance(Duration::from_millis(rest.parse().unwrap())).await,
                "M" => self.metric(row, rest),
                _ => panic!("{row}: {line}"),
            }
            settle().await;
        }
    }

    async fn question(&mut self, row: &str, line: &str) {
        let (asked, expected) = line.split_once(" -> ").unwrap();
        let began = Instant::now();
        let reply = self.block.ask(question(asked)).await;
        let took = began.elapsed().as_millis();
        settle().await;
        let told: Vec<&str> = expected.split(' ').collect();
        let mut seen = vec![show(reply)];
        if told.iter().any(|word| word.starts_with('#')) {
            seen.push(format!("#{}", self.upstream.asked()));
        }
        if told.iter().any(|word| word.starts_with('@')) {
            seen.push(format!("@{took}"));
        }
        assert_eq!(seen.join(" "), expected, "{row}: {asked}");
    }

    fn metric(&self, row: &str, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let value = self.value(words[0], words.get(2).map(|_| words[1]));
        assert_eq!(value, words.last().unwrap().parse::<u64>().unwrap(), "{row}: {line}");
    }

    /// The sum of a metric over all its series, perhaps of one type only.
    pub(in crate::cache) fn value(&self, name: &str, kind: Option<&str>) -> u64 {
        let page = self.block.metrics().page();
        let name = format!("coredns_cache_{name}{{");
        let kind = kind.map(|kind| format!("type=\"{kind}\""));
        let lines = page.lines().filter(|line| line.starts_with(&name));
        let lines = lines.filter(|line| kind.as_ref().is_none_or(|kind| line.contains(kind)));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

/// Lets background tasks run until they wait for time to pass.
pub(in crate::cache) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A query from its words.
pub(in crate::cache) fn question(words: &str) -> TestQuery {
    let mut words = words.split(' ');
    let name = words.next().unwrap();
    let qtype = match words.next().unwrap() {
        "AXFR" => RecordType::AXFR,
        "IXFR" => RecordType::IXFR,
        qtype => qtype.parse().unwrap(),
    };
    words.fold(query(name, qtype), |query, word| match word.split_once('=') {
        None => match word {
            "do" => query.dnssec_ok(),
            "ad" => query.flag(Flags::AD, true),
            "cd" => query.flag(Flags::CD, true),
            "-rd" => query.flag(Flags::RD, false),
            "tcp" => query.tcp(),
            "ch" => query.class(3),
            _ => panic!("{word}"),
        },
        Some(("ecs", subnet)) => {
            query.option(options::CLIENT_SUBNET, &[0, 1, 24, 0, 192, 0, subnet.parse().unwrap()])
        }
        Some(("from", client)) => query.from(&format!("{client}:4000")),
        Some(_) => panic!("{word}"),
    })
}

/// A reply in short: rcode, flags that are set (`-rd` if that is not), the TTL of each record,
/// the code of an extended error. `opt` if there is an OPT. An error is `ERR` and its rcode.
pub(in crate::cache) fn show(reply: Result<Reply>) -> String {
    let mut reply = match reply {
        Ok(reply) if reply.is_silence() => return "silence".into(),
        Ok(reply) => reply,
        Err(error) => return format!("ERR {}", error.rcode().low()),
    };
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN"];
    let flags = reply.flags();
    let mut words = vec![names[usize::from(flags.rcode())].to_owned()];
    let shown = [
        (Flags::AA, "aa"),
        (Flags::TC, "tc"),
        (Flags::RA, "ra"),
        (Flags::AD, "ad"),
        (Flags::CD, "cd"),
    ];
    words.extend(shown.iter().filter(|(mask, _)| flags.has(*mask)).map(|(_, name)| (*name).into()));
    if !flags.has(Flags::RD) {
        words.push("-rd".into());
    }
    let told = reply.extended_error().map(|error| format!("e{}", error.code));
    for record in Records::new(reply.wire().unwrap().0).unwrap() {
        words.push(if record.kind == types::OPT { "opt".into() } else { record.ttl.to_string() });
    }
    words.extend(told);
    words.join(" ")
}
