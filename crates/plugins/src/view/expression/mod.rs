//! The expressions of `view`: what the language of expr-lang.org has for questions about a query.
//! They are read once, when the Corefile is loaded; names, argument counts and types that can be
//! known are checked then. What fails later makes an expression false.

mod evaluate;
mod function;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod value;

use dunlin_core::Query;

use self::tree::Tree;
use self::value::Value;

/// An expression, ready to be asked.
#[derive(Debug)]
pub(super) struct Expression(Tree);

/// What is wrong with an expression, and where: line and column, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} (1:{column})")]
pub(super) struct Mistake {
    pub(super) text: String,
    pub(super) column: usize,
}

impl Expression {
    /// # Errors
    /// The first mistake; texts are those of expr-lang.
    pub(super) fn compile(text: &str) -> Result<Self, Mistake> {
        parser::parse(text).map(Self)
    }

    /// Whether the expression is true of a query. Anything but `true`, and any failure, is false.
    pub(super) fn holds(&self, query: &Query) -> bool {
        matches!(self.0.evaluate(query, None), Some(Value::Bool(true)))
    }
}
