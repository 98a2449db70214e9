//! What plugins cost in process: links of a chain that have nothing to do with a query, and those that
//! look it up in much. `cargo bench -p dunlin --bench plugins`; figures are in docs/performance.md.

use std::fmt::Write as _;
use std::net::SocketAddr;

use divan::{Bencher, black_box};
use dunlin_core::Transport;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_core::zones::{Zone, Zones, wire_name};
use dunlin_engine::Embedded;
use dunlin_plugins::hosts::{Direction, Options, Table};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// Asks a server block with these lines for these names in turn.
fn ask(bencher: Bencher<'_, '_>, lines: &str, names: &[String], client: [u8; 4]) {
    let Ok(runtime) = Runtime::new() else { return };
    let corefile = format!(".:5300 {{\n{lines}\n}}\n");
    let server = runtime.block_on(Embedded::new(dunlin_plugins::registry(), &corefile));
    let Ok(server) = server else { return };
    let messages: Vec<Vec<u8>> =
        names.iter().map(|name| query(name, RecordType::A).edns(1232).to_bytes()).collect();
    let mut turn = messages.iter().cycle();
    let client = SocketAddr::from((client, 40_000));
    bencher.bench_local(|| {
        let message = turn.next().map(Vec::as_slice).unwrap_or_default();
        runtime.block_on(server.answer(black_box(message), client, Transport::Udp))
    });
}

/// Plugins outside of `cache`, which answers: what the others add is what they cost idle.
const IDLE: [&str; 10] = [
    "",
    "any",
    "bufsize",
    "cancel",
    "chaos",
    "local",
    "nsid",
    "acl",
    "acl {\n allow net 127.0.0.1\n}",
    "any\nbufsize\ncancel\nchaos\nlocal\nnsid\nacl",
];

#[divan::bench(args = IDLE)]
fn idle_in_front_of_a_hit(bencher: Bencher<'_, '_>, plugins: &str) {
    let lines = format!("{plugins}\ncache\nwhoami");
    ask(bencher, &lines, &["www.example.org.".to_owned()], [127, 0, 0, 1]);
}

/// Plugins behind `cache`, in front of `erratic`, which makes records.
const BEHIND: [&str; 4] =
    ["", "header {\n response set ra\n}", "minimal", "hosts /dev/null none.test"];

#[divan::bench(args = BEHIND)]
fn idle_in_front_of_records(bencher: Bencher<'_, '_>, plugins: &str) {
    let lines = format!("{plugins}\nerratic {{\n drop 0\n}}");
    ask(bencher, &lines, &["www.example.org.".to_owned()], [127, 0, 0, 1]);
}

/// A hosts file of so many names, each with an address of its own.
fn hosts_file(names: u32) -> String {
    (0..names).fold(String::new(), |mut text, at| {
        let [_, b, c, d] = at.to_be_bytes();
        let _ = writeln!(text, "10.{b}.{c}.{d} host-{at}.example.test");
        text
    })
}

/// Names spread over the file, so that no cache of the processor holds them all.
fn spread(names: u32) -> Vec<String> {
    let step = 7919;
    (0..10_000_u32).map(|at| format!("host-{}.example.test.", at * step % names)).collect()
}

#[divan::bench(args = [10, 1_000_000])]
fn hosts_answers(bencher: Bencher<'_, '_>, names: u32) {
    let path =
        std::env::temp_dir().join(format!("dunlin-bench-hosts-{}-{names}", std::process::id()));
    if std::fs::write(&path, hosts_file(names)).is_ok() {
        ask(bencher, &format!("hosts {}", path.display()), &spread(names), [127, 0, 0, 1]);
        let _ = std::fs::remove_file(path);
    }
}

#[divan::bench]
fn a_name_among_a_million(bencher: Bencher<'_, '_>) {
    let Some(table) = table(1_000_000) else { return };
    let names: Vec<_> = spread(1_000_000).iter().flat_map(|name| wire_name(name)).collect();
    let mut turn = names.iter().cycle();
    bencher.bench_local(|| turn.next().map(|name| table.find(name.as_bytes()).v4().len()));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn a_million_lines_are_read(bencher: Bencher<'_, '_>) {
    let text = hosts_file(1_000_000);
    bencher.bench_local(|| Table::read(text.as_bytes(), &options()).map(|table| table.len()).ok());
}

fn table(names: u32) -> Option<Table> {
    Table::read(hosts_file(names).as_bytes(), &options()).ok()
}

fn options() -> Options {
    Options { zones: Zones::new(vec![Zone::root()]), reverse: Direction::Both }
}

/// Ten thousand networks, in one policy or in as many.
#[divan::bench(args = [1, 10_000])]
fn acl_looks_at_ten_thousand_networks(bencher: Bencher<'_, '_>, policies: u32) {
    let networks = (0..10_000_u32).map(|at| {
        let [_, _, c, d] = at.to_be_bytes();
        format!("10.{c}.{d}.0/24")
    });
    let networks: Vec<String> = networks.collect();
    let policies = match policies {
        1 => format!("allow net {}", networks.join(" ")),
        _ => networks.iter().map(|network| format!("allow net {network}\n")).collect(),
    };
    let lines = format!("acl {{\n{policies}\nblock\n}}\ncache\nwhoami");
    ask(bencher, &lines, &["www.example.org.".to_owned()], [10, 39, 15, 1]);
}
