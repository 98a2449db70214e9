//! Tells those who watch (`dnstap`) what went to upstreams for one query.

use std::sync::Arc;

use dunlin_core::Query;
use dunlin_core::tap::{Exchange, Tap};
use dunlin_core::wire::write_u16;
use dunlin_upstream::Journal;

/// Where sends are to be written down; nowhere if nobody watches.
pub(super) fn journal(taps: &[Arc<dyn Tap>]) -> Option<Arc<Journal>> {
    (!taps.is_empty()).then(|| Arc::new(Journal::new(taps.iter().any(|tap| tap.wants_messages()))))
}

/// Tells of each send. Messages bear the client's ID, as in CoreDNS: that ties them to its query.
pub(super) fn tell(taps: &[Arc<dyn Tap>], query: &Query, journal: &Journal) {
    for mut sent in journal.take() {
        for message in [&mut sent.query, &mut sent.response] {
            write_u16(message, 0, query.id());
        }
        let exchange = Exchange {
            upstream: sent.remote,
            local: sent.local,
            transport: sent.transport,
            sent: sent.at,
            query: &sent.query,
            received: sent.received,
            ended: sent.ended,
            response: &sent.response,
        };
        for tap in taps {
            tap.exchanged(query, &exchange);
        }
    }
}
