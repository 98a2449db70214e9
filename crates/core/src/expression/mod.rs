//! Expressions about a query: what the language of expr-lang.org has for that. They are read once,
//! when the Corefile is loaded; names, argument counts and types that can be known are checked then.
//! *view* chooses blocks with them, *template* names.
//!
//! ```
//! use dunlin_core::expression::Expression;
//! use dunlin_core::rr::RecordType;
//! use dunlin_core::testing::query;
//!
//! let expression = Expression::compile("type() == 'A' and not do()").unwrap();
//! assert!(expression.holds(&query("example.org.", RecordType::A).build()));
//! ```

mod evaluate;
mod function;
mod lexer;
mod parser;
mod scope;
#[cfg(test)]
mod tests;
mod texts;
mod tree;
mod types;
mod value;

use self::evaluate::Run;

pub use self::scope::{BadName, Names, Scope};
use self::tree::Tree;
pub use self::value::Value;
use crate::Query;

/// An expression, ready to be asked.
#[derive(Debug)]
pub struct Expression(Tree);

/// What is wrong with an expression, and where: line and column, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} (1:{column})")]
pub struct Mistake {
    text: String,
    column: usize,
}

impl Expression {
    /// Reads an expression about a query and nothing else.
    ///
    /// # Errors
    /// The first mistake; texts are those of expr-lang.
    pub fn compile(text: &str) -> Result<Self, Mistake> {
        Names::default().compile(text)
    }

    /// Whether the expression is true of a query. Anything but `true`, and any failure, is false.
    #[must_use]
    pub fn holds(&self, query: &Query) -> bool {
        let scope = Scope::of(query);
        self.0.truth(&Run::of(&scope), None) == Some(true)
    }

    /// What the expression is worth; `None` if it fails.
    #[must_use]
    pub fn value(&self, scope: &Scope<'_>) -> Option<Value<'static>> {
        self.0.evaluate(&Run::of(scope), None)?.kept()
    }
}
