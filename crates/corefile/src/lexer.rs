//! Text to words. What separates, quotes and comments follows CoreDNS to the letter, but for one mistake of its own: a
//! `#` inside a word starts a comment that reaches to the end of the line, not to the next blank.

use std::borrow::Cow;
use std::sync::Arc;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{anychar, char};
use nom::combinator::{map, opt, recognize, value};
use nom::multi::fold_many0;
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use crate::diagnostic::Diagnostic;
use crate::limits::WORDS_PER_LINE;
use crate::token::{Position, Token};

/// The words of a file, in order, and complaints about lines that are too long.
pub(crate) fn lex(octets: &[u8], file: &Arc<str>) -> (Vec<Token>, Vec<Diagnostic>) {
    let text = decode(octets);
    let mut lexer = Lexer::new(file);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // Every alternative of `item` takes at least one character, so the loop ends.
    while let Ok((after, item)) = item(rest) {
        let taken = rest.get(..rest.len() - after.len()).unwrap_or_default();
        lexer.push(item, taken);
        rest = after;
    }
    (lexer.tokens, lexer.complaints)
}

struct Lexer {
    position: Position,
    tokens: Vec<Token>,
    complaints: Vec<Diagnostic>,
    words_on_line: usize,
}

impl Lexer {
    fn new(file: &Arc<str>) -> Self {
        let position = Position { file: Arc::clone(file), line: 1, column: 1 };
        Self { position, tokens: Vec::new(), complaints: Vec::new(), words_on_line: 0 }
    }

    fn push(&mut self, item: Item<'_>, taken: &str) {
        let feeds = taken.matches('\n').count();
        let lines = u32::try_from(feeds).unwrap_or(u32::MAX);
        match item {
            Item::Blank | Item::Comment => {}
            Item::Word(text) => self.word(&text, false, 0),
            Item::Quoted { text, closed: false } if text.is_empty() => {}
            Item::Quoted { text, .. } => self.word(&text, true, lines),
        }
        self.position.line = self.position.line.saturating_add(lines);
        let tail = taken.rsplit('\n').next().unwrap_or_default();
        let width = u32::try_from(tail.chars().count()).unwrap_or(u32::MAX);
        if lines > 0 {
            self.words_on_line = 0;
            self.position.column = 1;
        }
        self.position.column = self.position.column.saturating_add(width);
    }

    fn word(&mut self, text: &str, quoted: bool, lines: u32) {
        self.words_on_line += 1;
        if self.words_on_line > WORDS_PER_LINE {
            if self.words_on_line == WORDS_PER_LINE + 1 {
                let message = format!("more than {WORDS_PER_LINE} words on one line");
                self.complaints.push(Diagnostic::parsing(self.position.clone(), message));
            }
            return;
        }
        let position = self.position.clone();
        self.tokens.push(Token {
            text: text.into(),
            position,
            quoted,
            lines,
            expansion: 0,
            expanded: false,
        });
    }
}

/// UTF-8 with one U+FFFD for each octet that does not belong to a character, as Go decodes it.
fn decode(octets: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(octets) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// What a text is made of.
pub(crate) enum Item<'a> {
    Blank,
    /// With its `#`, without the end of the line.
    Comment,
    Word(Cow<'a, str>),
    /// One that is not closed runs to the end of the file; if it is empty there is no word.
    Quoted {
        text: String,
        closed: bool,
    },
}

/// The item at the beginning; it has at least one character.
pub(crate) fn item(input: &str) -> IResult<&str, Item<'_>> {
    alt((blank, comment, quoted, word)).parse(input)
}

fn blank(input: &str) -> IResult<&str, Item<'_>> {
    map(take_while1(char::is_whitespace), |_| Item::Blank).parse(input)
}

fn comment(input: &str) -> IResult<&str, Item<'_>> {
    map(pair(char('#'), take_while(|c| c != '\n')), |_| Item::Comment).parse(input)
}

/// A carriage return inside a word vanishes and does not end it.
fn word(input: &str) -> IResult<&str, Item<'_>> {
    let belongs = |c: char| c == '\r' || !(c.is_whitespace() || c == '#');
    map(take_while1(belongs), |raw: &str| {
        Item::Word(if raw.contains('\r') {
            Cow::Owned(raw.replace('\r', ""))
        } else {
            Cow::Borrowed(raw)
        })
    })
    .parse(input)
}

/// Only `\"` is an escape; any other backslash stands for itself and shields the character behind it. A quote that is
/// not closed runs to the end of the file, where a last lone backslash is lost.
fn quoted(input: &str) -> IResult<&str, Item<'_>> {
    let piece = alt((
        value("\"", tag("\\\"")),
        recognize(pair(char('\\'), anychar)),
        take_while1(|c| c != '\\' && c != '"'),
    ));
    let text = fold_many0(piece, String::new, |mut text, piece: &str| {
        text.push_str(piece);
        text
    });
    let end = pair(opt(char('\\')), opt(char('"')));
    map(preceded(char('"'), pair(text, end)), |(text, (_, closing))| Item::Quoted {
        text,
        closed: closing.is_some(),
    })
    .parse(input)
}
