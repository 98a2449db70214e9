//! What plugins cost in process: links of a chain that have nothing to do with a query, and those that
//! look it up in much. `cargo bench -p dunlin --bench plugins`; figures are in docs/performance.md.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use divan::{Bencher, black_box};
use dunlin_core::Transport;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::query;
use dunlin_core::zones::{Zone, Zones, wire_name};
use dunlin_engine::Embedded;
use dunlin_plugins::hosts::{Direction, Options, Table};
use tokio::runtime::Runtime;

#[global_allocator]
static HEAP: dunlin_engine::Heap = dunlin_engine::Heap;

fn main() {
    divan::main();
}

/// Asks a server block with these lines for these names in turn.
#[expect(clippy::panic, reason = "a Corefile that does not load must not look like a good figure")]
fn ask(bencher: Bencher<'_, '_>, lines: &str, names: &[String], client: [u8; 4]) {
    let Ok(runtime) = Runtime::new() else { return };
    let corefile = format!(".:5300 {{\n{lines}\n}}\n");
    let server = runtime.block_on(Embedded::new(dunlin_plugins::registry(), &corefile));
    let server = match server {
        Ok(server) => server,
        Err(error) => panic!("{corefile}: {error:#}"),
    };
    let messages: Vec<Vec<u8>> =
        names.iter().map(|name| query(name, RecordType::A).edns(1232).to_bytes()).collect();
    let mut turn = messages.iter().cycle();
    let client = SocketAddr::from((client, 40_000));
    bencher.bench_local(|| {
        let message = turn.next().map(Vec::as_slice).unwrap_or_default();
        runtime.block_on(server.answer(black_box(message), client, Transport::Udp))
    });
}

/// What stands in front of `cache`, alone: what it adds to the first row is what it costs a query that it
/// has nothing to do with.
const IDLE: [&str; 28] = [
    "",
    "acl",
    "acl {\n allow net 127.0.0.1\n}",
    "any",
    "bufsize",
    "cancel",
    "chaos",
    "debug",
    "dns64",
    "dns64 {\n allow_ipv4\n}",
    "dnstap /nonexistent/dunlin.sock",
    "dnstap listen tcp://127.0.0.1:0",
    "errors",
    "GEOIP",
    "loadbalance",
    "local",
    "metadata",
    "multisocket 2",
    "nsid",
    "rewrite name other.example.org x.example.org",
    "rewrite name suffix .other. .x.",
    "rewrite name regex ^(.*)[.]other[.]$ {1}.x",
    "rewrite type ANY HINFO",
    "shed",
    "timeouts {\n read 5s\n}",
    "view office {\n expr incidr(client_ip(), '127.0.0.0/8')\n}",
    "view names {\n expr type() == 'A' and not do()\n}",
    "acl\nany\nbufsize\ncancel\nchaos\ndns64\nloadbalance\nlocal\nnsid\nrewrite name a.test b.test",
];

#[divan::bench(args = IDLE)]
fn idle_in_front_of_a_hit(bencher: Bencher<'_, '_>, plugins: &str) {
    let database = Scratch::new("idle.mmdb", &mmdb());
    let plugins = plugins.replace("GEOIP", &format!("geoip {}", database.0.display()));
    let origin = "template IN A {\n answer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}";
    let lines = format!("{plugins}\ncache\n{origin}");
    ask(bencher, &lines, &["www.example.org.".to_owned()], [127, 0, 0, 1]);
}

/// What stands behind `cache`, in front of `erratic`, which makes records.
const BEHIND: [&str; 8] = [
    "",
    "header {\n query set rd\n}",
    "header {\n response set ra\n}",
    "minimal",
    "template IN A other.test {\n answer \"{{ .Name }} A 192.0.2.1\"\n}",
    "template IN A example.org {\n match ^ip-([0-9]*)[.]\n answer \"{{ .Name }} A 192.0.2.1\"\n fallthrough\n}",
    "template IN TXT {\n answer \"{{ .Name }} TXT x\"\n}",
    "hosts /dev/null none.test",
];

#[divan::bench(args = BEHIND)]
fn idle_in_front_of_records(bencher: Bencher<'_, '_>, plugins: &str) {
    let lines = format!("{plugins}\nerratic {{\n drop 0\n}}");
    ask(bencher, &lines, &["www.example.org.".to_owned()], [127, 0, 0, 1]);
}

/// A file for one measurement.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &[u8]) -> Self {
        let name = format!("dunlin-bench-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::write(&path, content);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The smallest database that `geoip` takes: a city for every address, in MaxMind's format.
fn mmdb() -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 17, 0, 0, 0, 17];
    bytes.extend_from_slice(&[0; 16]);
    // {"city": {"names": {"en": "Cambridge"}}}
    bytes.extend_from_slice(b"\xe1\x44city\xe1\x45names\xe1\x42en\x49Cambridge");
    bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com\xe9");
    bytes.extend_from_slice(b"\x5bbinary_format_major_version\xa1\x02");
    bytes.extend_from_slice(b"\x5bbinary_format_minor_version\xa0");
    bytes.extend_from_slice(b"\x4bbuild_epoch\x01\x02\x01");
    bytes.extend_from_slice(b"\x4ddatabase_type\x4dGeoLite2-City");
    bytes.extend_from_slice(b"\x4bdescription\xe0");
    bytes.extend_from_slice(b"\x4aip_version\xa1\x06");
    bytes.extend_from_slice(b"\x49languages\x01\x04\x42en");
    bytes.extend_from_slice(b"\x4anode_count\xc1\x01");
    bytes.extend_from_slice(b"\x4brecord_size\xa1\x20");
    bytes
}

/// A thousand rules of each kind, none of which is for the name; and the last of them is.
const RULES: [&str; 9] = [
    "",
    "exact",
    "exact, the last fires",
    "prefix",
    "suffix",
    "suffix, the last fires",
    "substring",
    "regex",
    "regex, the last fires",
];

fn rules(kind: &str) -> String {
    let (kind, fires) = kind.split_once(',').map_or((kind, false), |(kind, _)| (kind, true));
    let number = |at: u32| if fires && at == 999 { "www".to_owned() } else { format!("no-{at}") };
    let rule = |at: u32| match (kind, number(at)) {
        ("exact", one) => format!("rewrite name {one}.example.org one.test\n"),
        ("prefix", one) => format!("rewrite name prefix {one}- {one}.\n"),
        ("suffix", one) => format!("rewrite name suffix {one}.example.org. {one}.test.\n"),
        ("substring", one) => format!("rewrite name substring -{one}- x\n"),
        (_, one) => format!("rewrite name regex ^{one}[.](.*)[.]org[.]$ {{1}}.test\n"),
    };
    if kind.is_empty() { String::new() } else { (0..1000).map(rule).collect() }
}

#[divan::bench(args = RULES)]
fn a_thousand_rules_of_rewrite(bencher: Bencher<'_, '_>, kind: &str) {
    let origin = "template IN A {\n answer \"{{ .Name }} 60 IN A 192.0.2.1\"\n}";
    let lines = format!("{}cache\n{origin}", rules(kind));
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

/// Names that a file has; 0 lines: `whoami` alone, as measure.
#[divan::bench(args = [0, 10, 1_000_000])]
fn hosts_answers(bencher: Bencher<'_, '_>, names: u32) {
    if names == 0 {
        return ask(bencher, "whoami", &spread(1_000_000), [127, 0, 0, 1]);
    }
    let file = Scratch::new(&format!("hosts-{names}"), hosts_file(names).as_bytes());
    ask(bencher, &format!("hosts {}", file.0.display()), &spread(names), [127, 0, 0, 1]);
}

/// Names that a file does not have, in front of `whoami`.
#[divan::bench(args = [10, 1_000_000])]
fn hosts_hands_on(bencher: Bencher<'_, '_>, names: u32) {
    let file = Scratch::new(&format!("others-{names}"), hosts_file(names).as_bytes());
    let lines = format!("hosts {} {{\nfallthrough\n}}\nwhoami", file.0.display());
    let others: Vec<String> = spread(names).iter().map(|name| format!("x{name}")).collect();
    ask(bencher, &lines, &others, [127, 0, 0, 1]);
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

/// Ten thousand networks, as many as a line may have, in one policy or in as many; 0: none, as measure.
#[divan::bench(args = [0, 1, 10_000])]
fn acl_looks_at_ten_thousand_networks(bencher: Bencher<'_, '_>, policies: u32) {
    let networks = (0..9_990_u32).map(|at| {
        let [_, _, c, d] = at.to_be_bytes();
        format!("10.{c}.{d}.0/24")
    });
    let networks: Vec<String> = networks.collect();
    let is_measure = policies == 0;
    let policies = match policies {
        0 | 1 => format!("allow net {}", networks.join(" ")),
        _ => networks.iter().map(|network| format!("allow net {network}\n")).collect(),
    };
    let acl = format!("acl {{\n{policies}\nblock\n}}");
    let lines = format!("{}\ncache\nwhoami", if is_measure { "" } else { &acl });
    ask(bencher, &lines, &["www.example.org.".to_owned()], [10, 39, 15, 1]);
}
