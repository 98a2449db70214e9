//! Rows of the specification that a chain without its server can show; what clients see stands in
//! `tests/chains`.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestQuery, query};
use dunlin_core::wire::read_u16;

use super::ENTRY;

/// The sizes that plugins further down and upstreams see; none without an OPT.
async fn sizes(text: &str, asked: TestQuery) -> [Option<u16>; 2] {
    let chain = testing::setup(&ENTRY, text).unwrap().chain();
    let mut query = asked.build();
    let _ = chain.run(&mut query).await; // nothing stands behind
    let mut sent = Vec::new();
    query.append_for_upstream(&mut sent);
    let upstream = read_u16(&sent, 12 + query.question().len() + 3);
    [query.edns().map(|edns| edns.udp_size), upstream]
}

#[tokio::test]
async fn the_size_is_capped_and_never_raised() {
    let asked = || query("example.org.", RecordType::A);
    let table = [
        ("BS1", "bufsize 700", asked().edns(4096), Some(700)),
        ("BS2", "bufsize 700", asked().edns(600), Some(600)),
        ("BS3", "bufsize 700", asked(), None),
        ("BS4", "bufsize", asked().edns(4096), Some(1232)),
        ("BS7", "bufsize 600\nbufsize 700", asked().edns(4096), Some(600)),
        ("BS10", "bufsize 512", asked().edns(4096), Some(512)),
        ("BS11", "bufsize 4096", asked().edns(65_535), Some(4096)),
        ("", "bufsize 600 {\n foo\n}", asked().edns(4096), Some(600)),
    ];
    for (row, text, asked, expected) in table {
        assert_eq!(sizes(text, asked).await, [expected; 2], "{row} {text}");
    }
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let table = [
        ("BS5", "bufsize 511", "511"),
        ("BS5", "bufsize 4097", "4097"),
        ("BS5", "bufsize x", "x"),
        ("BS6", "bufsize 600 700", "700"),
        ("BS12", "bufsize -1", "-1"),
        ("", "bufsize 70000", "70000"),
    ];
    for (row, text, last) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        let expected = format!(
            "plugin/bufsize: Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{last}'"
        );
        assert_eq!(error, expected, "{row} {text}");
    }
}
