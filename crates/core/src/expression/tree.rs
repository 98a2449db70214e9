//! What an expression means, as a tree.

use ipnet::IpNet;
use regex::Regex;

use super::function::Function;
use super::types::Type;
use super::value::Value;

#[derive(Debug)]
pub(super) enum Tree {
    Literal(Value<'static>),
    List(Vec<Self>),
    /// The element that a quantifier looks at.
    Element,
    /// A variable by its place.
    Variable(usize, Type),
    Call(Function, Vec<Self>),
    /// `incidr` of the client, and a network that is known: the usual question, without text.
    ClientIn(Option<IpNet>),
    Quantified(Quantifier, Box<Self>, Box<Self>),
    Not(Box<Self>),
    Negative(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// `matches` with a pattern that is known.
    Matches(Box<Self>, Regex),
    /// `LIST[INDEX]`.
    Index(Box<Self>, Box<Self>),
    /// `CONDITION ? ONE : OTHER`.
    Choice(Box<Self>, Box<Self>, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Any,
    None,
    One,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

impl Operator {
    /// The operator that a token stands for, and how tight it binds: expr-lang's numbers.
    pub(super) fn of(text: &str) -> Option<(Self, u16)> {
        Some(match text {
            "or" | "||" => (Self::Or, 10),
            "and" | "&&" => (Self::And, 15),
            "==" => (Self::Equal, 20),
            "!=" => (Self::Unequal, 20),
            "<" => (Self::Less, 20),
            "<=" => (Self::AtMost, 20),
            ">" => (Self::Greater, 20),
            ">=" => (Self::AtLeast, 20),
            "in" => (Self::In, 20),
            "contains" => (Self::Contains, 20),
            "startsWith" => (Self::StartsWith, 20),
            "endsWith" => (Self::EndsWith, 20),
            "matches" => (Self::Matches, 20),
            ".." => (Self::Range, 25),
            "+" => (Self::Add, 30),
            "-" => (Self::Subtract, 30),
            "*" => (Self::Multiply, 60),
            "/" => (Self::Divide, 60),
            "%" => (Self::Modulo, 60),
            "**" | "^" => (Self::Power, 100),
            "??" => (Self::Coalesce, 500),
            _ => return None,
        })
    }

    /// Whether `not` may stand before it: `a not in b`.
    pub(super) fn can_be_negated(self) -> bool {
        matches!(
            self,
            Self::In | Self::Contains | Self::StartsWith | Self::EndsWith | Self::Matches
        )
    }
}

/// How tight `not` and `!` bind, and signs.
pub(super) const NOT: u16 = 50;
pub(super) const SIGN: u16 = 90;
