//! The acceptance rows of the specification in their order, MD1 to MD12. What other plugins make
//! of labels (MD1 to MD3, MD7, MD8) is shown with stand-ins for them; MD10 is the command line's.

use std::sync::{Arc, Mutex};

use dunlin_core::Entry;
use dunlin_core::rr::RecordType;
use dunlin_core::testing::{self, TestBlock, query};

use super::*;

/// Describes queries, hands on the first one, and writes down what it then reads.
#[derive(Clone, Default)]
struct Neighbor(Arc<Mutex<Vec<String>>>);

impl Neighbor {
    fn read(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" ")
    }
}

#[async_trait]
impl Plugin for Neighbor {
    fn name(&self) -> &'static str {
        "neighbor"
    }

    async fn serve(&self, query: &mut Query, _next: Next<'_>) -> Result<Reply> {
        if let Some(metadata) = query.metadata() {
            metadata.set("forward/upstream", "192.0.2.53:53");
        }
        let labels = ["geoip/city", "forward/upstream", "nope/x"];
        let values = labels.map(|label| query.metadata().and_then(|known| known.get(label)));
        self.0.lock().unwrap().extend(values.map(|value| value.unwrap_or_else(|| "-".into())));
        Ok(query.reply())
    }

    fn describe(&self, query: &Query) {
        if let Some(metadata) = query.metadata() {
            metadata.set("geoip/city", "Wien");
        }
    }
}

/// Sets up nothing: a directive for blocks without `metadata`.
const NOTHING: Entry = Entry { name: "debug", setup: |directive| directive.no_arguments() };

fn block(text: &str) -> anyhow::Result<TestBlock> {
    testing::block(&[ENTRY, NOTHING], text)
}

#[tokio::test]
async fn md1_to_md3_md7_md11_who_reads_what() {
    let table = [
        ("metadata", "a.test.", "Wien 192.0.2.53:53 -"),
        ("debug", "a.test.", "- - -"),
        ("metadata example.org", "www.Example.org.", "Wien 192.0.2.53:53 -"),
        ("metadata example.org test", "a.test.", "Wien 192.0.2.53:53 -"),
        ("metadata example.org", "a.test.", "- 192.0.2.53:53 -"),
        ("metadata 192.0.2.0/24", "7.2.0.192.in-addr.arpa.", "Wien 192.0.2.53:53 -"),
    ];
    for (text, name, expected) in table {
        let neighbor = Neighbor::default();
        let mut block = block(text).unwrap().before(neighbor.clone());
        block.ask(query(name, RecordType::A)).await.unwrap();
        assert_eq!(neighbor.read(), expected, "{text} {name}");
    }
}

#[test]
fn md4_to_md6_what_setup_takes_and_refuses() {
    let refused = |line: u8, after: &str| {
        format!(
            "Corefile:{line} - Error during parsing: \
             Wrong argument count or unexpected line ending after '{after}'"
        )
    };
    let table = [
        ("metadata example.org", String::new()),
        ("metadata {\n}", String::new()),
        ("metadata {}", String::new()),
        ("metadata a b {\n}", String::new()),
        ("metadata\nmetadata", refused(3, "metadata")),
        ("metadata a\nmetadata b", refused(3, "metadata")),
        ("metadata {\nx\n}", refused(3, "x")),
    ];
    for (text, expected) in table {
        let found = block(text).map(|_| String::new());
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected, "{text}");
    }
}

#[test]
fn zones_default_to_those_of_the_server_block() {
    let zones = |text| {
        let block = testing::block_for("a.test b.test", &[ENTRY], text, &Default::default());
        let block = block.unwrap();
        let zones = block.parts().metadata.as_ref().unwrap().iter();
        zones.map(|zone| zone.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(zones("metadata"), ["a.test.", "b.test."]);
    assert_eq!(zones("metadata C.test"), ["c.test."]);
    assert!(block("debug").unwrap().parts().metadata.is_none());
}

#[tokio::test]
async fn md9_and_md12_each_query_has_a_store_of_its_own() {
    let neighbor = Neighbor::default();
    let mut block = block("metadata").unwrap().before(neighbor.clone());
    let chain = block.chain();
    let mut asked = query("a.test.", RecordType::A).build();
    asked.attach_metadata(Default::default());
    let mut refresh = asked.duplicate();
    chain.run(&mut refresh).await.unwrap();
    let label = "forward/upstream";
    assert!(refresh.metadata().unwrap().get(label).is_some());
    assert!(asked.metadata().unwrap().get(label).is_none());
    chain.run(&mut asked).await.unwrap();
    assert_eq!(asked.metadata().unwrap().get(label).as_deref(), Some("192.0.2.53:53"));
}
