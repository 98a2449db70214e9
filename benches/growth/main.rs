//! How the cost of a query grows: with the names in cache, the plugins of the chain, the server
//! blocks, the upstreams, and the workers. Starts the binary of this build, asks it over real
//! sockets, and prints tables; they are in docs/performance.md.
//!
//! ```text
//! cargo bench -p dunlin --bench growth                      # CPU time, two processors
//! cargo bench -p dunlin --bench growth -- names blocks      # only curves with these words
//! cargo bench -p dunlin --bench growth -- --count plugins   # instructions, with valgrind
//! cargo bench -p dunlin --bench growth -- workers-udp workers-tcp   # two workers against one
//! cargo bench -p dunlin --bench growth -- start             # to the first answer; idle memory
//! cargo bench -p dunlin --bench growth -- --guard           # fails if a hit takes more instructions
//! ```
//!
//! `--million` adds a cache of a million names, which needs a memory limit of 4 GiB or more (for
//! instance `systemd-run --scope -p MemoryMax=8G`). `--rounds N` sets how often each point is
//! measured. Another binary is measured if `DUNLIN` in the environment names it. Run as a test, it
//! takes a few answers from two small servers of each curve, only to see that it works.
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures are rounded anyway"
)]

mod curves;
mod guard;
mod load;
mod measure;
mod names;
mod report;
mod server;
mod start;
mod upstream;
mod workers;

use curves::Extent;
use load::{Carrier, End};
use measure::{Effort, ROUND};
use upstream::Upstreams;

fn main() -> anyhow::Result<()> {
    let mut titles: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = take(&mut titles, "--bench");
    let counts = take(&mut titles, "--count");
    let million = take(&mut titles, "--million");
    let guards = take(&mut titles, "--guard");
    let rounds = take_value(&mut titles, "--rounds").unwrap_or(3);
    titles.retain(|title| !title.starts_with('-'));
    let full = if million { Extent::Million } else { Extent::Full };
    let (extent, rounds, end) = match (is_bench, counts) {
        (true, false) => (full, rounds, End::After(ROUND)),
        (true, true) => (Extent::Counted, rounds, End::Answered(COUNTED)),
        (false, _) => (Extent::Quick, 1, End::Answered(100)),
    };
    let effort = Effort { rounds, end, is_pinned: is_bench };
    let upstreams = Upstreams::start(15)?;
    if guards {
        return guard::run(COUNTED, &upstreams);
    }
    if is_bench && !counts {
        server::pin(&std::process::id().to_string(), measure::CLIENT);
    }
    for curve in curves::all(extent, &upstreams, &titles) {
        let rows = if counts {
            measure::instructions(&curve, COUNTED)?
        } else {
            measure::cpu(&curve, effort, &upstreams)?
        };
        report::show(&report::table(curve.title, &rows));
    }
    let named = |word: &str| titles.iter().any(|title| title == word);
    let over = |carrier, word: &str| (named(word) || !is_bench).then_some(carrier);
    let carriers = [over(Carrier::Udp, "workers-udp"), over(Carrier::Tcp, "workers-tcp")];
    workers::run(&carriers.into_iter().flatten().collect::<Vec<_>>(), effort, &upstreams)?;
    if named("start") || !is_bench {
        start::run(if is_bench { 20 } else { 1 }, &upstreams)?;
    }
    Ok(())
}

/// Queries counted by callgrind.
const COUNTED: u64 = 2_000;

/// Whether the word is there; it is taken out.
fn take(words: &mut Vec<String>, word: &str) -> bool {
    let before = words.len();
    words.retain(|one| one != word);
    words.len() < before
}

/// The number behind the word; both are taken out.
fn take_value(words: &mut Vec<String>, word: &str) -> Option<usize> {
    let at = words.iter().position(|one| one == word)?;
    words.remove(at);
    (at < words.len()).then(|| words.remove(at))?.parse().ok()
}
