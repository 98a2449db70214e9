//! The words of a record in zone-file form (RFC 1035 §5.1).

/// A word, with its escapes still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) is_quoted: bool,
    /// Line, and octet in it, where Go's parser says that it ends.
    pub(super) place: (usize, usize),
}

/// A record that cannot be read, in the words of Go's parser.
pub(super) fn mistake(text: &str, word: Option<&Word>) -> String {
    let (line, column) = word.map_or((1, 0), |word| word.place);
    let shown = dunlin_core::corefile::go::quote(word.map_or("", |word| &word.text));
    format!("dns: {text}: {shown} at line: {line}:{column}")
}

/// The words of the first line that has some; parentheses hold lines together.
pub(super) fn first_record(text: &str) -> Result<Vec<Word>, String> {
    let mut reader = Reader { characters: text.chars().peekable(), line: 1, column: 0 };
    let mut words = Vec::new();
    let mut depth = 0_u32;
    while let Some(character) = reader.next() {
        match character {
            ';' => reader.skip_line(),
            '(' => depth += 1,
            ')' => {
                depth = depth.checked_sub(1).ok_or_else(|| mistake("extra closing brace", None))?;
            }
            '\n' if depth == 0 && !words.is_empty() => return Ok(words),
            ' ' | '\t' | '\r' | '\n' => {}
            _ => words.push(reader.word(character)?),
        }
    }
    if depth > 0 { Err(mistake("unbalanced brace", words.last())) } else { Ok(words) }
}

struct Reader<'t> {
    characters: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
    column: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.characters.next()?;
        if character == '\n' {
            self.line += 1;
            self.column = 0;
        } else {
            self.column += character.len_utf8();
        }
        Some(character)
    }

    fn skip_line(&mut self) {
        while self.characters.peek().is_some_and(|next| *next != '\n') {
            self.next();
        }
    }

    fn word(&mut self, first: char) -> Result<Word, String> {
        let is_quoted = first == '"';
        let mut text = if is_quoted { String::new() } else { first.to_string() };
        let mut is_escaped = first == '\\';
        loop {
            let next = self.characters.peek().copied();
            let ends = match next {
                None => true,
                Some(_) if is_escaped => false,
                Some('"') => true,
                Some(next) => {
                    !is_quoted && matches!(next, ' ' | '\t' | '\r' | '\n' | ';' | '(' | ')')
                }
            };
            if ends {
                break;
            }
            let Some(next) = self.next() else { break };
            is_escaped = next == '\\' && !is_escaped;
            text.push(next);
        }
        // Go counts what ends the word, but for the end of the line.
        let is_line_end = self.characters.peek().is_none_or(|next| *next == '\n');
        let place = (self.line, self.column + usize::from(!is_line_end));
        let word = Word { text, is_quoted, place };
        if is_quoted && self.next() != Some('"') {
            return Err(mistake("unterminated quoted string", Some(&word)));
        }
        Ok(word)
    }
}

/// The octets of a word without its escapes; `None` for a broken one.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let first = rest.next()?;
        if !first.is_ascii_digit() {
            octets.push(first);
            continue;
        }
        let digits = [first, rest.next()?, rest.next()?];
        octets.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
    }
    Some(octets)
}
