//! A word of a Corefile and where it stands.

use std::fmt;
use std::sync::Arc;

/// A place in a Corefile or in a file imported by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// As given for the main file, absolute for imported ones.
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    /// `FILE:LINE`, the form of CoreDNS' messages.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// One word. Quoting is already undone, environment variables are resolved in the tokens of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the word says.
    pub text: Arc<str>,
    /// Of its first character, the opening quote included.
    pub position: Position,
    /// Whether it was written in quotes. Without meaning, except to a printer.
    pub quoted: bool,
    /// Line feeds inside the word as it was written.
    pub lines: u32,
    /// Which use of an `import` brought it here; 0 is the main text. Two uses of one snippet differ, so that their
    /// words never seem to share a line.
    pub expansion: u32,
    /// Whether an environment variable changed its text; such a `{` never opened a block.
    pub expanded: bool,
}

impl Token {
    /// Whether `next`, the token after this one, stands on the line on which this one ends.
    #[must_use]
    pub fn shares_line_with(&self, next: &Self) -> bool {
        self.expansion == next.expansion
            && self.position.line.saturating_add(self.lines) == next.position.line
            && self.position.file == next.position.file
    }

    /// Whether the text is `expected`.
    #[must_use]
    pub fn is(&self, expected: &str) -> bool {
        &*self.text == expected
    }
}
