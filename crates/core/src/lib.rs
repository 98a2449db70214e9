//! What the author of a Dunlin plugin sees: the query, the reply, the chain between them, and the
//! Corefile directive that sets a plugin up. It knows the wire form of DNS messages and nothing
//! of sockets, configuration files on disk or other plugins: it opens no socket, and a plugin can
//! be built and tested with this crate alone.
#![forbid(unsafe_code)]

pub mod buffer;
pub mod change;
pub mod classify;
pub mod directive;
pub mod edns;
pub mod error;
pub mod expression;
pub mod gate;
pub mod hexdump;
pub mod lines;
pub mod lookup;
pub mod metadata;
pub mod metrics;
pub mod mnemonic;
pub mod plugin;
pub mod protobuf;
pub mod query;
pub mod release;
pub mod replacer;
pub mod reply;
pub mod sieve;
pub mod site;
pub mod stamp;
pub mod tap;
pub mod tasks;
pub mod testing;
pub mod timestamp;
pub mod transport;
pub mod upkeep;
pub mod wire;
pub mod worker;
pub mod zones;

pub use async_trait::async_trait;
pub use dunlin_corefile as corefile;
pub use hickory_proto::{op, rr};

pub use self::directive::{Directive, Entry, Registry};
pub use self::error::{Error, Result};
pub use self::plugin::{Next, Plugin};
pub use self::query::Query;
pub use self::reply::Reply;
pub use self::transport::Transport;
