//! What several tests of this crate stand on: places, tables and listeners without a Corefile.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_core::directive::Control;
use dunlin_core::metrics::Metrics;
use dunlin_core::plugin::{Chain, Plugin};
use dunlin_core::site::Site;
use dunlin_core::zones::Zone;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::Listener;
use crate::serve::Shared;
use crate::table::{Place, Table};

/// The name of the listener that [`place`] belongs to.
pub(crate) const SERVER: &str = "dns://:53";

/// A place for this zone.
pub(crate) fn place(zone: &str, plugins: Vec<Box<dyn Plugin>>) -> Place {
    let zone = Zone::new(zone).unwrap().as_str().to_owned();
    Place {
        site: Arc::new(Site { server: SERVER.into(), zone, ..Site::default() }),
        chain: Chain::new(plugins),
        metadata: None,
        view: None,
        debug: false,
        stacktrace: false,
    }
}

/// A table of these places.
pub(crate) fn table(places: impl IntoIterator<Item = Place>) -> Table {
    let mut table = Table::of(SERVER.into());
    for place in places {
        table.add(&Zone::new(&place.site.zone).unwrap(), place);
    }
    table
}

/// A table whose root zone is this plugin.
pub(crate) fn table_of(plugin: impl Plugin) -> Table {
    table([place(".", vec![Box::new(plugin)])])
}

/// A listener for this table that nobody serves yet.
pub(crate) fn listener(table: Table, metrics: &Metrics, address: SocketAddr) -> Arc<Listener> {
    Arc::new(Listener {
        table: ArcSwap::from_pointee(table),
        address,
        sockets: 1,
        shared: Arc::new(Shared::new(metrics, Control::new(drop))),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    })
}
