//! The whole binary, with sockets.
#![forbid(unsafe_code)]

use dunlin_testkit::client::ask;
use dunlin_testkit::process::Server;
use dunlin_testkit::upstream::{Reply, Upstream};
use dunlin_testkit::{http, metrics};
use hickory_proto::rr::RecordType;

const COREFILE: &str = "\
.:{{port}} {
  bind 127.0.0.1
  prometheus 127.0.0.1:{{metrics}}
  forward . {{upstream}}
  cache
  greeter \"how do you do?\"
}
";

fn server() -> dunlin_testkit::process::Setup {
    Server::of(env!("CARGO_BIN_EXE_own-plugin"))
}

#[test]
fn the_plugin_stands_before_cache_wherever_its_line_is() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("example.org. 300 IN A 192.0.2.1"));
    let server = server().corefile(COREFILE).set("upstream", upstream.address()).start();
    for _ in 0..2 {
        let greeting = ask(server.address(), "example.org", RecordType::TXT).send();
        assert_eq!(greeting.answers(), ["how do you do?"]);
        let other = ask(server.address(), "example.org", RecordType::A).send();
        assert_eq!(other.answers(), ["192.0.2.1"]);
    }
    assert_eq!(upstream.count_all(), 1, "the second A is a hit of the cache");
    let (_, page) = http::get(server.address_of("metrics"), "/metrics");
    let value = |name, labels: &[_]| metrics::value(&page, name, labels);
    assert_eq!(value("dunlin_greeter_greeted_total", &[]), Some(2.0));
    assert_eq!(value("coredns_plugin_enabled", &[("name", "greeter")]), Some(1.0));
}

#[test]
fn the_binary_knows_its_plugin() {
    let list = server().argument("-plugins").spawn();
    assert!(list.wait_exit().success());
    assert!(list.lines().contains(&"greeter".to_owned()), "{:?}", list.lines());

    let check = server().argument("check").argument("-conf").argument("Corefile");
    let check = check.file("Corefile", ". {\n  greter\n  greeter a b\n}\n").spawn();
    assert_eq!(check.wait_exit().code(), Some(1));
    let mut lines = check.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "Corefile:2:3: error: Unknown directive 'greter' - did you mean 'greeter'?",
            "Corefile:3:13: error: Wrong argument count or unexpected line ending after 'b' \
             (greeter)",
        ]
    );
}

#[test]
fn the_example_of_the_manual_page_loads() {
    let page = include_str!("../src/greeter/README.md");
    let (_, behind) = page.split_once("```corefile\n").unwrap();
    let (example, _) = behind.split_once("```").unwrap();
    let check = server().argument("check").argument("-conf").argument("Corefile");
    let check = check.file("Corefile", example).spawn();
    assert!(check.wait_exit().success(), "{:?}", check.lines());
}
