//! Messages made for a query: right by default, wrong on demand.

use std::fmt;
use std::sync::Arc;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};

use super::Asked;
use crate::records::{name, record};

/// A recipe for a response: starts as NOERROR without records (id, opcode, question and RD of the
/// query, RA set, an OPT if the query had one), changed by each method in order.
#[derive(Clone, Default)]
pub struct Reply {
    edits: Vec<Arc<Edit>>,
}

type Edit = dyn Fn(&mut Message) + Send + Sync;

impl Reply {
    /// NOERROR without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// SERVFAIL.
    pub fn servfail() -> Self {
        Self::new().rcode(ResponseCode::ServFail)
    }

    /// REFUSED.
    pub fn refused() -> Self {
        Self::new().rcode(ResponseCode::Refused)
    }

    /// NXDOMAIN with this SOA, a record as text.
    pub fn nxdomain(soa: &str) -> Self {
        Self::new().rcode(ResponseCode::NXDomain).authority(soa)
    }

    /// Any change to the message, for what has no method here.
    #[must_use]
    pub fn edit(mut self, edit: impl Fn(&mut Message) + Send + Sync + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }

    /// Another rcode.
    #[must_use]
    pub fn rcode(self, rcode: ResponseCode) -> Self {
        self.edit(move |message| message.metadata.response_code = rcode)
    }

    /// One more record in the answer section, `example.org. 300 IN A 192.0.2.1`.
    #[must_use]
    #[track_caller]
    pub fn answer(self, text: &str) -> Self {
        let record = record(text);
        self.edit(move |message| message.answers.push(record.clone()))
    }

    /// One more record in the authority section.
    #[must_use]
    #[track_caller]
    pub fn authority(self, text: &str) -> Self {
        let record = record(text);
        self.edit(move |message| message.authorities.push(record.clone()))
    }

    /// One more record in the additional section.
    #[must_use]
    #[track_caller]
    pub fn additional(self, text: &str) -> Self {
        let record = record(text);
        self.edit(move |message| message.additionals.push(record.clone()))
    }

    /// AA set.
    #[must_use]
    pub fn authoritative(self) -> Self {
        self.edit(|message| message.metadata.authoritative = true)
    }

    /// TC set. Nothing is left out: the test says what is there.
    #[must_use]
    pub fn truncated(self) -> Self {
        self.edit(|message| message.metadata.truncation = true)
    }

    /// AD set.
    #[must_use]
    pub fn authentic(self) -> Self {
        self.edit(|message| message.metadata.authentic_data = true)
    }

    /// An id that is not the query's.
    #[must_use]
    pub fn wrong_id(self) -> Self {
        self.edit(|message| message.metadata.id ^= 0x5555)
    }

    /// Another name in the question section.
    #[must_use]
    #[track_caller]
    pub fn wrong_question(self, text: &str) -> Self {
        let name = name(text);
        self.edit(move |message| {
            for query in &mut message.queries {
                query.set_name(name.clone());
            }
        })
    }

    /// No question section.
    #[must_use]
    pub fn without_question(self) -> Self {
        self.edit(|message| message.queries.clear())
    }

    /// No OPT, as from a server that knows nothing of EDNS.
    #[must_use]
    pub fn without_edns(self) -> Self {
        self.edit(|message| message.edns = None)
    }

    /// The message for this query, encoded without regard to the size the client can take. A query that
    /// cannot be decoded gets FORMERR, one without an id nothing.
    pub fn encode(&self, asked: &Asked) -> Option<Vec<u8>> {
        let mut message = match &asked.message {
            Some(query) => response_to(query),
            None => Message::error_msg(asked.id()?, OpCode::Query, ResponseCode::FormErr),
        };
        for edit in &self.edits {
            edit(&mut message);
        }
        Some(message.to_vec().expect("a message that can be encoded"))
    }
}

fn response_to(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.metadata.recursion_desired = query.metadata.recursion_desired;
    message.metadata.checking_disabled = query.metadata.checking_disabled;
    message.metadata.recursion_available = true;
    message.queries = query.queries.iter().map(Query::clone).collect();
    message.edns = query.edns.as_ref().map(|asked| {
        let mut edns = Edns::new();
        edns.set_max_payload(1232).set_dnssec_ok(asked.flags().dnssec_ok);
        edns
    });
    message
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reply").field("edits", &self.edits.len()).finish()
    }
}
