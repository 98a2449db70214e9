//! A tree as text again.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::tree::{Corefile, Directive, ServerBlock};

/// A word that no Corefile can hold; only the value of an environment variable can be one, or a tree made by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("word cannot be written in a Corefile: {}", crate::go::quote(.text))]
#[non_exhaustive]
pub struct Unprintable {
    /// The word.
    pub text: Arc<str>,
}

/// The Corefile in canonical layout: four blanks a level, every line of a directive on its own line, quotes where needed.
/// Parsing the text gives a tree of the same structure; imports and environment variables are gone from it, and a word
/// that still reads `{$NAME}` would be expanded once more.
///
/// # Errors
/// A word that cannot be written so that it is read back.
pub fn print(corefile: &Corefile) -> Result<String, Unprintable> {
    let mut printer = Printer { text: String::new() };
    for block in &corefile.blocks {
        if !printer.text.is_empty() {
            printer.text.push('\n');
        }
        printer.block(block)?;
    }
    Ok(printer.text)
}

struct Printer {
    text: String,
}

impl Printer {
    fn block(&mut self, block: &ServerBlock) -> Result<(), Unprintable> {
        let Some((last, others)) = block.keys.split_last() else { return Ok(()) };
        for key in others {
            let text = format!("{},", key.text);
            self.word(&text)?;
            self.text.push(' ');
        }
        let unreadable = last.text.is_empty()
            || last.text.ends_with(',')
            || is_structural(&last.text)
            || last.is("{}");
        if unreadable
            || (others.is_empty() && last.text.starts_with('(') && last.text.ends_with(')'))
        {
            return Err(Unprintable { text: Arc::clone(&last.text) });
        }
        // An empty word in front keeps the key from being the first of its line.
        if others.is_empty() && last.is("import") {
            self.text.push_str("\"\" ");
        }
        self.word(&last.text)?;
        self.text.push_str(" {\n");
        for directive in &block.directives {
            self.directive(directive)?;
        }
        self.text.push_str("}\n");
        Ok(())
    }

    fn directive(&mut self, directive: &Directive) -> Result<(), Unprintable> {
        if is_structural(&directive.name.text) || directive.name.is("import") {
            return Err(Unprintable { text: Arc::clone(&directive.name.text) });
        }
        self.indent(1);
        self.word(&directive.name.text)?;
        let mut depth: usize = 1;
        let mut previous = &directive.name;
        for token in &directive.tokens {
            let starts_line = !previous.shares_line_with(token);
            if (token.expanded && is_structural(&token.text)) || (starts_line && token.is("import"))
            {
                return Err(Unprintable { text: Arc::clone(&token.text) });
            }
            depth = if token.is("}") { depth.saturating_sub(1) } else { depth };
            if starts_line {
                self.text.push('\n');
                self.indent(depth);
            } else {
                self.text.push(' ');
            }
            self.word(&token.text)?;
            depth += usize::from(token.is("{"));
            previous = token;
        }
        self.text.push('\n');
        Ok(())
    }

    fn indent(&mut self, depth: usize) {
        // Deep nesting only ever comes from strange input, and would make the text grow by its square.
        self.text.extend(std::iter::repeat_n("    ", depth.min(8)));
    }

    fn word(&mut self, word: &str) -> Result<(), Unprintable> {
        let is_plain = |c: char| !(c.is_whitespace() || c == '#');
        if !word.is_empty() && !word.starts_with(['"', '\u{feff}']) && word.chars().all(is_plain) {
            self.text.push_str(word);
            return Ok(());
        }
        let quoted = quote(word).ok_or_else(|| Unprintable { text: word.into() })?;
        self.text.push_str(&quoted);
        Ok(())
    }
}

fn is_structural(text: &str) -> bool {
    matches!(text, "{" | "}")
}

/// A backslash always takes the next character with it, so that an odd one before a quote, or at the end, cannot be
/// written.
fn quote(word: &str) -> Option<String> {
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => {
                let shielded = characters.next().filter(|&next| next != '"')?;
                quoted.extend(['\\', shielded]);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    Some(quoted)
}
