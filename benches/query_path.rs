//! What a query costs in process: the gate, the walk over a reply, and whole chains without
//! sockets. `cargo bench -p dunlin --bench query_path`; figures are in docs/performance.md.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use divan::{Bencher, black_box};
use dunlin_core::Transport;
use dunlin_core::gate::{self, Opcodes};
use dunlin_core::metrics::{self, DnsMetrics, Metrics, SiteSeries};
use dunlin_core::replacer::{Event, Format, Outcome};
use dunlin_core::rr::RecordType;
use dunlin_core::site::Site;
use dunlin_core::testing::query;
use dunlin_core::wire::{Flags, Summary, WireName, write_u16};
use dunlin_engine::Embedded;
use tokio::runtime::Runtime;

#[global_allocator]
static HEAP: dunlin_engine::Heap = dunlin_engine::Heap;

fn main() {
    divan::main();
}

fn client() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000))
}

fn message() -> Vec<u8> {
    query("www.Example.org.", RecordType::A).edns(1232).to_bytes()
}

#[divan::bench]
fn gate_accepts_a_query(bencher: Bencher<'_, '_>) {
    let message = message();
    bencher.bench(|| {
        let mut name = WireName::new();
        let opcodes = Opcodes::default();
        gate::accept(black_box(&message), client(), Transport::Udp, opcodes, &mut name).is_ok()
    });
}

/// Server blocks whose chains grow; with `cache`, all but the first answer are hits.
const CHAINS: [(&str, &str); 4] = [
    ("whoami", "whoami"),
    ("cache", "cache\nwhoami"),
    ("cache prometheus errors", "prometheus 127.0.0.1:0\nerrors\ncache\nwhoami"),
    ("cache prometheus errors log", "prometheus 127.0.0.1:0\nerrors\nlog\ncache\nwhoami"),
];

#[divan::bench(args = CHAINS.map(|(name, _)| name))]
fn chain_answers(bencher: Bencher<'_, '_>, name: &str) {
    let Ok(runtime) = Runtime::new() else { return };
    let body = CHAINS.iter().find(|(known, _)| *known == name).map_or("", |(_, body)| body);
    let corefile = format!(".:5300 {{\n{body}\n}}\n");
    let server = runtime.block_on(Embedded::new(dunlin_plugins::registry(), &corefile));
    let Ok(server) = server else { return };
    let message = message();
    bencher
        .bench(|| runtime.block_on(server.answer(black_box(&message), client(), Transport::Udp)));
}

/// A cached answer of the last of so many server blocks, for a name in its zone, and for one ten
/// labels below.
#[divan::bench(args = [(1, ""), (1000, ""), (1, "a.b.c.d.e.f.g.h.i.j."), (1000, "a.b.c.d.e.f.g.h.i.j.")], sample_size = 100)]
fn blocks_dispatch(bencher: Bencher<'_, '_>, (blocks, labels): (u32, &str)) {
    let block = |number| format!("zone{number}.test:5300 {{\ncache\nwhoami\n}}\n");
    let corefile: String = (0..blocks).map(block).collect();
    let name = format!("{labels}www.zone{}.test.", blocks - 1);
    answer(bencher, &corefile, &query(&name, RecordType::A).edns(1232).to_bytes());
}

/// A cached reply of so many A records, 16 octets each, for a client that takes `room` octets: one
/// that fits, and what is cut off from one that does not.
#[divan::bench(args = [(20, 512), (60, 512), (60, 1232), (100, 1232)], sample_size = 100)]
fn reply_is_fitted(bencher: Bencher<'_, '_>, (records, room): (u32, u16)) {
    let mut corefile = ".:5300 {\ncache\nhosts {\n".to_owned();
    for last in 0..records {
        let _ = writeln!(corefile, "192.0.2.{last} www.example.org");
    }
    corefile += "}\n}\n";
    let asked = query("www.example.org.", RecordType::A);
    let asked = if room > 512 { asked.edns(room) } else { asked };
    answer(bencher, &corefile, &asked.to_bytes());
}

/// How long the server takes for a message, once what can be cached is cached.
fn answer(bencher: Bencher<'_, '_>, corefile: &str, message: &[u8]) {
    let Ok(runtime) = Runtime::new() else { return };
    let server = runtime.block_on(Embedded::new(dunlin_plugins::registry(), corefile));
    let Ok(server) = server else { return };
    let ask = || runtime.block_on(server.answer(black_box(message), client(), Transport::Udp));
    bencher.bench(ask);
}

/// The line of *log*, without the clock and the queue.
#[divan::bench(args = ["{common}", "{combined}"], sample_size = 100)]
fn log_line_is_formatted(bencher: Bencher<'_, '_>, format: &str) {
    let format = Format::compile(format);
    let query = query("www.Example.org.", RecordType::A).build();
    let outcome = Some(Outcome { rcode: 0, flags: Flags(0x8180), size: 64 });
    let mut line = Vec::with_capacity(512);
    bencher.bench_local(|| {
        line.clear();
        let duration = Some(black_box(Duration::from_nanos(123_456)));
        format.append(&Event { query: &query, outcome, duration }, &mut line);
        line.len()
    });
}

/// All that *prometheus* counts of a query: in cells of the one worker, or, where there are none, in
/// those that all other threads share.
#[divan::bench(args = [1, 0], sample_size = 1000)]
fn query_is_counted(bencher: Bencher<'_, '_>, workers: usize) {
    // Harmless to the other benchmarks: their metrics have no cells of workers.
    dunlin_core::worker::enter(0);
    let metrics = DnsMetrics::of(&Metrics::new(workers));
    let series = SiteSeries::new(&metrics, Site::none());
    let query = query("www.Example.org.", RecordType::A).build();
    bencher.bench_local(|| {
        let duration = black_box(Duration::from_micros(12));
        let (query_len, reply_len, rcode, author) = (44, 64, 0, "cache");
        series.count(&query, &metrics::Outcome { query_len, reply_len, duration, rcode, author });
    });
}

/// What rules cost a query: none of them is for it but where the name says so.
#[divan::bench(args = ["none", "1000 exact", "1000 exact, one fires", "1000 regex", "1000 suffix", "template"])]
fn rules_apply(bencher: Bencher<'_, '_>, name: &str) {
    let Ok(runtime) = Runtime::new() else { return };
    let exact = |number| format!("rewrite name n{number}.test m{number}.test\n");
    let body: String = match name {
        "1000 exact" => (0..1000).map(exact).collect(),
        "1000 exact, one fires" => {
            (0..1000).map(exact).collect::<String>() + "rewrite name www.example.org a.test\n"
        }
        "1000 regex" => {
            let rule = |number| format!("rewrite name regex ^n{number}\\.(.*)\\.$ m.{{1}}\n");
            (0..1000).map(rule).collect()
        }
        "1000 suffix" => (0..1000)
            .map(|number| format!("rewrite name suffix .n{number}.test .x.test\n"))
            .collect(),
        "template" => {
            "template IN A {\nmatch ^(www)[.]\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}\n".into()
        }
        _ => String::new(),
    };
    let corefile = format!(".:5300 {{\n{body}\nwhoami\n}}\n");
    let server = runtime.block_on(Embedded::new(dunlin_plugins::registry(), &corefile));
    let Ok(server) = server else { return };
    let message = message();
    bencher
        .bench(|| runtime.block_on(server.answer(black_box(&message), client(), Transport::Udp)));
}

#[divan::bench]
fn summary_of_a_reply_with_twenty_records(bencher: Bencher<'_, '_>) {
    let mut reply = message();
    reply.truncate(12 + 17 + 4);
    for (at, value) in [(2, 0x8180), (6, 20), (10, 0)] {
        write_u16(&mut reply, at, value);
    }
    for last in 0..20 {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, last]);
    }
    bencher.bench(|| Summary::of(black_box(&reply)).is_ok());
}
