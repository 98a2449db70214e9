//! The curves: what grows, in which steps, and the Corefile and load of each step.

use crate::load::{Carrier, Load, Wait};
use crate::names::{Pick, Questions};
use crate::upstream::Upstreams;

/// One curve of the table.
pub(crate) struct Curve {
    pub(crate) title: &'static str,
    pub(crate) points: Vec<Point>,
    /// Within which function callgrind counts: that which answers a batch, if that is all of it.
    pub(crate) counted: Option<&'static str>,
}

/// One server under one load.
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) corefile: String,
    pub(crate) load: Load,
    /// Whether its queries go to the upstream while it is measured.
    pub(crate) misses: bool,
    /// Names in the server's cache, or server blocks: what memory is divided by.
    pub(crate) size: u32,
}

/// How far the curves go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All steps, the one that needs much memory excepted.
    Full,
    /// All steps. The million names need a control group with a memory limit of 4 GiB or more,
    /// for the cache takes a quarter of it.
    Million,
    /// Without the steps that take too long under callgrind.
    Counted,
    /// Two small steps of each.
    Quick,
}

impl Extent {
    fn steps(self, all: &[u32]) -> Vec<u32> {
        let most = match self {
            Self::Million => u32::MAX,
            Self::Full | Self::Counted => 100_000,
            Self::Quick => all.get(1).copied().unwrap_or(u32::MAX),
        };
        all.iter().copied().filter(|step| *step <= most).collect()
    }
}

/// The function that answers a batch of datagrams, as callgrind knows it.
pub(crate) const ANSWERING: &str = "*Endpoint*handle_batch*";

type Points = fn(Extent, &Upstreams) -> Vec<Point>;

/// The curves of these titles, or all.
pub(crate) fn all(extent: Extent, upstreams: &Upstreams, titles: &[String]) -> Vec<Curve> {
    let curves: [(&str, Points); 13] = [
        ("names, uniform", |extent, up| names(extent, up, Pick::Uniform)),
        ("names, Zipf", |extent, up| names(extent, up, Pick::Zipf)),
        ("plugins, a hit", plugins_of_a_hit),
        ("plugins, all walked", plugins_walked),
        ("blocks, the last", |extent, up| blocks(extent, up, Asked::Last)),
        ("blocks, the last, a deep name", |extent, up| blocks(extent, up, Asked::Deep)),
        ("blocks, all in turn", |extent, up| blocks(extent, up, Asked::All)),
        ("zones of one block, all in turn", zones),
        ("upstreams, random", |extent, up| asking(extent, up, "policy random", POOL)),
        ("upstreams, round robin", |extent, up| asking(extent, up, "policy round_robin", POOL)),
        ("upstreams, sequential", |extent, up| asking(extent, up, "policy sequential", POOL)),
        ("upstreams, random, no pool", |extent, up| asking(extent, up, "policy random", "")),
        ("upstreams, sequential, no pool", |extent, up| {
            asking(extent, up, "policy sequential", "")
        }),
    ];
    let wanted = |title: &str| titles.is_empty() || titles.iter().any(|part| title.contains(part));
    curves
        .into_iter()
        .filter(|(title, _)| wanted(title))
        .map(|(title, points)| Curve {
            title,
            points: points(extent, upstreams),
            counted: (!title.starts_with("upstreams")).then_some(ANSWERING),
        })
        .collect()
}

fn hits(questions: Questions) -> Load {
    Load { questions, carrier: Carrier::Udp, sockets: 8, window: 16, wait: Wait::Spinning }
}

/// `errors cache prometheus loop forward` in one block.
pub(crate) fn usual(upstreams: &Upstreams) -> String {
    let cache = "cache 3600 {\nsuccess 2000000 3600\ndenial 10000\n}";
    let forward = format!("forward . {} {{\nudp_pool 1024\n}}", upstreams.first(1));
    block(".", &format!("errors\n{cache}\nprometheus 127.0.0.1:0\nloop\n{forward}"))
}

fn block(zones: &str, body: &str) -> String {
    format!("{zones} {{\nbind 127.0.0.1\n{body}\n}}\n").replacen(" {", ":{{port}} {", 1)
}

fn names(extent: Extent, upstreams: &Upstreams, pick: Pick) -> Vec<Point> {
    let steps = extent.steps(&[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]);
    let point = |names: u32| Point {
        label: names.to_string(),
        corefile: usual(upstreams),
        load: hits(Questions::numbered(names, "bench.example.com", pick)),
        misses: false,
        size: names,
    };
    steps.into_iter().map(point).collect()
}

/// Plugins that see a query before `cache` answers it, and then some that stand behind; none of
/// them has anything to do with it.
const AROUND_CACHE: [&str; 22] = [
    "errors",
    "prometheus 127.0.0.1:0",
    "cancel",
    "bufsize 1232",
    "nsid",
    "acl {\nblock net 192.0.2.0/24\n}",
    "any",
    "chaos",
    "local",
    "rewrite name exact other.test. else.test.",
    "metadata",
    "log other.test",
    "dns64",
    "loadbalance",
    "shed",
    "loop",
    "header {\nquery set rd\n}",
    "minimal",
    "template IN A other.test {\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}",
    "hosts {\n192.0.2.1 other.test\nfallthrough\n}",
    "erratic",
    "whoami",
];

/// The name that chains of plugins are asked for.
const ASKED: &str = "www.bench.example.com";
const PLUGINS: [u32; 8] = [1, 2, 4, 8, 12, 16, 20, 24];

fn plugins_of_a_hit(extent: Extent, upstreams: &Upstreams) -> Vec<Point> {
    let forward = format!("forward . {}", upstreams.first(1));
    chains(extent, |others| {
        // `forward`, which fills the cache, counts from the second step on.
        let others = AROUND_CACHE.iter().take(others.saturating_sub(1));
        format!("cache\n{forward}\n{}", others.copied().collect::<Vec<_>>().join("\n"))
    })
}

/// *hosts* gives the answer, so that each plugin in front of it hands the query on.
fn plugins_walked(extent: Extent, upstreams: &Upstreams) -> Vec<Point> {
    let forward = format!("forward other.test {}", upstreams.first(1));
    let (front, behind) =
        (["cache other.test", "view all {\nexpr true\n}"], ["loop", &forward, "whoami"]);
    let others = AROUND_CACHE.iter().copied();
    let others = others
        .filter(|line| !["loop", "erratic", "whoami"].contains(line) && !line.starts_with("hosts"));
    let others: Vec<&str> = others.chain(front).chain(behind).collect();
    chains(extent, |count| {
        let others = others.iter().take(count);
        format!(
            "hosts {{\n192.0.2.1 {ASKED}\n}}\n{}",
            others.copied().collect::<Vec<_>>().join("\n")
        )
    })
}

/// Chains of so many plugins; `body` writes one with as many others beside the one that answers.
fn chains(extent: Extent, body: impl Fn(usize) -> String) -> Vec<Point> {
    let point = |count: u32| Point {
        label: count.to_string(),
        corefile: block(".", &body(usize::try_from(count - 1).unwrap_or(0))),
        load: hits(Questions::listed([ASKED.to_owned()])),
        misses: false,
        size: count,
    };
    extent.steps(&PLUGINS).into_iter().map(point).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Last,
    Deep,
    All,
}

impl Asked {
    fn questions(self, zones: u32) -> Questions {
        let zone = |number: u32| format!("www.zone{number}.example.com");
        match self {
            Self::Last => Questions::listed([zone(zones - 1)]),
            Self::Deep => Questions::listed([format!("a.b.c.d.e.f.g.h.i.j.{}", zone(zones - 1))]),
            Self::All => Questions::listed((0..zones).map(zone)),
        }
    }
}

const ZONES: [u32; 4] = [1, 10, 100, 1_000];

fn blocks(extent: Extent, upstreams: &Upstreams, asked: Asked) -> Vec<Point> {
    let body = format!("errors\ncache\nprometheus 127.0.0.1:0\nforward . {}", upstreams.first(1));
    let point = |count: u32| Point {
        label: count.to_string(),
        corefile: (0..count)
            .map(|number| block(&format!("zone{number}.example.com"), &body))
            .collect(),
        load: hits(asked.questions(count)),
        misses: false,
        size: count,
    };
    extent.steps(&ZONES).into_iter().map(point).collect()
}

fn zones(extent: Extent, upstreams: &Upstreams) -> Vec<Point> {
    let body = format!(
        "bind 127.0.0.1\nerrors\ncache\nprometheus 127.0.0.1:0\nforward . {}",
        upstreams.first(1)
    );
    let point = |count: u32| {
        let keys = (0..count).map(|number| format!("zone{number}.example.com:{{{{port}}}}"));
        Point {
            label: count.to_string(),
            corefile: format!("{} {{\n{body}\n}}\n", keys.collect::<Vec<_>>().join(" ")),
            load: hits(Asked::All.questions(count)),
            misses: false,
            size: count,
        }
    };
    extent.steps(&ZONES).into_iter().map(point).collect()
}

const POOL: &str = "udp_pool 1024";

/// Misses.
fn asking(extent: Extent, upstreams: &Upstreams, policy: &str, pool: &str) -> Vec<Point> {
    let questions = Questions::numbered(1, "bench.example.com", Pick::Fresh);
    let load = Load { wait: Wait::Asleep, ..hits(questions) };
    let point = |count: u32| {
        let to = upstreams.first(usize::try_from(count).unwrap_or(0));
        let forward = format!("forward . {to} {{\n{policy}\n{pool}\n}}");
        Point {
            label: count.to_string(),
            corefile: block(
                ".",
                &format!("errors\ncache\nprometheus 127.0.0.1:0\nloop\n{forward}"),
            ),
            load: load.clone(),
            misses: true,
            size: count,
        }
    };
    extent.steps(&[1, 2, 4, 8, 15]).into_iter().map(point).collect()
}
