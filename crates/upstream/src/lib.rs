//! Asking other DNS servers: one exchange, its transports and connections, and groups of servers
//! with health, choice and patience.
//!
//! It takes plain configuration structs and the bytes of queries, and passes the bytes of responses
//! on; it knows no Corefile, and decodes nothing on the way. [`Group::ask`] is the way in.
//!
//! | concept | place |
//! |---|---|
//! | what goes out, and which response belongs to it | [`ask`] |
//! | is the response fit to be passed on | [`response`] |
//! | whom to ask, when to ask somebody else | [`group`], `policy`, `hedge`, `patience`, [`health`] |
//! | who watches | [`journal`] |
//! | sockets and connections | [`remote`], `udp`, [`stream`], [`tls`], [`descriptors`] |
//!
//! | RFC | section | done |
//! |---|---|---|
//! | 2181 | 8 TTLs | yes |
//! | 5452 | 9 ports, IDs, matching of responses | yes; 0x20 no |
//! | 6672 | 3 DNAME in answers | yes |
//! | 6891 | 7 upstreams without EDNS | per question, nothing is remembered |
//! | 7766 | 6 connection reuse, pipelining, responses in any order | yes |
//! | 7828 | keepalive | no |
//! | 7830, 8467 | padding | no |
//! | 7858, 8310 | DNS over TLS, strict profile | yes |
//! | 7873 | cookies towards upstreams | no |
//! | 8914 | extended errors for failures | yes |
//! | 9520 | bounds on repetition | yes; remembering failures is for caches |
//! | 9715 | no fragments | yes; reassembled ones are not detected |
#![forbid(unsafe_code)]

pub mod address;
pub mod ask;
pub mod descriptors;
pub mod error;
pub mod group;
pub mod health;
mod hedge;
pub mod journal;
pub mod metrics;
mod patience;
pub mod policy;
pub mod rcode;
pub mod remote;
pub mod response;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tls;
mod udp;

pub use self::address::{Scheme, Server, Target, TargetError};
pub use self::ask::Ask;
pub use self::error::{ExchangeError, Failure};
pub use self::group::{Group, Outcome, Settings, TransportRule, Upstream};
pub use self::journal::Journal;
pub use self::policy::Policy;
pub use self::remote::{Probe, Remote, RemoteConfig};
pub use self::response::Response;
pub use self::stream::StreamLimits;
