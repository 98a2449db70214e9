//! Rows of the specification that a chain without its server can show; what clients see stands in
//! `tests/chains`.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, query, stub};
use dunlin_core::wire::Flags;
use dunlin_core::{Error, Query};

use super::ENTRY;

/// Flags of the query as the next plugin sees it, and of the reply and the query afterwards. The next plugin sets RA in its reply.
async fn flags(rules: &str, sent: u16) -> [u16; 3] {
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let witness = std::sync::Arc::clone(&seen);
    let behind = stub(move |query: &mut Query| {
        witness.store(query.flags().0, std::sync::atomic::Ordering::SeqCst);
        let mut reply = query.reply();
        reply.set_flag(Flags::RA, true);
        Box::pin(async { Ok(reply) })
    });
    let chain = testing::setup(&ENTRY, rules).unwrap().before(behind).chain();
    let mut query =
        query("example.org.", RecordType::A).flag(Flags::RD, false).flag(sent, true).build();
    let reply = chain.run(&mut query).await.unwrap();
    let seen = seen.load(std::sync::atomic::Ordering::SeqCst);
    [seen, reply.flags().0 & !Flags::QR, query.flags().0]
}

#[tokio::test]
async fn flags_are_set_and_cleared() {
    const AA: u16 = Flags::AA;
    const RA: u16 = Flags::RA;
    const RD: u16 = Flags::RD;
    let hd1 = "header {\n response set aa\n response clear ra\n query clear rd\n}";
    let table = [
        ("HD1", hd1, RD, [0, AA, 0]),
        ("HD7", "header {\n RESPONSE SET AA\n}", RD, [RD, AA | RA | RD, RD]),
        ("HD8", "header {\n response set ra\n response clear ra\n}", 0, [0, 0, 0]),
        ("HD8", "header {\n response clear ra\n response set ra aa\n}", 0, [0, AA | RA, 0]),
        ("HD11", "header foo {\n response set aa\n}", 0, [0, AA | RA, 0]),
        (
            "HD12",
            "header {\n}\nheader {\n response set aa\n}\nheader {\n response clear ra\n}",
            0,
            [0, AA | RA, 0],
        ),
        ("", "header {\n query set rd aa ra\n}", 0, [AA | RA | RD, RA | RD, AA | RA | RD]),
        ("", "header {\n response set rd\n}", 0, [0, RA | RD, RD]),
        ("", "header {\n response clear rd\n}", RD, [RD, RA, 0]),
        ("", "header {\n query clear rd\n response set rd\n}", RD, [0, RA | RD, RD]),
    ];
    for (row, rules, sent, expected) in table {
        assert_eq!(flags(rules, sent).await, expected, "{row} {rules}");
    }
}

#[tokio::test]
async fn hd9_a_failure_is_left_alone() {
    let behind = stub(|_query| Box::pin(async { Err(Error::new("plugin/x: y")) }));
    let text = "header {\n response set aa\n}";
    let mut block = testing::setup(&ENTRY, text).unwrap().before(behind);
    let error = block.ask(query("example.org.", RecordType::A)).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin/x: y");
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let count = "Error during parsing: Wrong argument count or unexpected line ending after";
    let table = [
        ("HD2", "header", format!("Corefile:2 - {count} 'header'")),
        ("HD2", "header {\n}", format!("Corefile:3 - {count} '}}'")),
        ("HD11", "header foo", format!("Corefile:2 - {count} 'foo'")),
        (
            "HD3",
            "header {\n foo set aa\n}",
            "setting up rule: invalid selector=foo should be query or response".into(),
        ),
        (
            "HD4",
            "header {\n response foo aa\n}",
            "setting up rule: unknown flag action=foo, should be set or clear".into(),
        ),
        (
            "HD5",
            "header {\n response set\n}",
            "setting up rule: invalid length for flags, at least one should be provided".into(),
        ),
        ("HD5", "header {\n response\n}", "setting up rule: no flag action provided".into()),
        (
            "HD6",
            "header {\n response set tc\n}",
            "setting up rule: unknown/unsupported flag=tc".into(),
        ),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}
