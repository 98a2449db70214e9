//! Variables and conditions of a template, in the language of *view*.

use dunlin_core::Query;
use dunlin_core::corefile::go::quote;
use dunlin_core::expression::{BadName, Expression, Names, Scope, Value};

/// What a template asks about a name that matched.
#[derive(Debug)]
pub(super) struct Conditions {
    /// Names that the next expression may use.
    names: Names,
    variables: Vec<(String, Expression)>,
    conditions: Vec<Expression>,
}

/// The variables of one query, by name.
pub(super) type Variables<'t> = Vec<(&'t str, Value<'static>)>;

/// What the conditions say.
#[derive(Debug)]
pub(super) enum Outcome<'t> {
    Holds(Variables<'t>),
    /// One of them is something else than true.
    Fails,
    /// One of them, or a variable, has no value for this query.
    Broken,
}

impl Conditions {
    pub(super) fn none() -> Self {
        Self { names: Names::with_groups(), variables: Vec::new(), conditions: Vec::new() }
    }

    /// `var NAME EXPRESSION`
    ///
    /// # Errors
    /// What CoreDNS says about it.
    pub(super) fn declare(&mut self, name: &str, text: &str) -> Result<(), String> {
        self.names.check(name).map_err(|mistake| match mistake {
            BadName::Reserved => format!("variable name {} is reserved", quote(name)),
            _ => format!("invalid variable name {}", quote(name)),
        })?;
        let expression = self.names.compile(text);
        let expression = expression
            .map_err(|mistake| format!("could not compile expression: {name}, {mistake}"))?;
        self.names.declare(name, &expression);
        self.variables.push((name.to_owned(), expression));
        Ok(())
    }

    /// `expr EXPRESSION`
    ///
    /// # Errors
    /// What CoreDNS says about it.
    pub(super) fn require(&mut self, text: &str) -> Result<(), String> {
        let expression = self.names.compile(text);
        let expression =
            expression.map_err(|mistake| format!("could not compile expression: {mistake}"))?;
        self.conditions.push(expression);
        Ok(())
    }

    /// Asks in the order of CoreDNS: all variables, then all conditions until one is not true.
    pub(super) fn judge<'t>(
        &'t self,
        query: &Query,
        groups: &[(Option<&str>, String)],
    ) -> Outcome<'t> {
        let mut values = Vec::with_capacity(self.variables.len());
        for (_, expression) in &self.variables {
            let scope = Scope { query, groups, variables: &values };
            let Some(value) = expression.value(&scope) else { return Outcome::Broken };
            values.push(value);
        }
        let scope = Scope { query, groups, variables: &values };
        for condition in &self.conditions {
            match condition.value(&scope) {
                Some(Value::Bool(true)) => {}
                Some(_) => return Outcome::Fails,
                None => return Outcome::Broken,
            }
        }
        Outcome::Holds(self.variables.iter().map(|(name, _)| name.as_str()).zip(values).collect())
    }
}
