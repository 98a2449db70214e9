//! What a query costs in process: the gate, the walk over a reply, and whole chains without
//! sockets. `cargo bench -p dunlin --bench query_path`; figures are in docs/performance.md.

use std::net::SocketAddr;

use divan::{Bencher, black_box};
use dunlin_core::Transport;
use dunlin_core::gate::{self, Opcodes};
use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_core::wire::{Summary, WireName, write_u16};
use dunlin_engine::Embedded;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
