//! How a plugin reads the tokens of its directive, one after the other.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::token::{Position, Token};

/// A cursor over [`ServerBlock::tokens_of`](crate::ServerBlock::tokens_of) one directive; it starts before the first
/// token. Moves and messages are those of CoreDNS' dispenser, so that a ported setup reports the same mistakes.
///
/// ```
/// # use dunlin_corefile::{Reader, Source, Settings, MemoryLoader, parse};
/// # let text = b". {\n cache 30 {\n  success 100\n }\n}";
/// # let settings = Settings { loader: &MemoryLoader::new(), environment: &|_| None, directives: None };
/// # let source = Source { name: "Corefile", directory: "/".as_ref(), text };
/// # let tokens = parse(&source, &settings).corefile.blocks[0].tokens_of("cache");
/// let mut reader = Reader::new("Corefile", &tokens);
/// while reader.next() {
///     assert_eq!(reader.remaining_args(), ["30"]);
///     while reader.next_block() {
///         assert_eq!(reader.val(), "success");
///         assert_eq!(reader.args::<1>(), Some(["100"]));
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    tokens: &'a [Token],
    start: Position,
    /// Index of the current token plus one; 0 is before the first.
    taken: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// `file` stands in messages as long as no token has been read.
    #[must_use]
    pub fn new(file: &str, tokens: &'a [Token]) -> Self {
        Self {
            tokens,
            start: Position { file: Arc::from(file), line: 0, column: 0 },
            taken: 0,
            depth: 0,
        }
    }

    /// Moves to the next token, whatever its line; false at the end, without moving.
    #[expect(
        clippy::should_implement_trait,
        reason = "the name plugin authors know; it yields no item"
    )]
    pub fn next(&mut self) -> bool {
        let more = self.taken < self.tokens.len();
        self.taken += usize::from(more);
        more
    }

    /// Moves to the next token if it stands on the current line. The very first call moves to the first token.
    pub fn next_arg(&mut self) -> bool {
        self.on_same_line().is_none_or(|same| same) && self.next()
    }

    /// Moves to the next token if it stands on a later line. The very first call moves to the first token.
    pub fn next_line(&mut self) -> bool {
        self.on_same_line().is_none_or(|same| !same) && self.next()
    }

    /// For use as a loop condition: enters a block that opens on this line, then moves token by token until the brace
    /// that closes it. False for an empty block, and at the end of the tokens.
    pub fn next_block(&mut self) -> bool {
        if self.depth > 0 {
            return self.step_in_block();
        }
        let before = self.taken;
        if !self.next_arg() {
            return false;
        }
        if self.val() != "{" {
            self.taken = before;
            return false;
        }
        if !self.next() || self.val() == "}" {
            return false;
        }
        self.depth = 1;
        true
    }

    /// The arguments up to the end of the line, or to a `{` on it, which stays the next token.
    pub fn remaining_args(&mut self) -> Vec<&'a str> {
        let mut arguments = Vec::new();
        loop {
            let before = self.taken;
            if !self.next_arg() {
                return arguments;
            }
            if self.val() == "{" {
                self.taken = before;
                return arguments;
            }
            arguments.push(self.val());
        }
    }

    /// The next `N` arguments of the line; if there are fewer, it has moved past those there are.
    pub fn args<const N: usize>(&mut self) -> Option<[&'a str; N]> {
        let mut arguments = [""; N];
        for argument in &mut arguments {
            if !self.next_arg() {
                return None;
            }
            *argument = self.val();
        }
        Some(arguments)
    }

    /// The next argument of the line.
    pub fn arg(&mut self) -> Option<&'a str> {
        self.next_arg().then(|| self.val())
    }

    /// The current token's text; empty before the first.
    #[must_use]
    pub fn val(&self) -> &'a str {
        self.token().map_or("", |token| &token.text)
    }

    /// The current token.
    #[must_use]
    pub fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.taken.checked_sub(1)?)
    }

    /// Where the current token stands; line 0 before the first.
    #[must_use]
    pub fn position(&self) -> &Position {
        self.token().map_or(&self.start, |token| &token.position)
    }

    /// `Wrong argument count or unexpected line ending after 'VAL'`, or what CoreDNS says at a `{`.
    #[must_use]
    pub fn arg_error(&self) -> Diagnostic {
        Diagnostic::arguments(self.position().clone(), self.val())
    }

    /// `FILE:LINE - Error during parsing: MESSAGE`.
    #[must_use]
    pub fn error(&self, message: impl std::fmt::Display) -> Diagnostic {
        Diagnostic::parsing(self.position().clone(), message)
    }

    /// `FILE:LINE - Syntax error: Unexpected token 'VAL', expecting 'EXPECTED'`.
    #[must_use]
    pub fn syntax_error(&self, expected: &str) -> Diagnostic {
        Diagnostic::syntax(self.position().clone(), self.val(), expected)
    }

    /// `FILE:LINE - Error during parsing: Unexpected EOF`.
    #[must_use]
    pub fn eof_error(&self) -> Diagnostic {
        self.error("Unexpected EOF")
    }

    fn step_in_block(&mut self) -> bool {
        if !self.next() {
            self.depth = 0;
            return false;
        }
        match self.val() {
            "{" => self.depth += 1,
            "}" => self.depth -= 1,
            _ => {}
        }
        self.depth > 0
    }

    /// Whether the next token shares the line of the current one; none before the first and at the end.
    fn on_same_line(&self) -> Option<bool> {
        Some(self.token()?.shares_line_with(self.tokens.get(self.taken)?))
    }
}
