//! The acceptance rows of the specification that the plugin decides (SH1 to SH3), and what it does about
//! a full queue (SH5, SH6). The queue itself is tested in the engine, SH9 in `tests/chains`.

use dunlin_core::directive::Retain;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestQuery, query, stub};
use dunlin_testkit::metrics::value;

use super::ENTRY;

const DROPPED: &str = "coredns_shed_dropped_total";

#[test]
fn the_block_gets_a_send_queue() {
    let block = testing::setup(&ENTRY, "shed").unwrap();
    assert_eq!(block.parts().send_queue.as_ref().map(|queue| queue.depth), Some(1024), "SH1");
}

#[tokio::test]
async fn queries_are_dropped_and_counted_only_while_the_queue_is_full() {
    let table: [(&str, TestQuery, bool); 3] = [
        ("SH1", query("example.org.", RecordType::A), true),
        ("SH5", query("example.org.", RecordType::A).congested(), false),
        ("SH6", query("example.org.", RecordType::A).tcp(), true),
    ];
    for (row, asked, answered) in table {
        let behind = stub(|query| Box::pin(async { Ok(query.reply()) }));
        let mut block = testing::setup(&ENTRY, "shed").unwrap().before(behind.clone());
        let reply = block.ask(asked).await.unwrap();
        assert_eq!(
            (!reply.is_silence(), behind.asked()),
            (answered, usize::from(answered)),
            "{row}"
        );
        let labels = [("server", "dns://:53"), ("reason", "query")];
        let dropped = value(&block.metrics().page(), DROPPED, &labels);
        assert_eq!(dropped, (!answered).then_some(1.0), "{row}");
    }
}

#[test]
fn mistakes_are_told() {
    let count = "Wrong argument count or unexpected line ending after";
    let plain = "only plain DNS server blocks are supported";
    let table = [
        (".:53", "shed x", format!("Corefile:2 - Error during parsing: {count} 'x'")),
        (".:53", "shed {\na\n}", "Corefile:3 - Error during parsing: shed takes no options".into()),
        (".:53", "shed\nshed", "this plugin can only be used once per Server Block".into()),
        ("tls://.", "shed", format!("{plain}; \"tls://.:853\" uses transport \"tls\"")),
        (". https://.", "shed", format!("{plain}; \"https://.:443\" uses transport \"https\"")),
    ];
    for (keys, text, expected) in table {
        let block = testing::block_for(keys, &[ENTRY], text, &Retain::default());
        assert_eq!(format!("{:#}", block.unwrap_err()), expected, "{keys} {text}");
    }
}
