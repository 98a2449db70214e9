//! Types, as far as they are known before a query comes: `type() == 1` is a mistake of the operator.

use std::fmt;

use super::tree::{Operator, Tree};
use super::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Nil,
    Bool,
    Integer,
    Float,
    Text,
    List,
    Any,
}

impl Type {
    pub(super) fn of(tree: &Tree) -> Self {
        match tree {
            Tree::Literal(value) => match value {
                Value::Nil => Self::Nil,
                Value::Bool(_) => Self::Bool,
                Value::Integer(_) => Self::Integer,
                Value::Float(_) => Self::Float,
                Value::Text(_) => Self::Text,
                Value::List(_) => Self::List,
            },
            Tree::List(_) => Self::List,
            Tree::Element | Tree::Index(..) => Self::Any,
            Tree::Variable(_, kind) => *kind,
            Tree::Call(function, _) => function.returns(),
            Tree::ClientIn(_) | Tree::Quantified(..) | Tree::Not(_) | Tree::Matches(..) => {
                Self::Bool
            }
            Tree::Negative(inner) => Self::of(inner),
            Tree::Choice(_, one, other) => Self::common(Self::of(one), Self::of(other)),
            Tree::Binary(operator, one, other) => {
                Self::result(*operator, Self::of(one), Self::of(other))
            }
        }
    }

    fn result(operator: Operator, one: Self, other: Self) -> Self {
        match operator {
            Operator::Range => Self::List,
            Operator::Add | Operator::Subtract | Operator::Multiply => Self::common(one, other),
            Operator::Modulo => Self::Integer,
            Operator::Divide | Operator::Power => Self::Float,
            Operator::Coalesce => Self::Any,
            _ => Self::Bool,
        }
    }

    fn common(one: Self, other: Self) -> Self {
        match (one, other) {
            _ if one == other => one,
            (Self::Integer | Self::Float, Self::Integer | Self::Float) => Self::Float,
            _ => Self::Any,
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Float | Self::Any)
    }

    /// Whether values of this type may be `expected`.
    pub(super) fn may_be(self, expected: Self) -> bool {
        self == Self::Any || self == expected
    }

    /// Whether an operator makes sense between two types.
    pub(super) fn allows(operator: Operator, one: Self, other: Self) -> bool {
        let both = |expected| one.may_be(expected) && other.may_be(expected);
        let numbers = one.is_number() && other.is_number();
        match operator {
            Operator::Or | Operator::And => both(Self::Bool),
            Operator::Equal | Operator::Unequal => {
                numbers
                    || one == other
                    || [one, other].iter().any(|t| matches!(t, Self::Nil | Self::Any))
            }
            Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
                numbers || both(Self::Text)
            }
            Operator::In => other.may_be(Self::List),
            Operator::Contains | Operator::StartsWith | Operator::EndsWith | Operator::Matches => {
                both(Self::Text)
            }
            Operator::Range | Operator::Modulo => both(Self::Integer),
            Operator::Add => numbers || both(Self::Text),
            Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Power => numbers,
            Operator::Coalesce => true,
        }
    }
}

impl fmt::Display for Type {
    /// Go's names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nil => "nil",
            Self::Bool => "bool",
            Self::Integer => "int",
            Self::Float => "float64",
            Self::Text => "string",
            Self::List => "[]interface {}",
            Self::Any => "interface {}",
        })
    }
}
