//! A Corefile in canonical layout, with its comments: what `dunlin fmt` prints. Unlike [`print`](fn@crate::print), which
//! writes a tree, it lays out one file as its author wrote it: imports, references to the environment and quotes stay.
//!
//! A line is what separates two directives, so that lines stay lines. What changes is all around the words: indent,
//! blanks, empty lines, and the place of the `{` behind the keys of a block.

mod lines;
#[cfg(test)]
mod tests;

use self::lines::{Brace, Line, Word, lines};
use crate::diagnostic::Diagnostic;

/// The text of a file in canonical layout: four blanks a level, one blank between words, no more than one empty line at
/// a time, one between server blocks, none at the edges of a block. It may be a part that others import.
///
/// # Errors
/// Braces without a partner, a quote that is not closed, octets that are not UTF-8, a file beyond the limits of the
/// parser. `name` is the file in messages.
pub fn format(name: &str, octets: &[u8]) -> Result<String, Diagnostic> {
    let lines = lines(name, octets)?;
    let mut printer = Printer::default();
    for line in &lines {
        printer.line(line)?;
    }
    match (printer.depth, lines.iter().rev().find_map(|line| line.words.last())) {
        (1.., Some(last)) => {
            let message = "Unexpected end of file, expecting '}'";
            Err(Diagnostic::parsing(last.position.clone(), message))
        }
        _ => Ok(printer.finish()),
    }
}

#[derive(Default)]
struct Printer {
    text: String,
    depth: usize,
    before: Before,
    /// The keys of a server block are complete: further lines without `{` are its directives, and a `{`
    /// behind one of these belongs to its own line.
    has_keys: bool,
}

/// What the line before was.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Nothing,
    /// The end of an outermost block.
    EndOfBlock,
    /// It opened a block.
    Opening,
    /// Words at the outermost level, and no more: keys that wait for their `{`, if they are keys.
    Keys,
    Other,
}

impl Printer {
    fn line(&mut self, line: &Line<'_>) -> Result<(), Diagnostic> {
        let first = line.words.first().map_or(Brace::None, |word| word.brace);
        if first == Brace::Opening && self.before == Before::Keys {
            self.text.pop();
            self.text.push(' ');
        } else {
            self.empty_line(line.is_apart && first != Brace::Closing);
            let leading = line.words.iter().take_while(|word| word.brace == Brace::Closing);
            self.indent(self.depth.saturating_sub(leading.count()));
        }
        for (index, word) in line.words.iter().enumerate() {
            if index > 0 {
                self.text.push(' ');
            }
            self.word(word)?;
        }
        if let Some(comment) = line.comment {
            if !line.words.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(comment.trim_end());
        }
        self.text.push('\n');
        self.before = self.kind(line);
        self.note_keys(line);
        Ok(())
    }

    fn empty_line(&mut self, wanted: bool) {
        let is_needed = match self.before {
            Before::Nothing | Before::Opening => false,
            Before::EndOfBlock => true,
            Before::Keys | Before::Other => wanted,
        };
        if is_needed {
            self.text.push('\n');
        }
    }

    fn word(&mut self, word: &Word<'_>) -> Result<(), Diagnostic> {
        match word.brace {
            Brace::None => {}
            Brace::Opening => self.depth += 1,
            Brace::Closing => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| {
                    let message = "Unexpected '}' because no matching opening brace";
                    Diagnostic::parsing(word.position.clone(), message)
                })?;
            }
        }
        self.text.push_str(&word.raw);
        Ok(())
    }

    fn kind(&self, line: &Line<'_>) -> Before {
        let closes = line.words.iter().any(|word| word.brace == Brace::Closing);
        match line.words.last().map(|word| word.brace) {
            Some(Brace::Opening) => Before::Opening,
            Some(_) if closes && self.depth == 0 => Before::EndOfBlock,
            Some(_) if self.depth == 0 && line.comment.is_none() && !self.has_keys => Before::Keys,
            _ => Before::Other,
        }
    }

    fn note_keys(&mut self, line: &Line<'_>) {
        let (Some(first), Some(last)) = (line.words.first(), line.words.last()) else { return };
        if self.depth > 0 || self.before == Before::EndOfBlock {
            self.has_keys = false;
        } else if first.raw != "import" && !last.raw.ends_with(',') {
            self.has_keys = true;
        }
    }

    fn indent(&mut self, depth: usize) {
        // Deep nesting only ever comes from strange input, and would make the text grow by its square.
        self.text.extend(std::iter::repeat_n("    ", depth.min(8)));
    }

    fn finish(mut self) -> String {
        // One mark at the start of a file is not part of its first word; that one is.
        if self.text.starts_with('\u{feff}') {
            self.text.insert(0, '\u{feff}');
        }
        self.text
    }
}
