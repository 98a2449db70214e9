//! Pieces to a tree.

use super::functions::Function;
use super::lexer::{Mistake, Piece, Token, TokenKind, pieces};
use super::tree::{Branch, BranchKind, Command, Node, Operand, OperandKind, Pipe};

/// Branches and parentheses inside of each other.
const MAX_DEPTH: usize = 64;

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Mistake> {
    let mut parser = Parser {
        pieces: pieces(text)?.into_iter(),
        variables: vec!["$".into()],
        depth: 0,
        ranges: 0,
        end: text.len(),
    };
    match parser.list()? {
        (nodes, Stop::Text) => Ok(nodes),
        (_, Stop::End(at)) => Err(Mistake::new(at, "unexpected {{end}}")),
        (_, Stop::Else(at, _)) => Err(Mistake::new(at, "unexpected {{else}}")),
    }
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// Names in scope.
    variables: Vec<String>,
    depth: usize,
    /// How many `range` stand around this place.
    ranges: usize,
    end: usize,
}

/// Why a list of nodes ended.
enum Stop {
    /// The text is over.
    Text,
    /// `{{end}}` here.
    End(usize),
    /// `{{else}}` here, with what follows the word.
    Else(usize, Words),
}

/// The tokens of an action, one after the other.
struct Words {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    end: usize,
}

impl Words {
    fn at(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |token| token.at)
    }

    fn takes(&mut self, text: &str) -> bool {
        self.tokens.next_if(|token| token.text == text && is_sign_or_word(token)).is_some()
    }

    fn is_over(&mut self) -> bool {
        self.tokens.peek().is_none()
    }

    fn unexpected(&mut self, context: &str) -> Mistake {
        match self.tokens.peek() {
            Some(token) => {
                Mistake::new(token.at, format!("unexpected <{}> in {context}", token.text))
            }
            None => Mistake::new(self.end, format!("missing value for {context}")),
        }
    }
}

fn is_sign_or_word(token: &Token) -> bool {
    matches!(token.kind, TokenKind::Sign | TokenKind::Word)
}

impl Parser {
    /// Nodes up to `end`, `else` or the end of the text.
    fn list(&mut self) -> Result<(Vec<Node>, Stop), Mistake> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (tokens, end) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens, end) => (tokens, end),
            };
            let mut words = Words { tokens: tokens.into_iter().peekable(), end };
            let at = words.at();
            if words.takes("end") {
                self.nothing_more(&mut words, "end")?;
                return Ok((nodes, Stop::End(at)));
            }
            if words.takes("else") {
                return Ok((nodes, Stop::Else(at, words)));
            }
            nodes.push(self.action(&mut words)?);
        }
        Ok((nodes, Stop::Text))
    }

    fn action(&mut self, words: &mut Words) -> Result<Node, Mistake> {
        let at = words.at();
        let keywords =
            [("if", BranchKind::If), ("with", BranchKind::With), ("range", BranchKind::Range)];
        for (keyword, kind) in keywords {
            if words.takes(keyword) {
                return self.branch(kind, words, at).map(Node::Branch);
            }
        }
        for (keyword, node) in [("break", Node::Break), ("continue", Node::Continue)] {
            if words.takes(keyword) {
                self.nothing_more(words, keyword)?;
                let is_inside = self.ranges > 0;
                let outside =
                    || Mistake::new(at, format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                return is_inside.then_some(node).ok_or_else(outside);
            }
        }
        for keyword in ["define", "template", "block"] {
            if words.takes(keyword) {
                return Err(Mistake::new(at, format!("{{{{{keyword}}}}} is not supported")));
            }
        }
        let pipe = self.pipe(words, "command", false)?;
        self.nothing_more(words, "command")?;
        Ok(Node::Action(pipe))
    }

    fn nothing_more(&self, words: &mut Words, context: &str) -> Result<(), Mistake> {
        if words.is_over() { Ok(()) } else { Err(words.unexpected(context)) }
    }

    fn enter(&mut self, at: usize) -> Result<(), Mistake> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Mistake::new(at, "too deeply nested"));
        }
        Ok(())
    }

    fn branch(
        &mut self,
        kind: BranchKind,
        words: &mut Words,
        at: usize,
    ) -> Result<Branch, Mistake> {
        self.enter(at)?;
        let (known, ranges) = (self.variables.len(), self.ranges);
        let context = match kind {
            BranchKind::If => "if",
            BranchKind::With => "with",
            BranchKind::Range => "range",
        };
        let pipe = self.pipe(words, context, kind == BranchKind::Range)?;
        self.nothing_more(words, context)?;
        self.ranges += usize::from(kind == BranchKind::Range);
        let (body, stop) = self.list()?;
        self.ranges = ranges;
        let otherwise = match stop {
            Stop::End(_) => Vec::new(),
            Stop::Text => return Err(Mistake::new(self.end, "unexpected EOF")),
            Stop::Else(at, words) => self.otherwise(kind, words, at)?,
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(Branch { kind, pipe, body, otherwise })
    }

    /// What follows `else`: nodes up to `end`, or another branch of the same kind, which the same
    /// `end` closes.
    fn otherwise(
        &mut self,
        kind: BranchKind,
        mut words: Words,
        at: usize,
    ) -> Result<Vec<Node>, Mistake> {
        for (keyword, next) in [("if", BranchKind::If), ("with", BranchKind::With)] {
            if kind == next && words.takes(keyword) {
                return Ok(vec![Node::Branch(self.branch(next, &mut words, at)?)]);
            }
        }
        self.nothing_more(&mut words, "else")?;
        match self.list()? {
            (nodes, Stop::End(_)) => Ok(nodes),
            (_, Stop::Else(at, _)) => Err(Mistake::new(at, "expected end; found {{else}}")),
            (_, Stop::Text) => Err(Mistake::new(self.end, "unexpected EOF")),
        }
    }

    /// `[$a[, $b] :=] command | command …`
    fn pipe(&mut self, words: &mut Words, context: &str, is_range: bool) -> Result<Pipe, Mistake> {
        let (variables, assigns) = self.declared(words, context, is_range)?;
        let mut commands = vec![self.command(words, context)?];
        while words.takes("|") {
            let at = words.at();
            let command = self.command(words, context)?;
            let is_function = matches!(
                command.words.first().map(|word| &word.kind),
                Some(
                    OperandKind::Function(_)
                        | OperandKind::Field(_)
                        | OperandKind::Variable(..)
                        | OperandKind::Nested(..)
                )
            );
            commands.push(command);
            if !is_function {
                let text = format!("non executable command in pipeline stage {}", commands.len());
                return Err(Mistake::new(at, text));
            }
        }
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipe { variables, assigns, commands })
    }

    /// The variables that a pipeline sets, and whether they must exist.
    fn declared(
        &mut self,
        words: &mut Words,
        context: &str,
        is_range: bool,
    ) -> Result<(Vec<String>, bool), Mistake> {
        let ahead: Vec<Token> = words.tokens.clone().take(4).collect();
        let text = |index: usize| ahead.get(index).map_or("", |token| token.text.as_str());
        let is_variable =
            |index: usize| ahead.get(index).is_some_and(|token| token.kind == TokenKind::Variable);
        let (names, sign) = if is_variable(0) && is_set(text(1)) {
            (vec![text(0).to_owned()], text(1))
        } else if is_variable(0) && text(1) == "," && is_variable(2) && is_set(text(3)) {
            if !is_range {
                return Err(Mistake::new(
                    words.at(),
                    format!("too many declarations in {context}"),
                ));
            }
            (vec![text(0).to_owned(), text(2).to_owned()], text(3))
        } else {
            return Ok((Vec::new(), false));
        };
        let assigns = sign == "=";
        for name in names.iter().filter(|_| assigns) {
            self.known(name, words.at())?;
        }
        words.tokens.by_ref().take(names.len() * 2).for_each(drop);
        Ok((names, assigns))
    }

    fn known(&self, name: &str, at: usize) -> Result<(), Mistake> {
        let is_known = self.variables.iter().any(|known| known == name);
        let unknown = || Mistake::new(at, format!("undefined variable \"{name}\""));
        is_known.then_some(()).ok_or_else(unknown)
    }

    fn command(&mut self, words: &mut Words, context: &str) -> Result<Command, Mistake> {
        let mut operands = Vec::new();
        while let Some(operand) = self.operand(words)? {
            operands.push(operand);
        }
        if operands.is_empty() {
            return Err(words.unexpected(context));
        }
        let takes_arguments = matches!(
            operands.first().map(|word| &word.kind),
            Some(
                OperandKind::Function(_)
                    | OperandKind::Field(_)
                    | OperandKind::Variable(..)
                    | OperandKind::Nested(..)
            )
        );
        if operands.len() > 1 && !takes_arguments {
            let at = operands.first().map_or(words.end, |word| word.at);
            let shown = operands.first().map(super::print::operand).unwrap_or_default();
            return Err(Mistake::new(at, format!("can't give argument to non-function {shown}")));
        }
        Ok(Command { words: operands })
    }

    fn operand(&mut self, words: &mut Words) -> Result<Option<Operand>, Mistake> {
        let mut at = words.at();
        let Some(token) =
            words.tokens.next_if(|token| token.kind != TokenKind::Sign || token.text == "(")
        else {
            return Ok(None);
        };
        let kind = match token.kind {
            TokenKind::Dot => OperandKind::Dot,
            TokenKind::Number(number) => OperandKind::Number(number, token.text),
            TokenKind::String(value) => OperandKind::String(value, token.text),
            TokenKind::Field(name) => OperandKind::Field(fields(words, Some(name), &mut at)),
            TokenKind::Variable => {
                self.known(&token.text, at)?;
                OperandKind::Variable(token.text, fields(words, None, &mut at))
            }
            TokenKind::Sign => {
                self.enter(at)?;
                let pipe = self.pipe(words, "parenthesized pipeline", false)?;
                if !words.takes(")") {
                    return Err(Mistake::new(at, "unclosed left paren"));
                }
                self.depth -= 1;
                OperandKind::Nested(Box::new(pipe), fields(words, None, &mut at))
            }
            TokenKind::Word => word(&token)?,
        };
        Ok(Some(Operand { at, kind }))
    }
}

fn is_set(text: &str) -> bool {
    matches!(text, ":=" | "=")
}

fn word(token: &Token) -> Result<OperandKind, Mistake> {
    let text = token.text.as_str();
    Ok(match text {
        "true" => OperandKind::Bool(true),
        "false" => OperandKind::Bool(false),
        "nil" => OperandKind::Nil,
        "call" => return Err(Mistake::new(token.at, "function \"call\" is not supported")),
        _ => match Function::named(text) {
            Some(function) => OperandKind::Function(function),
            None => {
                return Err(Mistake::new(token.at, format!("function \"{text}\" not defined")));
            }
        },
    })
}

/// `.A.B` without blanks in between. Go says that a chain stands where its second link does.
fn fields(words: &mut Words, first: Option<String>, at: &mut usize) -> Vec<String> {
    let mut names: Vec<String> = first.into_iter().collect();
    let mut place = None;
    let is_next = |token: &Token| token.is_glued && matches!(token.kind, TokenKind::Field(_));
    while let Some(token) = words.tokens.next_if(is_next) {
        if let TokenKind::Field(name) = token.kind {
            place.get_or_insert(token.at);
            names.push(name);
        }
    }
    *at = place.unwrap_or(*at);
    names
}
