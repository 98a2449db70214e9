//! Asking the whole server again: a plugin that needs the answer to another question gets it from
//! whichever server block has that name, as a client would, but without a socket.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::query::Query;
use crate::reply::Reply;

/// The server, as a plugin asks it. A setup takes the handle; it answers from the start on.
#[derive(Clone, Default)]
pub struct Lookup(Arc<OnceLock<Server>>);

/// A reply in the making.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

type Server = Box<dyn Fn(Query) -> Answering + Send + Sync>;

/// A query leads to so many lookups inside of each other at most: plugins that ask for each other's
/// names would never end.
pub const MAX_DEPTH: u8 = 8;

impl Lookup {
    /// Says who answers; the first call counts. The engine does this before the start hooks run.
    pub fn bind(&self, answer: impl Fn(Query) -> Answering + Send + Sync + 'static) {
        let _first_counts = self.0.set(Box::new(answer));
    }

    /// Asks for another name, in wire form, and type, in class IN: for the same client, with the
    /// same EDNS, on the same listener.
    ///
    /// # Errors
    /// What the chain says; or the lookups are nested too deep, or no server is running.
    pub async fn ask(&self, query: &Query, name: &[u8], qtype: u16) -> Result<Reply> {
        let server = self.0.get().ok_or_else(|| Error::new("no full server is running"))?;
        if query.depth() >= MAX_DEPTH {
            return Err(Error::new("too many lookups for one query"));
        }
        server(query.nested(name, qtype)?).await
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({})", if self.0.get().is_some() { "bound" } else { "unbound" })
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::testing::query;

    #[tokio::test]
    async fn asks_for_the_same_client_and_comes_to_an_end() {
        let lookup = Lookup::default();
        let asked = query("a.test", RecordType::A).option(65_001, b"x").tcp().build();
        let unbound = lookup.ask(&asked, b"\x01b\x00", 28).await.unwrap_err();
        assert_eq!(unbound.to_string(), "no full server is running");
        let again = lookup.clone();
        lookup.bind(move |query| {
            let again = again.clone();
            Box::pin(async move {
                assert_eq!((query.qname(), query.qtype_code()), (&b"\x01b\x00"[..], 28));
                assert_eq!(query.edns_options().next(), Some((65_001, &b"x"[..])));
                assert!(query.transport().is_stream());
                again.ask(&query, b"\x01B\x00", 28).await
            })
        });
        let endless = lookup.ask(&asked, b"\x01b\x00", 28).await.unwrap_err();
        assert_eq!(endless.to_string(), "too many lookups for one query");
    }
}
