//! Text to pieces: what stands outside of `{{` and `}}`, and the tokens of each action.

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Its place in the text.
    pub(super) at: usize,
    pub(super) text: String,
}

impl Mistake {
    pub(super) fn new(at: usize, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// Text, or an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// Its tokens, and where it ends.
    Action(Vec<Token>, usize),
}

/// A token of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    /// Whether no blank stands in front of it.
    pub(super) is_glued: bool,
    /// As written.
    pub(super) text: String,
    pub(super) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// A function or a keyword.
    Word,
    /// `.name`, without the dot.
    Field(String),
    /// `$name`
    Variable,
    /// A lone dot.
    Dot,
    /// A quoted text, as it reads.
    String(String),
    Number(i128),
    /// `|`, `(`, `)`, `:=`, `=`, `,`
    Sign,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// The pieces of a template, trimmed where it says so.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Mistake> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trims = false;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let found = rest.find(OPEN);
        let mut literal = found.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        if trims {
            literal = literal.trim_start_matches(BLANKS);
        }
        let Some(open) = found.map(|open| at + open) else {
            push_text(&mut pieces, literal);
            return Ok(pieces);
        };
        let inside = text.get(open + OPEN.len()..).unwrap_or_default();
        let trims_before = inside.starts_with('-') && inside.chars().nth(1).is_some_and(is_blank);
        push_text(
            &mut pieces,
            if trims_before { literal.trim_end_matches(BLANKS) } else { literal },
        );
        let start = open + OPEN.len() + usize::from(trims_before);
        let mut lexer = Lexer { text, at: start };
        let action = if lexer.skip_comment()? { None } else { Some(lexer.tokens(open)?) };
        if let Some(tokens) = action {
            pieces.push(Piece::Action(tokens, lexer.at));
        }
        trims = lexer.close(open)?;
        at = lexer.at;
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_blank(character: char) -> bool {
    BLANKS.contains(&character)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) -> bool {
        let before = self.rest().len();
        let after = self.rest().trim_start_matches(BLANKS).len();
        self.at += before - after;
        before != after
    }

    /// Whether a comment stood here; only the closing braces may follow.
    fn skip_comment(&mut self) -> Result<bool, Mistake> {
        let start = self.at;
        self.skip_blanks();
        if !self.rest().starts_with("/*") {
            self.at = start;
            return Ok(false);
        }
        let Some(end) = self.rest().find("*/") else {
            return Err(Mistake::new(start, "unclosed comment"));
        };
        self.at += end + 2;
        let closes = self.rest().starts_with(CLOSE) || self.trims_behind();
        if closes {
            Ok(true)
        } else {
            Err(Mistake::new(start, "comment ends before closing delimiter"))
        }
    }

    /// ` -}}` stands here.
    fn trims_behind(&self) -> bool {
        let rest = self.rest();
        rest.starts_with(is_blank) && rest.trim_start_matches(BLANKS).starts_with("-}}")
    }

    /// Moves behind the closing braces and says whether the blanks after them go.
    fn close(&mut self, open: usize) -> Result<bool, Mistake> {
        let trims = self.trims_behind();
        self.skip_blanks();
        self.at += usize::from(trims);
        if !self.rest().starts_with(CLOSE) {
            return Err(Mistake::new(open, "unclosed action"));
        }
        self.at += CLOSE.len();
        Ok(trims)
    }

    fn tokens(&mut self, open: usize) -> Result<Vec<Token>, Mistake> {
        let mut tokens = Vec::new();
        loop {
            let ends = self.trims_behind();
            let is_glued = !self.skip_blanks();
            if ends || self.rest().starts_with(CLOSE) {
                // The end is for `close` to see, blanks in front of it included.
                self.at -= usize::from(ends);
                return Ok(tokens);
            }
            let at = self.at;
            let kind = self.token(open)?;
            let text = self.text.get(at..self.at).unwrap_or_default().to_owned();
            tokens.push(Token { at, is_glued, text, kind });
        }
    }

    fn token(&mut self, open: usize) -> Result<TokenKind, Mistake> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(Mistake::new(open, "unclosed action"));
        };
        match first {
            '"' | '`' | '\'' => self.quoted(first),
            '$' => {
                self.at += 1;
                self.word();
                Ok(TokenKind::Variable)
            }
            '.' => {
                self.at += 1;
                let name = self.word();
                Ok(if name.is_empty() { TokenKind::Dot } else { TokenKind::Field(name.to_owned()) })
            }
            '|' | '(' | ')' | ',' | '=' => {
                self.at += 1;
                Ok(TokenKind::Sign)
            }
            ':' if rest.starts_with(":=") => {
                self.at += 2;
                Ok(TokenKind::Sign)
            }
            '+' | '-' | '0'..='9' => self.number(),
            _ if is_word(first) => {
                self.word();
                Ok(TokenKind::Word)
            }
            _ => {
                let code = u32::from(first);
                Err(Mistake::new(
                    self.at,
                    format!("unexpected unrecognized character in action: U+{code:04X} '{first}'"),
                ))
            }
        }
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn number(&mut self) -> Result<TokenKind, Mistake> {
        let start = self.at;
        let rest = self.rest();
        let is_part = |character: char| {
            character.is_alphanumeric() || matches!(character, '_' | '.' | '+' | '-')
        };
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        self.at += end;
        let text = rest.get(..end).unwrap_or_default();
        super::numbers::literal(text)
            .map(TokenKind::Number)
            .ok_or_else(|| Mistake::new(start, format!("bad number syntax: \"{text}\"")))
    }

    fn quoted(&mut self, quote: char) -> Result<TokenKind, Mistake> {
        let start = self.at;
        let what = match quote {
            '`' => "unterminated raw quoted string",
            '"' => "unterminated quoted string",
            _ => "unterminated character constant",
        };
        self.at += 1;
        let mut value = String::new();
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next().filter(|next| quote == '`' || *next != '\n')
            else {
                return Err(Mistake::new(start, what));
            };
            if next == quote {
                self.at += 1;
                break;
            }
            if next == '\\' && quote != '`' {
                let (character, length) = super::numbers::escape(rest)
                    .ok_or_else(|| Mistake::new(start, "invalid syntax"))?;
                value.push(character);
                self.at += length;
            } else {
                value.push(next);
                self.at += next.len_utf8();
            }
        }
        if quote != '\'' {
            return Ok(TokenKind::String(value));
        }
        let mut characters = value.chars();
        match (characters.next(), characters.next()) {
            (Some(one), None) => Ok(TokenKind::Number(u32::from(one).into())),
            _ => Err(Mistake::new(start, "malformed character constant")),
        }
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}
