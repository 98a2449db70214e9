//! Rust source cut into code, comments and literals. It knows enough of the language not to take a comment or a text for code, and no more.

/// A source with everything but code blanked, line by line, and its string literals.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// As many lines as the source.
    pub(crate) code: String,
    /// Line of the opening quote, and the text between the quotes, escapes left as they are.
    pub(crate) literals: Vec<(usize, String)>,
}

enum Piece {
    Code,
    Blank,
    Literal { quotes: usize },
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let mut source = Self::default();
        let (mut rest, mut previous, mut line) = (text, ' ', 1);
        while let Some(first) = rest.chars().next() {
            let (piece, length) = next_piece(rest, first, previous);
            let (taken, left) = rest.split_at(length);
            match piece {
                Piece::Code => source.code.push_str(taken),
                Piece::Blank => source.blank(taken),
                Piece::Literal { quotes } => {
                    source.blank(taken);
                    let open = taken.find('"').map_or(0, |at| at + 1);
                    let inner =
                        taken.get(open..taken.len().saturating_sub(quotes)).unwrap_or_default();
                    source.literals.push((line, inner.to_owned()));
                }
            }
            line += taken.matches('\n').count();
            previous = taken.chars().next_back().unwrap_or(' ');
            rest = left;
        }
        source
    }

    fn blank(&mut self, taken: &str) {
        self.code.extend(taken.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
    }
}

fn next_piece(rest: &str, first: char, previous: char) -> (Piece, usize) {
    if rest.starts_with("//") {
        return (Piece::Blank, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Blank, block_comment(rest));
    }
    if first == '"' {
        return (Piece::Literal { quotes: 1 }, quoted(rest));
    }
    if !is_word(previous)
        && let Some((length, quotes)) = raw(rest)
    {
        return (Piece::Literal { quotes }, length);
    }
    if first == '\''
        && let Some(length) = character(rest)
    {
        return (Piece::Blank, length);
    }
    (Piece::Code, first.len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if tail.starts_with("*/") {
            (depth, at) = (depth.saturating_sub(1), at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `br#"…"#`, `c"…"` is left to `quoted`. Gives the length, and how much of its end is quote and hashes.
fn raw(rest: &str) -> Option<(usize, usize)> {
    let unmarked = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let open = unmarked.trim_start_matches('#');
    let hashes = unmarked.len() - open.len();
    let inner = open.strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = inner.find(&close).map_or(inner.len(), |at| at + close.len());
    Some((rest.len() - inner.len() + end, close.len()))
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    if rest.starts_with("'\\") {
        return rest
            .char_indices()
            .skip(3)
            .find(|(_, character)| *character == '\'')
            .map(|(at, _)| at + 1);
    }
    let mut characters = rest.char_indices().skip(2);
    characters.next().filter(|(_, character)| *character == '\'').map(|(at, _)| at + 1)
}

pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether `word` stands in `text` with no letter, digit or underscore beside it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, found) = text.split_at(at);
        let after = found.strip_prefix(word).unwrap_or_default();
        !before.ends_with(is_word) && !after.starts_with(is_word)
    })
}

/// The lines, from 1, in which `word` stands.
pub(crate) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    code.lines()
        .zip(1..)
        .filter(|(line, _)| has_word(line, word))
        .map(|(_, number)| number)
        .collect()
}

/// The line, from 1, of a byte offset.
pub(crate) fn line_at(code: &str, offset: usize) -> usize {
    code.get(..offset).map_or(0, |before| before.matches('\n').count()) + 1
}

#[test]
fn comments_and_literals_are_not_code() {
    let table = [
        ("a // word\nb", "a        \nb", vec![]),
        ("a /* x /* word */ */ b", "a                    b", vec![]),
        (r#"f("word \" //") + 1"#, "f(            ) + 1", vec![(1, r#"word \" //"#)]),
        ("\n br##\"word \"# x\"##;", "\n                  ;", vec![(2, "word \"# x")]),
        ("b\"w\" var\"w\"", "b    var   ", vec![(1, "w"), (1, "w")]),
        (r#"'"' '\'' '\u{41}' &'a b"#, r"                  &'a b", vec![]),
        ("\"open", "     ", vec![(1, "ope")]),
    ];
    for (text, code, literals) in table {
        let source = Source::read(text);
        assert_eq!(source.code, code, "{text}");
        let found: Vec<(usize, &str)> =
            source.literals.iter().map(|(line, literal)| (*line, literal.as_str())).collect();
        assert_eq!(found, literals, "{text}");
    }
}

#[test]
fn a_word_ends_where_an_identifier_does() {
    let table = [
        ("a unsafe {", true),
        ("unsafe_code", false),
        ("(unsafe)", true),
        ("not_unsafe", false),
        ("", false),
    ];
    for (text, expected) in table {
        assert_eq!(has_word(text, "unsafe"), expected, "{text}");
    }
}
