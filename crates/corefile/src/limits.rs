//! The bounds of a parse: a hostile or broken Corefile costs a message, never the process.

/// Octets of one file.
pub(crate) const FILE_OCTETS: usize = 1 << 20;
/// Words on one line.
pub(crate) const WORDS_PER_LINE: usize = 10_000;
/// Files that may be open inside one another.
pub(crate) const IMPORT_DEPTH: usize = 16;
/// Snippet uses and file imports of one parse, each; the number CoreDNS names in its messages.
pub(crate) const EXPANSIONS: usize = 10_000;
/// Files read in one parse.
pub(crate) const FILES: usize = 10_000;
/// Octets read from all files of one parse.
pub(crate) const TOTAL_OCTETS: usize = 16 << 20;
/// Tokens of one parse after all imports.
pub(crate) const TOTAL_TOKENS: usize = 1_000_000;
/// Octets of token text of one parse after all imports and variables.
pub(crate) const TOTAL_TEXT: usize = 64 << 20;
/// Different environment references resolved inside one token.
pub(crate) const REFERENCES: usize = 100;
/// Octets one token may grow to by environment values.
pub(crate) const EXPANDED_OCTETS: usize = 64 << 10;
/// Mistakes told before the parser gives up.
pub(crate) const MISTAKES: usize = 100;
/// Zones of all keys, networks expanded: each may stand for 128.
pub(crate) const SERVER_KEYS: usize = 100_000;
