//! Text to tokens.

use super::Mistake;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Integer(i64),
    Float(f64),
    Text(String),
    Name(String),
    /// Operators, brackets and commas.
    Sign(&'static str),
    End,
}

impl Token {
    /// As expr-lang names it in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Integer(number) => format!("Number(\"{number}\")"),
            Self::Float(number) => format!("Number(\"{number}\")"),
            Self::Text(text) => format!("String({text:?})"),
            Self::Name(name) => format!("Identifier(\"{name}\")"),
            Self::Sign(sign @ ("(" | ")" | "[" | "]" | "{" | "}")) => {
                format!("Bracket(\"{sign}\")")
            }
            Self::Sign(sign) => format!("Operator(\"{sign}\")"),
            Self::End => "EOF".into(),
        }
    }
}

/// Longer signs stand before those that they begin with.
const SIGNS: [&str; 28] = [
    "**", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "..", "(", ")", "[", "]", "{", "}", ",",
    "?", ":", "<", ">", "!", "+", "-", "*", "/", "%", "^",
];

/// All tokens with their columns; the last one is the end.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, usize)>, Mistake> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let column = lexer.column();
        let token = lexer.token()?;
        let is_end = token == Token::End;
        tokens.push((token, column));
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn column(&self) -> usize {
        self.text.get(..self.at).unwrap_or_default().chars().count() + 1
    }

    fn mistake(&self, text: impl Into<String>) -> Mistake {
        Mistake { text: text.into(), column: self.column() }
    }

    fn skip_blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes what `belongs`.
    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|character| !belongs(character)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn token(&mut self) -> Result<Token, Mistake> {
        let Some(first) = self.rest().chars().next() else { return Ok(Token::End) };
        match first {
            '0'..='9' => self.number(),
            '\'' | '"' => self.quoted(first),
            '`' => self.raw(),
            '#' => {
                self.at += 1;
                Ok(Token::Name("#".into()))
            }
            _ if first.is_alphabetic() || matches!(first, '_' | '$') => {
                let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                Ok(Token::Name(self.take(is_part).to_owned()))
            }
            _ => {
                let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign));
                let sign =
                    sign.ok_or_else(|| self.mistake(format!("unrecognized character: {first:?}")))?;
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
        }
    }

    /// `1`, `1_000`, `0xff`, `1.5`, `1e3`; but `1..3` is a range.
    fn number(&mut self) -> Result<Token, Mistake> {
        let start = self.at;
        let digits = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_hexadecimal = digits.starts_with("0x");
        let rest = self.rest();
        if !is_hexadecimal && rest.starts_with('.') && !rest.starts_with("..") {
            self.at += 1;
            self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        }
        let raw = self.text.get(start..self.at).unwrap_or_default().replace('_', "");
        let token = match raw.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16).ok().map(Token::Integer),
            None if raw.contains(['.', 'e', 'E']) => raw.parse().ok().map(Token::Float),
            None => raw.parse().ok().map(Token::Integer),
        };
        token.ok_or_else(|| {
            self.at = start;
            self.mistake(format!("bad number syntax: {raw:?}"))
        })
    }

    fn raw(&mut self) -> Result<Token, Mistake> {
        let inside = self.rest().get(1..).unwrap_or_default();
        let Some(length) = inside.find('`') else { return Err(self.mistake(NOT_TERMINATED)) };
        self.at += length + 2;
        Ok(Token::Text(inside.get(..length).unwrap_or_default().to_owned()))
    }

    fn quoted(&mut self, quote: char) -> Result<Token, Mistake> {
        let mut text = String::new();
        let inside = self.rest().get(1..).unwrap_or_default();
        let mut characters = inside.chars();
        loop {
            match characters.next() {
                None => return Err(self.mistake(NOT_TERMINATED)),
                Some(character) if character == quote => break,
                Some('\\') => {
                    let character = escaped(&mut characters);
                    text.push(character.ok_or_else(|| self.mistake("invalid char escape"))?);
                }
                Some(character) => text.push(character),
            }
        }
        self.at += 1 + inside.len() - characters.as_str().len();
        Ok(Token::Text(text))
    }
}

/// What follows a backslash: Go's escapes.
fn escaped(characters: &mut std::str::Chars<'_>) -> Option<char> {
    let width = match characters.next()? {
        'a' => return Some('\u{7}'),
        'b' => return Some('\u{8}'),
        'f' => return Some('\u{c}'),
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'v' => return Some('\u{b}'),
        same @ ('\\' | '\'' | '"' | '`') => return Some(same),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let mut code = 0_u32;
    for _ in 0..width {
        code = code.checked_mul(16)?.checked_add(characters.next()?.to_digit(16)?)?;
    }
    char::from_u32(code)
}

const NOT_TERMINATED: &str = "literal not terminated";
