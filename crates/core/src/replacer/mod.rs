//! Text about a query from a format with placeholders: the lines of *log*, the `extra` of *dnstap*.
//! The placeholders are CoreDNS's.

mod event;
mod format;
pub mod text;

pub use self::event::{Event, Outcome, kind_of};
pub use self::format::{Format, append_class, append_rcode, append_type, truth};
