//! The Corefile: text in, tree of server blocks out, every token with file, line and column.
//!
//! * [`parse`] reads a text and whatever it imports, and tells *all* mistakes; the first one is, to the letter, what
//!   CoreDNS would have said. [`Corefile`] is the tree, [`Reader`] is how a plugin walks the tokens of its directive.
//! * [`ServerKey`] is what a key of a server block means: transport, zone, port.
//! * [`go`] holds the small formats that CoreDNS inherits from Go's library: durations, integers, quoting.
//!
//! The crate is pure: files come through a [`Loader`], the environment through a function. It knows nothing of DNS
//! messages, sockets, clocks or threads, so that it can be fuzzed and used by editors and linters.
#![forbid(unsafe_code)]

mod diagnostic;
mod directives;
mod dump;
mod environment;
mod format;
pub mod go;
mod import;
mod key;
mod lexer;
mod limits;
mod loader;
mod parser;
mod print;
#[cfg(test)]
mod properties;
mod reader;
mod token;
mod tree;

pub use self::diagnostic::{Diagnostic, Severity};
pub use self::directives::DIRECTIVES;
pub use self::dump::semantic_json;
pub use self::environment::Environment;
pub use self::format::format;
pub use self::key::{KeyError, ServerKey, Transport, normalize_zone, preferred_syntax};
pub use self::loader::{LoadError, Loader, MemoryLoader};
pub use self::parser::{Outcome, Settings, Source, Sources, parse};
pub use self::print::{Unprintable, print};
pub use self::reader::Reader;
pub use self::token::{Position, Token};
pub use self::tree::{Corefile, Directive, ServerBlock};
