//! In process: no socket, no server.

use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, query, records, stub};

use super::ENTRY;

#[test]
fn setup_takes_one_greeting_at_most() {
    let long = "x".repeat(256);
    for (text, is_good) in [
        ("greeter", true),
        ("greeter hi", true),
        ("greeter \"good evening\"", true),
        ("greeter good evening", false),
        ("greeter\ngreeter", false),
        (&format!("greeter {long}"), false),
    ] {
        assert_eq!(testing::setup(&ENTRY, text).is_ok(), is_good, "{text}");
    }
}

#[tokio::test]
async fn texts_are_greeted_and_all_else_goes_on() {
    let rest = stub(|query| Box::pin(async move { Ok(query.reply()) }));
    let block = testing::setup(&ENTRY, "greeter hi").unwrap();
    let mut block = block.before(rest.clone());

    let mut reply = block.ask(query("Example.ORG.", RecordType::TXT)).await.unwrap();
    let answers = reply.message_mut().unwrap().answers.clone();
    assert_eq!(records(answers), ["Example.ORG. 60 IN TXT hi"]);
    assert_eq!(rest.asked(), 0);

    block.ask(query("example.org.", RecordType::A)).await.unwrap();
    assert_eq!(rest.asked(), 1);
    assert!(block.metrics().page().contains("dunlin_greeter_greeted_total 1"));
}
