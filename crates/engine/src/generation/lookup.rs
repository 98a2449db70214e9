//! Queries that plugins ask the server they are part of: dispatched like a client's on the same
//! listener, but past sockets, gate and fitting.

use std::sync::{Arc, Weak};

use dunlin_core::op::ResponseCode;
use dunlin_core::{Error, Query, Reply, Result};

use crate::table::{Place, Table};

/// Answers a query from the table of the listener that its site names.
pub(super) async fn answer(tables: Arc<[Weak<Table>]>, mut query: Query) -> Result<Reply> {
    let found = tables.iter().filter_map(Weak::upgrade);
    let table = found.into_iter().find(|table| table.server == query.site().server);
    let table = table.ok_or_else(|| Error::new("no full server is running"))?;
    let place = table.dispatch(&mut query, Place::admits);
    let Some(place) = place.filter(|place| !place.chain.is_empty()) else {
        return Ok(query.error(ResponseCode::Refused));
    };
    query.place(Arc::clone(&place.site));
    place.prepare(&mut query);
    place.chain.run(&mut query).await
}
