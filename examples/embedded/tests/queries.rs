//! The whole program, with sockets.
#![forbid(unsafe_code)]

use dunlin_testkit::client::ask;
use dunlin_testkit::process::{Server, Setup};
use dunlin_testkit::upstream::{Reply, Upstream};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

const COREFILE: &str = "\
example.org {
  cache
  forward . {{upstream}}
}
whoami.test {
  whoami
}
";

fn embedded(corefile: &str) -> Setup {
    Server::of(env!("CARGO_BIN_EXE_embedded"))
        .argument("{{dir}}/Corefile")
        .argument("127.0.0.1:{{port}}")
        .file("Corefile", corefile)
}

#[test]
fn the_server_blocks_answer_through_the_sockets_of_the_program() {
    let upstream = Upstream::start();
    upstream.always(Reply::new().answer("a.example.org. 300 IN A 192.0.2.1"));
    let server = embedded(COREFILE).set("upstream", upstream.address()).start();
    for asked in [
        ask(server.address(), "a.example.org", RecordType::A),
        ask(server.address(), "A.Example.ORG", RecordType::A).tcp(),
        ask(server.address(), "a.example.org", RecordType::A).edns(1232),
    ] {
        assert_eq!(asked.send().answers(), ["192.0.2.1"]);
    }
    assert_eq!(upstream.count_all(), 1, "the rest came from the cache");
    let whoami = ask(server.address(), "x.whoami.test", RecordType::A).send();
    assert_eq!(whoami.message.additionals.len(), 2);
    let other = ask(server.address(), "example.net", RecordType::A).send();
    assert_eq!(other.rcode(), ResponseCode::Refused);
}

#[test]
fn a_mistake_in_the_corefile_ends_the_program() {
    let ended = embedded(". {\n  nonsense\n}\n").set("port", 1).spawn();
    assert_eq!(ended.wait_exit().code(), Some(1));
    assert!(
        ended.lines().join("\n").contains("Unknown directive 'nonsense'"),
        "{:?}",
        ended.lines()
    );
}
