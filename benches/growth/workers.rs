//! Two workers against one. The client of a worker runs on the worker's processor, so that one pair
//! has one processor and two pairs have two: everything doubles, and what the workers share shows in
//! what is missing to twice the answers. Two servers beside each other, which share nothing but the
//! machine, tell what the machine itself takes away.

use std::fmt::Write as _;
use std::thread;

use anyhow::{Context, ensure};

use crate::curves;
use crate::load::{Carrier, End, Load, Outcome, Talk, Wait};
use crate::measure::{Effort, warm};
use crate::names::{Pick, Questions};
use crate::report::{median, show};
use crate::server::{Runner, Server, pin, pin_this_thread};
use crate::upstream::Upstreams;

/// The processors.
const BOTH: &str = "0,1";
const EACH: [&str; 2] = ["0", "1"];

/// One way to lay work out on processors.
struct Layout {
    title: &'static str,
    servers: Vec<Server>,
    /// The processor of each client, the server it asks, and the worker there; any without.
    clients: Vec<(&'static str, usize, Option<usize>)>,
    rate: Vec<f64>,
    user: Vec<f64>,
    total: Vec<f64>,
}

/// Prints a table for each load over these carriers.
pub(crate) fn run(
    carriers: &[Carrier],
    effort: Effort,
    upstreams: &Upstreams,
) -> anyhow::Result<()> {
    let name = || Questions::numbered(1, "bench.example.com", Pick::InTurn);
    let names = || Questions::numbered(10_000, "bench.example.com", Pick::Zipf);
    let loads = [
        ("one name", name(), Carrier::Udp),
        ("10,000 names, Zipf", names(), Carrier::Udp),
        ("one name over TCP", name(), Carrier::Tcp),
        ("10,000 names, Zipf, over TCP", names(), Carrier::Tcp),
    ];
    for (title, questions, carrier) in loads.into_iter().filter(|load| carriers.contains(&load.2)) {
        let load = Load { questions, carrier, sockets: 16, window: 8, wait: Wait::Asleep };
        let mut layouts = layouts(&curves::usual(upstreams), effort.is_pinned)?;
        for server in layouts.iter().flat_map(|layout| &layout.servers) {
            warm(server, &load)?;
        }
        for _ in 0..effort.rounds {
            for layout in &mut layouts {
                layout.round(&load, effort.end)?;
            }
        }
        show(&table(title, &layouts));
    }
    Ok(())
}

fn layouts(corefile: &str, is_pinned: bool) -> anyhow::Result<Vec<Layout>> {
    let server = |processors| Server::start(corefile, Runner::On(is_pinned.then_some(processors)));
    let own = |worker: usize| is_pinned.then_some(worker);
    let [first, second] = EACH;
    let layout = |title, servers, clients| Layout {
        title,
        servers,
        clients,
        rate: vec![],
        user: vec![],
        total: vec![],
    };
    let two_workers = || -> anyhow::Result<Server> {
        let server = server(BOTH)?;
        if is_pinned {
            let workers = server.workers()?;
            ensure!(workers.len() == EACH.len(), "{} workers on two processors", workers.len());
            workers.iter().zip(EACH).for_each(|(worker, processor)| pin(worker, processor));
        }
        Ok(server)
    };
    Ok(vec![
        layout("one worker, one processor", vec![server(first)?], vec![(first, 0, None)]),
        layout(
            "two workers, each with the clients of its processor",
            vec![two_workers()?],
            vec![(first, 0, own(0)), (second, 0, own(1))],
        ),
        layout(
            "two workers, clients as the kernel spreads them",
            vec![two_workers()?],
            vec![(first, 0, None), (second, 0, None)],
        ),
        layout(
            "two servers of one worker each",
            vec![server(first)?, server(second)?],
            vec![(first, 0, None), (second, 1, None)],
        ),
    ])
}

/// Sockets that the kernel gives to this worker of the server, which is idle meanwhile.
fn sockets_of(server: &Server, worker: Option<usize>, load: &Load) -> anyhow::Result<Vec<Talk>> {
    let workers = server.workers()?;
    let ran = || workers.iter().map(|id| server.ran(id)).collect::<anyhow::Result<Vec<u64>>>();
    let mut talks = Vec::new();
    while talks.len() < load.sockets {
        let mut talk = Talk::open(server.address(), load.carrier)?;
        if let Some(worker) = worker {
            let before = ran()?;
            talk.chat(&load.questions, 50)?;
            let after = ran()?;
            let busy = after.iter().zip(&before).map(|(after, before)| after - before).enumerate();
            if busy.max_by_key(|(_, time)| *time).is_none_or(|(busiest, _)| busiest != worker) {
                continue;
            }
        }
        talks.push(talk);
    }
    Ok(talks)
}

impl Layout {
    fn round(&mut self, load: &Load, end: End) -> anyhow::Result<()> {
        let mut clients = Vec::new();
        for (number, (processor, server, worker)) in self.clients.iter().enumerate() {
            let server = self.servers.get(*server).context("no server")?;
            let questions = load.questions.of_client(number as u64);
            let load = Load { questions, ..load.clone() };
            clients.push((*processor, sockets_of(server, *worker, &load)?, load));
        }
        let before = self.used()?;
        let outcomes = thread::scope(|scope| {
            let start = |(processor, talks, load): (&'static str, Vec<Talk>, Load)| {
                scope.spawn(move || {
                    pin_this_thread(processor);
                    load.run_over(talks, end)
                })
            };
            let clients: Vec<_> = clients.into_iter().map(start).collect();
            let joined = clients.into_iter().map(|client| {
                client.join().map_err(|_| anyhow::anyhow!("a client ended with a panic"))?
            });
            joined.collect::<anyhow::Result<Vec<Outcome>>>()
        })?;
        let after = self.used()?;
        let answered = outcomes.iter().map(|outcome| outcome.answered).sum::<u64>() as f64;
        ensure!(outcomes.iter().all(|outcome| outcome.failed == 0), "wrong answers");
        self.rate.push(outcomes.iter().map(|one| one.answered as f64 / one.seconds).sum());
        self.user.push((after.0 - before.0) * 1e6 / answered);
        self.total.push((after.1 - before.1) * 1e6 / answered);
        Ok(())
    }

    fn used(&self) -> anyhow::Result<(f64, f64)> {
        self.servers.iter().try_fold((0.0, 0.0), |(user, total), server| {
            let usage = server.usage()?;
            Ok((user + usage.user, total + usage.total))
        })
    }
}

fn table(title: &str, layouts: &[Layout]) -> String {
    let mut text = format!("\nworkers, {title}\n\n");
    text += "| | answers/s | of one worker's | user µs | total µs |\n|---|---|---|---|---|\n";
    for layout in layouts {
        let one = layouts.first().map_or(&[][..], |first| &first.rate);
        let ratios: Vec<f64> = layout.rate.iter().zip(one).map(|(rate, one)| rate / one).collect();
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {:.3} | {:.2} |",
            layout.title,
            median(&layout.rate),
            median(&ratios),
            median(&layout.user),
            median(&layout.total),
        );
    }
    text
}
