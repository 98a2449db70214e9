#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::rr::RData;
use dunlin_core::rr::rdata::TXT;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};
use rand::seq::SliceRandom as _;

pub use self::setup::ENTRY;

/// Tells what this server is, to those who ask in class CH.
#[derive(Debug)]
struct Chaos {
    version: Text,
    authors: Box<[Text]>,
    host_name: Text,
}

/// The content of a TXT record: 255 octets at most.
type Text = Box<[u8]>;

#[async_trait]
impl Plugin for Chaos {
    fn name(&self) -> &'static str {
        "chaos"
    }

    fn ignores(&self, query: &Query) -> bool {
        query.qclass_code() != CH
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        match self.texts(query) {
            Some(texts) => Ok(answer(query, texts)),
            None => next.run(query).await,
        }
    }
}

impl Chaos {
    /// What there is to say; `None` to a question of another kind.
    fn texts(&self, query: &Query) -> Option<Vec<&Text>> {
        if query.qclass_code() != CH || query.qtype_code() != TXT_TYPE {
            return None;
        }
        match query.qname() {
            b"\x07authors\x04bind\x00" => {
                let mut authors: Vec<&Text> = self.authors.iter().collect();
                authors.shuffle(&mut rand::rng());
                Some(authors)
            }
            b"\x07version\x04bind\x00" | b"\x07version\x06server\x00" => Some(vec![&self.version]),
            b"\x08hostname\x04bind\x00" | b"\x02id\x06server\x00" => Some(vec![&self.host_name]),
            _ => None,
        }
    }
}

fn answer(query: &Query, texts: Vec<&Text>) -> Reply {
    texts.into_iter().fold(query.reply(), |reply, text| {
        reply.answer(query.name().clone(), TTL, RData::TXT(TXT::from_bytes(vec![text])))
    })
}

/// QCLASS CH (RFC 1035 §3.2.4).
const CH: u16 = 3;
/// QTYPE TXT (RFC 1035 §3.2.2).
const TXT_TYPE: u16 = 16;
/// Seconds. Who answers may change with every query.
const TTL: u32 = 0;
