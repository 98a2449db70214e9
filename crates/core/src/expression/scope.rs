//! What an expression may speak of, and what that is for one query.

use super::Expression;
use super::Mistake;
use super::function::Function;
use super::parser;
use super::tree::{Operator, Tree};
use super::types::Type;
use super::value::Value;
use crate::Query;

/// What expressions of one place may speak of beside the query: the groups of a pattern, with
/// `group(NAME)` and `group(NUMBER)`, and variables.
#[derive(Debug, Clone, Default)]
pub struct Names {
    variables: Vec<(String, Type)>,
    pub(super) has_groups: bool,
}

/// Why a name cannot be that of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadName {
    /// It is no identifier.
    Invalid,
    /// The language, or another variable, has it.
    Reserved,
}

impl Names {
    /// Names for expressions about a query and what a pattern matched in its name.
    #[must_use]
    pub fn with_groups() -> Self {
        Self { variables: Vec::new(), has_groups: true }
    }

    /// Reads an expression.
    ///
    /// # Errors
    /// The first mistake; texts are those of expr-lang.
    pub fn compile(&self, text: &str) -> Result<Expression, Mistake> {
        parser::parse(text, self).map(Expression)
    }

    /// Whether a variable may have this name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, name: &str) -> Result<(), BadName> {
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let mut characters = name.chars();
        let is_valid = characters.next().is_some_and(is_letter)
            && characters.all(|c| is_letter(c) || c.is_ascii_digit());
        if !is_valid {
            return Err(BadName::Invalid);
        }
        let is_taken = self.variable(name).is_some()
            || Function::of(name).is_some()
            || Operator::of(name).is_some()
            || RESERVED.contains(&name);
        if is_taken { Err(BadName::Reserved) } else { Ok(()) }
    }

    /// Makes a variable of what an expression will be worth. Its value stands behind those of the
    /// variables before it in [`Scope::variables`].
    pub fn declare(&mut self, name: &str, value: &Expression) {
        let kind = match Type::of(&value.0) {
            Type::Nil => Type::Any,
            known => known,
        };
        self.variables.push((name.to_owned(), kind));
    }

    pub(super) fn variable(&self, name: &str) -> Option<Tree> {
        let place = self.variables.iter().position(|(known, _)| known == name)?;
        self.variables.get(place).map(|(_, kind)| Tree::Variable(place, *kind))
    }
}

/// What is known when an expression is asked.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The query.
    pub query: &'a Query,
    /// What a pattern matched: the whole, then its groups, some with a name.
    pub groups: &'a [(Option<&'a str>, String)],
    /// The values of the variables, in the order in which they were declared.
    pub variables: &'a [Value<'static>],
}

impl<'a> Scope<'a> {
    /// Only a query.
    #[must_use]
    pub fn of(query: &'a Query) -> Self {
        Self { query, groups: &[], variables: &[] }
    }

    /// A group by number or by name; a name may be a number too. Empty if there is none.
    pub(super) fn group(&self, key: &Value<'_>) -> &'a str {
        let numbered = |number: usize| self.groups.get(number).map(|(_, text)| text.as_str());
        let found = match key {
            Value::Integer(number) => usize::try_from(*number).ok().and_then(numbered),
            Value::Text(key) => {
                let mut named = self.groups.iter().rev();
                let named = named.find(|(name, _)| *name == Some(key.as_ref()));
                let canonical =
                    key.parse().ok().filter(|number: &usize| number.to_string() == **key);
                named.map(|(_, text)| text.as_str()).or_else(|| canonical.and_then(numbered))
            }
            _ => None,
        };
        found.unwrap_or_default()
    }
}

/// Words of the language that are no functions here: a Corefile that uses one of them as a variable
/// is refused by CoreDNS too.
const RESERVED: [&str; 68] = [
    "true",
    "false",
    "nil",
    "not",
    "let",
    "if",
    "else",
    "group",
    "all",
    "any",
    "none",
    "one",
    "filter",
    "map",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "count",
    "sum",
    "groupBy",
    "sortBy",
    "reduce",
    "abs",
    "ceil",
    "floor",
    "round",
    "splitAfter",
    "max",
    "min",
    "mean",
    "median",
    "toJSON",
    "fromJSON",
    "toBase64",
    "fromBase64",
    "now",
    "duration",
    "date",
    "timezone",
    "get",
    "take",
    "keys",
    "values",
    "toPairs",
    "fromPairs",
    "reverse",
    "uniq",
    "concat",
    "flatten",
    "sort",
    "bitand",
    "bitor",
    "bitxor",
    "bitnand",
    "bitshl",
    "bitshr",
    "bitushr",
    "bitnot",
    "len",
    "type",
    "int",
    "float",
    "string",
    "trim",
    "upper",
    "lower",
    "split",
];
