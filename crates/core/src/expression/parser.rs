//! Tokens to a tree: operator precedence, and what can be checked before a query comes.

use ipnet::IpNet;
use regex::Regex;

use super::Mistake;
use super::function::Function;
use super::lexer::{Token, lex};
use super::scope::Names;
use super::tree::{NOT, Operator, Quantifier, SIGN, Tree};
use super::types::Type;
use super::value::Value;

/// Brackets and signs inside of each other: the parser calls itself for each.
const MAX_DEPTH: usize = 64;

/// Operators of one expression: a tree of them is as deep as they are many.
const MAX_OPERATORS: usize = 500;

/// Reads a whole expression.
pub(super) fn parse(text: &str, names: &Names) -> Result<Tree, Mistake> {
    let mut parser =
        Parser { names, tokens: lex(text)?, at: 0, depth: 0, operators: 0, has_element: false };
    let tree = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(tree),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'n> {
    names: &'n Names,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    operators: usize,
    /// Whether `#` means something here.
    has_element: bool,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or_else(|| self.tokens.last()).map_or(1, |(_, column)| *column)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_next(&self, text: &str) -> bool {
        match self.peek() {
            Token::Sign(sign) => *sign == text,
            Token::Name(name) => name == text,
            _ => false,
        }
    }

    fn takes(&mut self, text: &str) -> bool {
        let found = self.is_next(text);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, text: &str) -> Result<(), Mistake> {
        if self.takes(text) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> Mistake {
        mistake_at(self.column(), format!("unexpected token {}", self.peek().shown()))
    }

    /// An expression whose operators bind tighter than `least`.
    fn expression(&mut self, least: u16) -> Result<Tree, Mistake> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(mistake_at(self.column(), "expression is nested too deep"));
        }
        let mut tree = self.operand()?;
        loop {
            let column = self.column();
            let is_negated = self.is_next("not");
            let at = self.at;
            self.at += usize::from(is_negated);
            let operator = match self.peek() {
                Token::Sign(sign) => Operator::of(sign),
                Token::Name(name) => Operator::of(name),
                _ => None,
            };
            let operator = operator.filter(|(operator, strength)| {
                *strength >= least && (!is_negated || operator.can_be_negated())
            });
            let Some((operator, strength)) = operator else {
                self.at = at;
                break;
            };
            let name = self.shown_operator();
            self.at += 1;
            self.count_operator()?;
            // The power of a power is taken first: it binds to the right.
            let least = if operator == Operator::Power { strength } else { strength + 1 };
            let right = self.expression(least)?;
            tree = binary(operator, tree, right, &name, column)?;
            if is_negated {
                tree = Tree::Not(Box::new(tree));
            }
        }
        let tree = if least == 0 { self.choice(tree)? } else { tree };
        self.depth -= 1;
        Ok(tree)
    }

    fn count_operator(&mut self) -> Result<(), Mistake> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return Err(mistake_at(self.column(), "expression has too many operators"));
        }
        Ok(())
    }

    fn shown_operator(&self) -> String {
        match self.peek() {
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Name(name) => name.clone(),
            other => other.shown(),
        }
    }

    fn choice(&mut self, condition: Tree) -> Result<Tree, Mistake> {
        let column = self.column();
        if !self.takes("?") {
            return Ok(condition);
        }
        if !Type::of(&condition).may_be(Type::Bool) {
            let kind = Type::of(&condition);
            return Err(mistake_at(
                column,
                format!("non-bool expression (type {kind}) used as condition"),
            ));
        }
        let one = self.expression(0)?;
        self.expect(":")?;
        let other = self.expression(0)?;
        Ok(Tree::Choice(Box::new(condition), Box::new(one), Box::new(other)))
    }

    fn operand(&mut self) -> Result<Tree, Mistake> {
        let column = self.column();
        if self.takes("not") || self.takes("!") {
            let inner = self.expression(NOT)?;
            check_truth(&inner, column)?;
            return Ok(Tree::Not(Box::new(inner)));
        }
        if self.takes("-") {
            let inner = self.expression(SIGN)?;
            return Ok(Tree::Negative(Box::new(inner)));
        }
        if self.takes("+") {
            return self.expression(SIGN);
        }
        let mut tree = self.primary()?;
        while self.takes("[") {
            self.count_operator()?;
            let index = self.expression(0)?;
            self.expect("]")?;
            tree = Tree::Index(Box::new(tree), Box::new(index));
        }
        Ok(tree)
    }

    fn primary(&mut self) -> Result<Tree, Mistake> {
        let column = self.column();
        let unexpected = self.unexpected();
        match self.next() {
            Token::Integer(number) => Ok(Tree::Literal(Value::Integer(number))),
            Token::Float(number) => Ok(Tree::Literal(Value::Float(number))),
            Token::Text(text) => Ok(Tree::Literal(Value::text(text))),
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Tree::List(self.list("]")?)),
            Token::Name(name) => self.named(&name, column, unexpected),
            _ => Err(unexpected),
        }
    }

    fn named(&mut self, name: &str, column: usize, unexpected: Mistake) -> Result<Tree, Mistake> {
        match name {
            "true" | "false" => return Ok(Tree::Literal(Value::Bool(name == "true"))),
            "nil" => return Ok(Tree::Literal(Value::Nil)),
            "#" if self.has_element => return Ok(Tree::Element),
            "#" => return Err(unexpected),
            _ => {}
        }
        if Operator::of(name).is_some() {
            return Err(unexpected);
        }
        if let Some(variable) = self.names.variable(name) {
            return Ok(variable);
        }
        let unknown = mistake_at(column, format!("unknown name {name}"));
        if !self.takes("(") {
            return Err(unknown);
        }
        if let Some(quantifier) = quantifier(name) {
            return self.quantified(quantifier);
        }
        let known = Function::of(name);
        let known = known.filter(|known| known.1 != Function::Group || self.names.has_groups);
        let Some((_, function, _, least, most)) = known else { return Err(unknown) };
        let arguments = self.list(")")?;
        if arguments.len() < least {
            return Err(mistake_at(column, format!("not enough arguments to call {name}")));
        }
        if arguments.len() > most {
            return Err(mistake_at(column, format!("too many arguments to call {name}")));
        }
        Ok(call(function, arguments))
    }

    /// `all(LIST, CONDITION)`; the condition may stand in braces.
    fn quantified(&mut self, quantifier: Quantifier) -> Result<Tree, Mistake> {
        let list = self.expression(0)?;
        self.expect(",")?;
        let outer = std::mem::replace(&mut self.has_element, true);
        let has_braces = self.takes("{");
        let condition = self.expression(0)?;
        if has_braces {
            self.expect("}")?;
        }
        self.has_element = outer;
        self.expect(")")?;
        Ok(Tree::Quantified(quantifier, Box::new(list), Box::new(condition)))
    }

    /// Expressions with commas between them, up to a bracket; a comma may stand before that.
    fn list(&mut self, end: &str) -> Result<Vec<Tree>, Mistake> {
        let mut items = Vec::new();
        while !self.takes(end) {
            items.push(self.expression(0)?);
            if !self.takes(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(items)
    }
}

fn mistake_at(column: usize, text: impl Into<String>) -> Mistake {
    Mistake { text: text.into(), column }
}

fn quantifier(name: &str) -> Option<Quantifier> {
    match name {
        "all" => Some(Quantifier::All),
        "any" => Some(Quantifier::Any),
        "none" => Some(Quantifier::None),
        "one" => Some(Quantifier::One),
        _ => None,
    }
}

fn call(function: Function, arguments: Vec<Tree>) -> Tree {
    if function == Function::InCidr
        && let [Tree::Call(Function::ClientIp, _), Tree::Literal(Value::Text(network))] =
            arguments.as_slice()
    {
        return Tree::ClientIn(network.parse::<IpNet>().ok());
    }
    Tree::Call(function, arguments)
}

fn check_truth(tree: &Tree, column: usize) -> Result<(), Mistake> {
    let kind = Type::of(tree);
    if kind.may_be(Type::Bool) {
        return Ok(());
    }
    Err(mistake_at(column, format!("invalid operation: not (mismatched type {kind})")))
}

fn binary(
    operator: Operator,
    one: Tree,
    other: Tree,
    name: &str,
    column: usize,
) -> Result<Tree, Mistake> {
    let (left, right) = (Type::of(&one), Type::of(&other));
    if !Type::allows(operator, left, right) {
        let text = format!("invalid operation: {name} (mismatched types {left} and {right})");
        return Err(mistake_at(column, text));
    }
    if let (Operator::Matches, Tree::Literal(Value::Text(pattern))) = (operator, &other) {
        let pattern = Regex::new(pattern)
            .map_err(|_| mistake_at(column, format!("bad regular expression {pattern:?}")))?;
        return Ok(Tree::Matches(Box::new(one), pattern));
    }
    Ok(Tree::Binary(operator, Box::new(one), Box::new(other)))
}
