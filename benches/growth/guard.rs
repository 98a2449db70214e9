//! The guard of the cached hit: instructions a query of the real binary over real sockets, as
//! callgrind counts them, against the figures that stand here.
//!
//! A count does not depend on what else the machine does, but on compiler, C library and the
//! instruction set that the processor offers. So it fails only where the figures were taken: on
//! x86_64, with the same compiler.

use std::process::Command;

use anyhow::ensure;

use crate::curves::{ANSWERING, Curve, Point, usual};
use crate::load::{Carrier, Load, Wait};
use crate::measure;
use crate::names::{Pick, Questions};
use crate::report::show;
use crate::upstream::Upstreams;

/// What the figures were taken with.
const COMPILER: &str = "rustc 1.95.0";
/// Above the figure, in parts of it, it is a regression, which fails; below it the figure is to be lowered.
const TOLERANCE: f64 = 0.05;
/// Queries, how they come, within which function instructions are counted, and how many a query takes.
const FIGURES: [(&str, Carrier, Option<&str>, f64); 2] = [
    ("a hit over UDP", Carrier::Udp, Some(ANSWERING), 5_780.0),
    ("a hit over TCP, the runtime included", Carrier::Tcp, None, 9_350.0),
];

/// Counts, compares and says so.
///
/// # Errors
/// A count is above the tolerance, or could not be taken though valgrind is there.
pub(crate) fn run(queries: u64, upstreams: &Upstreams) -> anyhow::Result<()> {
    if let Some(reason) = hindrance() {
        show(&format!("instructions of a cached hit are NOT checked: {reason}\n"));
        return Ok(());
    }
    let mut regressions = Vec::new();
    for (title, carrier, counted, figure) in FIGURES {
        let points = vec![point(title, carrier, upstreams)];
        let rows = measure::instructions(&Curve { title, points, counted }, queries)?;
        let count = rows.first().and_then(|row| row.instructions).unwrap_or_default();
        ensure!(count > 0.0, "{title}: callgrind counted nothing within {counted:?}");
        let verdict = Verdict::of(count, figure);
        show(&format!("{title}: {count:.0} instructions, {figure:.0} on record: {verdict:?}\n"));
        match verdict {
            Verdict::Fine => {}
            Verdict::Better => show("lower the figure in benches/growth/guard.rs\n"),
            Verdict::Regression => regressions.push(title),
        }
    }
    ensure!(
        regressions.is_empty(),
        "{} takes more instructions than benches/growth/guard.rs allows: find out why, or raise the \
         figure there and say why (another C library or processor may count differently)",
        regressions.join(", ")
    );
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Fine,
    Better,
    Regression,
}

impl Verdict {
    fn of(count: f64, figure: f64) -> Self {
        match count / figure {
            ratio if ratio > 1.0 + TOLERANCE => Self::Regression,
            ratio if ratio < 1.0 - TOLERANCE => Self::Better,
            _ => Self::Fine,
        }
    }
}

fn point(title: &str, carrier: Carrier, upstreams: &Upstreams) -> Point {
    let questions = Questions::numbered(1, "bench.example.com", Pick::InTurn);
    let load = Load { questions, carrier, sockets: 1, window: 1, wait: Wait::Asleep };
    Point { label: title.into(), corefile: usual(upstreams), load, misses: false, size: 1 }
}

/// Why a count would tell nothing here.
fn hindrance() -> Option<String> {
    if cfg!(debug_assertions) || !cfg!(target_arch = "x86_64") {
        return Some("this is no release build for x86_64".into());
    }
    let Some(compiler) = version("rustc") else { return Some("rustc is not on the path".into()) };
    if !compiler.starts_with(COMPILER) {
        return Some(format!("the figures are of {COMPILER}, this is {}", compiler.trim()));
    }
    match version("valgrind") {
        Some(_) => None,
        None => Some("valgrind is not installed (Debian's package valgrind)".into()),
    }
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
