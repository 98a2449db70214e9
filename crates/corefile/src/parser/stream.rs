//! The token stream: the main text with the tokens of imports spliced in, without copying what follows.

use std::sync::Arc;

use crate::limits::{TOTAL_TEXT, TOTAL_TOKENS};
use crate::token::Token;

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Main,
    File(Arc<str>),
    Snippet(Arc<str>),
}

/// Tokens that take the place of an import.
pub(super) type Imported = (Origin, Arc<[Token]>);

struct Frame {
    tokens: Arc<[Token]>,
    next: usize,
    expansion: u32,
    origin: Origin,
}

pub(super) struct Stream {
    /// The innermost import is last.
    frames: Vec<Frame>,
    last: Option<Token>,
    expansions: u32,
    tokens: usize,
    text: usize,
}

impl Stream {
    pub(super) fn new(tokens: Arc<[Token]>) -> Self {
        let main = Frame { tokens, next: 0, expansion: 0, origin: Origin::Main };
        Self { frames: vec![main], last: None, expansions: 0, tokens: 0, text: 0 }
    }

    /// Lets the stream go on with imported tokens, in the order given, before its own.
    pub(super) fn splice(&mut self, imported: Vec<Imported>) {
        for (origin, tokens) in imported.into_iter().rev() {
            self.expansions = self.expansions.saturating_add(1);
            self.frames.push(Frame { tokens, next: 0, expansion: self.expansions, origin });
        }
    }

    pub(super) fn close(&mut self) {
        self.frames.clear();
    }

    /// The next token, without taking it.
    pub(super) fn peek(&mut self) -> Option<Token> {
        loop {
            let frame = self.frames.last()?;
            if let Some(token) = frame.peek() {
                return Some(token);
            }
            self.frames.pop();
        }
    }

    pub(super) fn advance(&mut self) -> Option<Token> {
        let token = self.peek()?;
        if let Some(frame) = self.frames.last_mut() {
            frame.next += 1;
        }
        self.tokens += 1;
        self.account(token.text.len());
        self.last = Some(token.clone());
        Some(token)
    }

    /// As if the tokens read since `last` had never been there: an `import` and its argument vanish.
    pub(super) fn forget_since(&mut self, last: Option<Token>) {
        self.last = last;
    }

    pub(super) fn account(&mut self, octets: usize) {
        self.text = self.text.saturating_add(octets);
    }

    pub(super) fn exceeds_bounds(&self) -> bool {
        self.tokens > TOTAL_TOKENS || self.text > TOTAL_TEXT
    }

    /// The next token if it stands on the line on which `token`, the one just taken, ends. Only looks into the innermost
    /// import, which therefore still counts as being read.
    pub(super) fn peek_on_line(&self, token: &Token) -> Option<Token> {
        self.frames.last()?.peek().filter(|next| token.shares_line_with(next))
    }

    pub(super) fn last(&self) -> Option<&Token> {
        self.last.as_ref()
    }

    /// Whether a line starts with `next`, the token that was peeked.
    pub(super) fn starts_line(&self, next: &Token) -> bool {
        self.last.as_ref().is_none_or(|last| !last.shares_line_with(next))
    }

    /// Whether tokens of `origin` are being read, here or outside of the imports that led here.
    pub(super) fn is_reading(&self, origin: &Origin) -> bool {
        self.reading().any(|frame| frame.origin == *origin)
    }

    /// How many imported files are being read inside one another.
    pub(super) fn depth(&self) -> usize {
        self.reading().filter(|frame| matches!(frame.origin, Origin::File(_))).count()
    }

    /// Frames that only wait for their turn, like the further files of a wildcard, do not count.
    fn reading(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| frame.next > 0)
    }
}

impl Frame {
    fn peek(&self) -> Option<Token> {
        let mut token = self.tokens.get(self.next)?.clone();
        token.expansion = self.expansion;
        Some(token)
    }
}
