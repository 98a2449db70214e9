//! Rows of the specification that a chain without its server can show; classes that no chain sees
//! stand in `tests/chains`.

use dunlin_core::rr::{DNSClass, RecordType};
use dunlin_core::testing::{self, query, stub};
use dunlin_core::wire::Flags;

use super::ENTRY;

/// The texts of the answer, sorted, or `next`.
async fn ask(directive: &str, name: &str, qtype: RecordType, class: u16) -> Vec<String> {
    let behind = stub(|query| Box::pin(async move { Ok(query.reply()) }));
    let mut block = testing::setup(&ENTRY, directive).unwrap().before(behind.clone());
    assert!(block.parts().any_class);
    let reply = block.ask(query(name, qtype).class(class)).await.unwrap();
    if behind.asked() > 0 {
        return vec!["next".into()];
    }
    assert!(!reply.flags().has(Flags::AA | Flags::RA));
    let answers = reply.answers().into_iter().map(|record| {
        assert_eq!((record.ttl, record.dns_class), (0, DNSClass::CH));
        assert_eq!(record.name.to_string(), name, "H05");
        record.data.to_string()
    });
    let mut texts: Vec<String> = answers.collect();
    texts.sort();
    texts
}

/// Row, directive, name, type, class, and the texts of the answer.
type Row<'t> = (&'t str, &'t str, &'t str, RecordType, u16, &'t [&'t str]);

#[tokio::test]
async fn who_asks_in_class_ch_is_told() {
    use RecordType::{A, TXT};
    const IN: u16 = 1;
    const CH: u16 = 3;
    const HS: u16 = 4;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let host = host.trim();
    let (long, cut) = ("x".repeat(300), "x".repeat(255));
    let (long_version, long_author) = (format!("chaos {long}"), format!("chaos v {long}"));
    let default = format!("Dunlin-{}", env!("CARGO_PKG_VERSION"));
    let table: [Row<'_>; 19] = [
        ("H01", "chaos v1", "version.bind.", TXT, CH, &["v1"]),
        ("H02", "chaos v1", "version.server.", TXT, CH, &["v1"]),
        ("H03", "chaos v a b a", "authors.bind.", TXT, CH, &["a", "b"]),
        ("H03", "chaos v", "authors.bind.", TXT, CH, &[]),
        ("H04", "chaos", "hostname.bind.", TXT, CH, &[host]),
        ("H04", "chaos", "id.server.", TXT, CH, &[host]),
        ("H05", "chaos v1", "VERSION.BIND.", TXT, CH, &["v1"]),
        ("H06", "chaos v1", "version.bind.", A, CH, &["next"]),
        ("H07", "chaos v1", "version.bind.", TXT, IN, &["next"]),
        ("H08", "chaos v1", "nope.bind.", TXT, CH, &["next"]),
        ("H08", "chaos v1", "bind.", TXT, CH, &["next"]),
        ("H10", "chaos", "version.bind.", TXT, CH, &[&default]),
        ("H11", &long_version, "version.bind.", TXT, CH, &[&cut]),
        ("H11", &format!("{long_version} a"), "version.bind.", TXT, CH, &[&cut]),
        ("H13", &long_author, "authors.bind.", TXT, CH, &[&cut]),
        ("H14", "chaos v1\nchaos v2", "version.bind.", TXT, CH, &["v1"]),
        ("H15", "chaos v1", "version.bind.", TXT, HS, &["next"]),
        ("", "chaos \"a b\"", "version.bind.", TXT, CH, &["a b"]),
        ("", "chaos v1", ".", TXT, CH, &["next"]),
    ];
    for (row, directive, name, qtype, class, expected) in table {
        assert_eq!(ask(directive, name, qtype, class).await, expected, "{row} {directive} {name}");
    }
}

#[test]
fn h12_a_block_has_no_properties() {
    let error = format!("{:#}", testing::setup(&ENTRY, "chaos v {\n x\n}").unwrap_err());
    assert_eq!(error, "Corefile:3 - Error during parsing: unknown property 'x'");
}
