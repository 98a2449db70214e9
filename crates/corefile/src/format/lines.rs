//! The lines of a file as they were written: words with their quotes, and comments.

use std::borrow::Cow;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::lexer::{Item, item};
use crate::limits::{FILE_OCTETS, WORDS_PER_LINE};
use crate::token::Position;

/// Words and comment of one line, or of several, if line feeds stand inside of quotes.
#[derive(Default)]
pub(super) struct Line<'a> {
    /// Whether empty lines stand before it.
    pub(super) is_apart: bool,
    pub(super) words: Vec<Word<'a>>,
    pub(super) comment: Option<&'a str>,
}

/// A word as it was written.
pub(super) struct Word<'a> {
    pub(super) raw: Cow<'a, str>,
    pub(super) brace: Brace,
    pub(super) position: Position,
}

/// Whether a word opens or closes a block. Quotes make no difference to that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Brace {
    None,
    Opening,
    Closing,
}

/// All lines that are not empty.
pub(super) fn lines<'a>(name: &str, octets: &'a [u8]) -> Result<Vec<Line<'a>>, Diagnostic> {
    let mut position = Position { file: name.into(), line: 1, column: 1 };
    if octets.len() > FILE_OCTETS {
        let size = octets.len();
        let message = format!("file of {size} octets is too large: the limit is {FILE_OCTETS}");
        return Err(Diagnostic::parsing(position, message));
    }
    let text = std::str::from_utf8(octets).map_err(|error| {
        position.line = line_at(octets, error.valid_up_to());
        Diagnostic::parsing(position.clone(), "not UTF-8")
    })?;
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = Vec::new();
    let mut line = Line::default();
    // Every item has at least one character, so the loop ends.
    while let Ok((after, item)) = item(rest) {
        let taken = rest.get(..rest.len() - after.len()).unwrap_or_default();
        match item {
            Item::Blank => end_lines(&mut lines, &mut line, taken.matches('\n').count()),
            Item::Comment => line.comment = Some(taken),
            Item::Word(text) => push(&mut line, &position, brace(&text), text)?,
            Item::Quoted { text, closed: true } => {
                push(&mut line, &position, brace(&text), Cow::Borrowed(taken))?;
            }
            Item::Quoted { closed: false, .. } => {
                let message = "quote is not closed";
                return Err(Diagnostic::parsing(position, message));
            }
        }
        position = moved(&position, taken);
        rest = after;
    }
    end_lines(&mut lines, &mut line, 1);
    Ok(lines)
}

fn push<'a>(
    line: &mut Line<'a>,
    position: &Position,
    brace: Brace,
    raw: Cow<'a, str>,
) -> Result<(), Diagnostic> {
    if line.words.len() == WORDS_PER_LINE {
        let message = format!("more than {WORDS_PER_LINE} words on one line");
        return Err(Diagnostic::parsing(position.clone(), message));
    }
    line.words.push(Word { raw, brace, position: position.clone() });
    Ok(())
}

fn end_lines<'a>(lines: &mut Vec<Line<'a>>, line: &mut Line<'a>, feeds: usize) {
    if feeds == 0 {
        return;
    }
    let mut ended = std::mem::take(line);
    line.is_apart = feeds > 1;
    if ended.words.is_empty() && ended.comment.is_none() {
        line.is_apart |= ended.is_apart;
        return;
    }
    ended.words.shrink_to_fit();
    lines.push(ended);
}

fn brace(text: &str) -> Brace {
    match text {
        "{" => Brace::Opening,
        "}" => Brace::Closing,
        _ => Brace::None,
    }
}

fn moved(position: &Position, taken: &str) -> Position {
    let feeds = u32::try_from(taken.matches('\n').count()).unwrap_or(u32::MAX);
    let tail = taken.rsplit('\n').next().unwrap_or_default();
    let width = u32::try_from(tail.chars().count()).unwrap_or(u32::MAX);
    let start = if feeds > 0 { 1 } else { position.column };
    Position {
        file: Arc::clone(&position.file),
        line: position.line.saturating_add(feeds),
        column: start.saturating_add(width),
    }
}

fn line_at(octets: &[u8], end: usize) -> u32 {
    let before = octets.get(..end).unwrap_or_default();
    let feeds = before.iter().filter(|octet| **octet == b'\n').count();
    u32::try_from(feeds).unwrap_or(u32::MAX).saturating_add(1)
}
