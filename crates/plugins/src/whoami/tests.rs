//! Rows of the specification that can be shown in process. Row WH5 differs: NOTIFY reaches only
//! plugins that ask for it, and this one does not.

use dunlin_core::op::ResponseCode;
use dunlin_core::rr::{DNSClass, RecordType};
use dunlin_core::testing::{self, TestQuery, query, records};
use dunlin_core::wire::Flags;

use super::{ENTRY, Whoami};

async fn check(row: &str, asked: TestQuery, address: &str, service: &str) {
    let reply = asked.run(Whoami).await.unwrap();
    assert_eq!(reply.rcode(), ResponseCode::NoError, "{row}");
    assert!(reply.flags().has(Flags::AA) && !reply.flags().has(Flags::RA), "{row}");
    assert!(reply.answers().is_empty() && reply.authorities().is_empty(), "{row}");
    assert_eq!(records(reply.additionals()), [address, service], "{row}");
}

#[tokio::test]
async fn answers_with_the_clients_address_in_the_clients_spelling() {
    let name = "foo.Example.org.";
    let unknown = RecordType::Unknown(65_399);
    let from = "192.0.2.7:4000";
    let address = "foo.Example.org. 0 IN A 192.0.2.7";
    let udp = "_udp.foo.Example.org. 0 IN SRV 0 0 4000 .";
    let table = [
        ("WH1", query(name, RecordType::A).from(from), address, udp),
        (
            "WH2",
            query(name, RecordType::A).from(from).tcp(),
            address,
            "_tcp.foo.Example.org. 0 IN SRV 0 0 4000 .",
        ),
        ("WH3", query(name, unknown).from(from), address, udp),
        (
            "WH4",
            query(".", RecordType::NS).from(from),
            ". 0 IN A 192.0.2.7",
            "_udp. 0 IN SRV 0 0 4000 .",
        ),
        ("WH9", query(name, RecordType::A).from(from).option(10, b"12345678"), address, udp),
        (
            "WH11",
            query(name, RecordType::A).from("[2001:db8::7]:53"),
            "foo.Example.org. 0 IN AAAA 2001:db8::7",
            "_udp.foo.Example.org. 0 IN SRV 0 0 53 .",
        ),
    ];
    for (row, asked, address, service) in table {
        check(row, asked, address, service).await;
    }
}

#[test]
fn setup_takes_no_arguments_and_may_be_repeated() {
    const ARGUMENT: &str = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'";
    const BRACE: &str =
        "Corefile:2 - Error during parsing: Unexpected token '{', expecting argument";
    let table = [
        ("WH7", "whoami x", Err(ARGUMENT)),
        ("", "whoami {\n}", Err(BRACE)),
        ("", "whoami", Ok(1)),
        ("", "whoami\nwhoami", Ok(1)),
    ];
    for (row, text, expected) in table {
        let block = testing::setup(&ENTRY, text);
        let handlers =
            block.map(|block| block.parts().plugins.len()).map_err(|error| format!("{error:#}"));
        assert_eq!(handlers, expected.map_err(str::to_owned), "{row} {text}");
    }
}

#[tokio::test]
async fn wh8_a_chaos_query_that_gets_here_is_answered_in_its_class() {
    let block = testing::setup(&ENTRY, "whoami").unwrap();
    assert!(!block.parts().any_class, "so the gate refuses it");
    let reply = query("a.", RecordType::TXT).class(3).run(Whoami).await.unwrap();
    assert!(reply.additionals().iter().all(|record| record.dns_class == DNSClass::CH));
}

#[tokio::test]
async fn a_name_too_long_for_one_more_label_is_our_failure() {
    let name = format!("{0}.{0}.{0}.{1}.", "a".repeat(63), "b".repeat(60));
    assert!(query(&name, RecordType::A).run(Whoami).await.is_err());
}
