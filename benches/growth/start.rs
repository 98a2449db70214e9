//! From the start of the process to its first answer, and what an idle server holds in memory.

use std::time::Duration;

use crate::curves;
use crate::report::{median, show};
use crate::server::{Runner, Server};
use crate::upstream::Upstreams;

/// After this time a server has settled.
const IDLE: Duration = Duration::from_secs(5);

/// Starts so many servers one after the other, lets all of them idle, and prints medians.
pub(crate) fn run(times: usize, upstreams: &Upstreams) -> anyhow::Result<()> {
    let corefile = curves::usual(upstreams);
    let mut servers = Vec::new();
    for _ in 0..times {
        servers.push(Server::start(&corefile, Runner::On(None))?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let idle = if times > 1 { IDLE } else { Duration::ZERO };
    runtime.block_on(async { tokio::time::sleep(idle).await });
    let started = servers.iter().map(|server| server.started_in().as_secs_f64() * 1e3);
    let resident = servers.iter().map(|server| Ok(server.resident()? / 1024.0));
    let resident = resident.collect::<anyhow::Result<Vec<f64>>>()?;
    let mut text = format!("\nstart, {times} times\n\n| | median | all |\n|---|---|---|\n");
    text += &row("first answer after ms", started.collect());
    text += &row("resident when idle, MiB", resident);
    show(&text);
    Ok(())
}

fn row(title: &str, mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let all: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
    format!("| {title} | {:.1} | {} |\n", median(&values), all.join(" "))
}
