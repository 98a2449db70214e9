//! Server blocks with all plugins of the registry, and the whole server without its sockets.

use dunlin_core::directive::{Entry, Retain};
use dunlin_core::op::Message;
use dunlin_core::testing::{self, TestBlock};
use dunlin_core::wire::Flags;
use dunlin_core::{Transport, mnemonic};
use dunlin_engine::Embedded;
use dunlin_plugins::registry;
use dunlin_testkit::metrics::value;

/// A server block of the root zone with these lines.
pub(crate) fn block(lines: &str) -> TestBlock {
    block_for(".", lines)
}

/// A server block with these keys and lines.
pub(crate) fn block_for(keys: &str, lines: &str) -> TestBlock {
    let entries: Vec<Entry> = registry().iter().copied().collect();
    let block = testing::block_for(keys, &entries, lines, &Retain::default());
    block.unwrap_or_else(|error| panic!("{lines}: {error:#}"))
}

/// The sum of a metric over the series with these labels.
pub(crate) fn metric(block: &TestBlock, name: &str, labels: &[(&str, &str)]) -> u32 {
    let value = value(&block.metrics().page(), name, labels).unwrap_or(0.0);
    format!("{value}").parse().expect("a small whole number")
}

/// A whole server: what goes in and comes out are messages.
pub(crate) struct Server(Embedded);

impl Server {
    pub(crate) async fn new(corefile: &str) -> Self {
        let server = Embedded::new(registry(), corefile).await;
        Self(server.unwrap_or_else(|error| panic!("{corefile}: {error:#}")))
    }

    /// What a client at 127.0.0.1 gets for this query.
    pub(crate) async fn ask(&self, query: &testing::TestQuery) -> Message {
        let transport = query.build().transport();
        let bytes = self.exchange(&query.to_bytes(), transport).await;
        Message::from_vec(&bytes.expect("a reply")).expect("a message")
    }

    pub(crate) async fn exchange(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        self.0.answer(query, "127.0.0.1:40000".parse().unwrap(), transport).await
    }

    pub(crate) async fn stop(self) {
        self.0.stop().await;
    }
}

/// A reply in short: rcode, flags, then the TTL of each record and, if there is an OPT, `opt`, the size
/// in it, `do`, and the codes of its options.
pub(crate) fn show(message: &Message) -> String {
    let bytes = message.to_vec().expect("a message");
    let flags = Flags::of(&bytes);
    let shown = [
        (Flags::AA, "aa"),
        (Flags::TC, "tc"),
        (Flags::RA, "ra"),
        (Flags::AD, "ad"),
        (Flags::CD, "cd"),
    ];
    let rcode = mnemonic::rcode(flags.rcode().into());
    let mut words = vec![rcode.unwrap_or("?").to_owned()];
    words.extend(shown.iter().filter(|(mask, _)| flags.has(*mask)).map(|(_, name)| (*name).into()));
    let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    words.extend(records.map(|record| record.ttl.to_string()));
    if let Some(edns) = &message.edns {
        words.push(format!("opt {}", edns.max_payload()));
        words.extend(edns.flags().dnssec_ok.then(|| "do".into()));
        let options = edns.options().as_ref().iter();
        words.extend(options.map(|(code, _)| format!("o{}", u16::from(*code))));
    }
    words.join(" ")
}
