//! A curve measured: CPU time of all its servers in turn, or instructions of one after the other.

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::curves::{Curve, Point};
use crate::load::{Carrier, End, Load, Outcome, Wait};
use crate::report::{Row, median};
use crate::server::{Runner, Server};
use crate::upstream::Upstreams;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) end: End,
    /// Whether everything has its processor; else it runs wherever the kernel wants.
    pub(crate) is_pinned: bool,
}

/// Where the server runs while the client and the upstream have the other processor.
pub(crate) const SERVER: &str = "0";
/// Where they run.
pub(crate) const CLIENT: &str = "1";

/// All servers are started and warmed first, then they take turns: what the machine does meanwhile
/// hits all points alike.
pub(crate) fn cpu(
    curve: &Curve,
    effort: Effort,
    upstreams: &Upstreams,
) -> anyhow::Result<Vec<Row>> {
    let runner = Runner::On(effort.is_pinned.then_some(SERVER));
    let start = |point| Running::start(point, runner);
    let mut running = curve.points.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..effort.rounds {
        for one in &mut running {
            one.round(effort.end, upstreams)?;
        }
    }
    running.iter().map(Running::row).collect()
}

/// The same server and load under callgrind, one query in flight.
pub(crate) fn instructions(curve: &Curve, queries: u64) -> anyhow::Result<Vec<Row>> {
    let count = |point: &Point| {
        let server = Server::start(&point.corefile, Runner::Callgrind { within: curve.counted })?;
        let load = Load { sockets: 1, window: 1, wait: Wait::Asleep, ..point.load.clone() };
        warm(&server, &load)?;
        load.run(server.address(), End::Answered(queries / 4))?;
        server.reset_count()?;
        let load = Load { questions: load.questions.of_client(1), ..load };
        let outcome = load.run(server.address(), End::Answered(queries))?;
        let count = server.count()? as f64 / outcome.answered as f64;
        Ok(Row { label: point.label.clone(), instructions: Some(count), ..Row::default() })
    };
    curve.points.iter().map(count).collect()
}

/// Asks for each name once, so that it is cached: over UDP, for the upstreams know nothing else.
pub(crate) fn warm(server: &Server, load: &Load) -> anyhow::Result<()> {
    let (names, questions) = load.questions.once();
    if names == 0 {
        return Ok(());
    }
    let window = load.window.min(usize::try_from(names)?).max(1);
    let (carrier, wait) = (Carrier::Udp, Wait::Asleep);
    let once = Load { questions, carrier, sockets: 8, window, wait };
    let outcome = once.run(server.address(), End::Answered(names))?;
    ensure!(outcome.failed == 0, "{} of {names} names could not be had", outcome.failed);
    Ok(())
}

/// A point with its server.
struct Running<'a> {
    point: &'a Point,
    server: Server,
    user: Vec<f64>,
    total: Vec<f64>,
    rate: Vec<f64>,
    resident: f64,
    runs: u64,
}

impl<'a> Running<'a> {
    fn start(point: &'a Point, runner: Runner) -> anyhow::Result<Self> {
        let server = Server::start(&point.corefile, runner)
            .with_context(|| format!("{} with\n{}", point.label, head(&point.corefile)))?;
        let mut running = Self {
            point,
            server,
            user: vec![],
            total: vec![],
            rate: vec![],
            resident: 0.0,
            runs: 0,
        };
        warm(&running.server, &point.load)?;
        running.resident = running.server.resident()?;
        Ok(running)
    }

    fn round(&mut self, end: End, upstreams: &Upstreams) -> anyhow::Result<()> {
        self.ask(End::Answered(500))?;
        let (before, asked) = (self.server.usage()?, upstreams.asked());
        let outcome = self.ask(end)?;
        let (after, asked) = (self.server.usage()?, upstreams.asked() - asked);
        let (answered, label) = (outcome.answered as f64, &self.point.label);
        ensure!(outcome.failed == 0, "{label}: {} of {answered} failed", outcome.failed);
        let expected = if self.point.misses {
            asked as f64 >= answered * 0.99
        } else {
            asked as f64 <= answered * 0.01
        };
        ensure!(expected, "{label}: {answered} answers, {asked} questions to the upstreams");
        self.user.push((after.user - before.user) * 1e6 / answered);
        self.total.push((after.total - before.total) * 1e6 / answered);
        self.rate.push(answered / outcome.seconds);
        Ok(())
    }

    /// No two runs ask the same names, if they are to be fresh.
    fn ask(&mut self, end: End) -> anyhow::Result<Outcome> {
        self.runs += 1;
        let questions = self.point.load.questions.of_client(self.runs);
        Load { questions, ..self.point.load.clone() }.run(self.server.address(), end)
    }

    fn row(&self) -> anyhow::Result<Row> {
        Ok(Row {
            label: self.point.label.clone(),
            size: self.point.size,
            user: Some(median(&self.user)),
            total: Some(median(&self.total)),
            rate: Some(median(&self.rate)),
            resident: Some(self.resident),
            start: Some(self.server.started_in()),
            instructions: None,
        })
    }
}

fn head(text: &str) -> String {
    text.lines().take(40).collect::<Vec<_>>().join("\n")
}

/// A round of the full measurement.
pub(crate) const ROUND: Duration = Duration::from_secs(1);
