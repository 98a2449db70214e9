//! Asking a tree about a query. `None` is a failure, which makes the whole expression false.

use std::cell::Cell;
use std::cmp::Ordering;

use regex::Regex;

use super::function::Function;
use super::scope::Scope;
use super::tree::{Operator, Quantifier, Tree};
use super::value::Value;

/// Longest list that a range may stand for: what is written in a Corefile is short.
const MAX_RANGE: i64 = 10_000;

/// Elements of lists that one expression may make and look at: quantifiers inside of each other are
/// no way to keep a worker busy.
const MAX_ELEMENTS: usize = 100_000;

/// Asking an expression once.
pub(super) struct Run<'s, 'a> {
    scope: &'s Scope<'a>,
    elements_left: Cell<usize>,
}

impl<'s, 'a> Run<'s, 'a> {
    pub(super) fn of(scope: &'s Scope<'a>) -> Self {
        Self { scope, elements_left: Cell::new(MAX_ELEMENTS) }
    }

    fn spend(&self, elements: usize) -> Option<()> {
        self.elements_left.set(self.elements_left.get().checked_sub(elements)?);
        Some(())
    }
}

impl Tree {
    /// As [`Tree::evaluate`] of an expression that is true or false, most often without making values.
    pub(super) fn truth<'a>(
        &'a self,
        run: &Run<'_, 'a>,
        element: Option<&Value<'a>>,
    ) -> Option<bool> {
        let of = |tree: &'a Self| tree.truth(run, element);
        match self {
            Self::ClientIn(network) => {
                Some(network.as_ref()?.contains(&run.scope.query.client().ip()))
            }
            Self::Call(Function::Do, _) => Some(run.scope.query.dnssec_ok()),
            Self::Not(inner) => Some(!of(inner)?),
            // The second is looked at only if it matters.
            Self::Binary(Operator::Or, one, other) => Some(of(one)? || of(other)?),
            Self::Binary(Operator::And, one, other) => Some(of(one)? && of(other)?),
            Self::Binary(operator @ (Operator::Equal | Operator::Unequal), one, other) => {
                let one = one.evaluate(run, element)?;
                let equal = match &**other {
                    Self::Literal(value) => one.equals(value),
                    other => one.equals(&other.evaluate(run, element)?),
                };
                Some(equal == (*operator == Operator::Equal))
            }
            Self::Matches(text, pattern) => {
                Some(pattern.is_match(text.evaluate(run, element)?.as_text()?))
            }
            _ => self.evaluate(run, element)?.truth(),
        }
    }

    /// The value; `element` is what a quantifier looks at.
    pub(super) fn evaluate<'a>(
        &'a self,
        run: &Run<'_, 'a>,
        element: Option<&Value<'a>>,
    ) -> Option<Value<'a>> {
        let scope = run.scope;
        let of = |tree: &'a Self| tree.evaluate(run, element);
        match self {
            Self::Literal(value) => Some(borrowed(value)),
            Self::List(items) => items.iter().map(of).collect::<Option<_>>().map(Value::List),
            Self::Element => element.cloned(),
            Self::Variable(place, _) => scope.variables.get(*place).map(borrowed),
            Self::Call(function, arguments) if arguments.is_empty() => function.call(scope, &[]),
            Self::Call(function, arguments) => {
                let arguments: Vec<Value<'a>> = arguments.iter().map(of).collect::<Option<_>>()?;
                function.call(scope, &arguments)
            }
            Self::ClientIn(_)
            | Self::Not(_)
            | Self::Matches(..)
            | Self::Binary(
                Operator::Or | Operator::And | Operator::Equal | Operator::Unequal,
                ..,
            ) => self.truth(run, element).map(Value::Bool),
            Self::Quantified(quantifier, list, condition) => {
                let Value::List(items) = of(list)? else { return None };
                run.spend(items.len())?;
                let mut found = 0_usize;
                for item in &items {
                    let holds = condition.truth(run, Some(item))?;
                    found += usize::from(holds);
                }
                Some(Value::Bool(match quantifier {
                    Quantifier::All => found == items.len(),
                    Quantifier::Any => found > 0,
                    Quantifier::None => found == 0,
                    Quantifier::One => found == 1,
                }))
            }
            Self::Negative(inner) => match of(inner)? {
                Value::Integer(number) => number.checked_neg().map(Value::Integer),
                Value::Float(number) => Some(Value::Float(-number)),
                _ => None,
            },
            Self::Index(list, index) => match (of(list)?, of(index)?) {
                (Value::List(items), Value::Integer(index)) => at(items, index),
                _ => None,
            },
            Self::Choice(condition, one, other) => {
                if condition.truth(run, element)? {
                    of(one)
                } else {
                    of(other)
                }
            }
            Self::Binary(operator, one, other) => match operator {
                Operator::Coalesce => match of(one) {
                    None | Some(Value::Nil) => of(other),
                    known => known,
                },
                Operator::Range => range(run, &of(one)?, &of(other)?),
                _ => combine(*operator, of(one)?, of(other)?),
            },
        }
    }
}

/// A literal or a variable without copying its text.
fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::Text(text) => Value::text(&**text),
        other => other.clone(),
    }
}

/// Negative places count from the end.
fn at(mut items: Vec<Value<'_>>, index: i64) -> Option<Value<'_>> {
    let length = i64::try_from(items.len()).ok()?;
    let index = if index < 0 { index.checked_add(length)? } else { index };
    let index = usize::try_from(index).ok().filter(|index| *index < items.len())?;
    Some(items.swap_remove(index))
}

fn combine<'a>(operator: Operator, one: Value<'a>, other: Value<'a>) -> Option<Value<'a>> {
    let order =
        |wanted: &[Ordering]| one.compare(&other).map(|order| Value::Bool(wanted.contains(&order)));
    let texts =
        |test: fn(&str, &str) -> bool| Some(Value::Bool(test(one.as_text()?, other.as_text()?)));
    match operator {
        Operator::Less => order(&[Ordering::Less]),
        Operator::AtMost => order(&[Ordering::Less, Ordering::Equal]),
        Operator::Greater => order(&[Ordering::Greater]),
        Operator::AtLeast => order(&[Ordering::Greater, Ordering::Equal]),
        Operator::In => match &other {
            Value::List(items) => Some(Value::Bool(items.iter().any(|item| item.equals(&one)))),
            _ => None,
        },
        Operator::Contains => texts(|one, other| one.contains(other)),
        Operator::StartsWith => texts(|one, other| one.starts_with(other)),
        Operator::EndsWith => texts(|one, other| one.ends_with(other)),
        // Only a pattern that is computed comes here.
        Operator::Matches => {
            let pattern = Regex::new(other.as_text()?).ok()?;
            Some(Value::Bool(pattern.is_match(one.as_text()?)))
        }
        Operator::Add => match (&one, &other) {
            (Value::Text(one), Value::Text(other)) => Value::bounded(format!("{one}{other}")),
            _ => arithmetic(&one, &other, i64::checked_add, |one, other| one + other),
        },
        Operator::Subtract => arithmetic(&one, &other, i64::checked_sub, |one, other| one - other),
        Operator::Multiply => arithmetic(&one, &other, i64::checked_mul, |one, other| one * other),
        Operator::Divide => Some(Value::Float(one.number()? / other.number()?)),
        Operator::Modulo => match (one, other) {
            (Value::Integer(one), Value::Integer(other)) => {
                one.checked_rem(other).map(Value::Integer)
            }
            _ => None,
        },
        Operator::Power => Some(Value::Float(one.number()?.powf(other.number()?))),
        Operator::Or
        | Operator::And
        | Operator::Equal
        | Operator::Unequal
        | Operator::Coalesce
        | Operator::Range => None,
    }
}

fn arithmetic<'a>(
    one: &Value<'a>,
    other: &Value<'a>,
    integers: fn(i64, i64) -> Option<i64>,
    floats: fn(f64, f64) -> f64,
) -> Option<Value<'a>> {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => integers(*one, *other).map(Value::Integer),
        _ => Some(Value::Float(floats(one.number()?, other.number()?))),
    }
}

fn range<'a>(run: &Run<'_, 'a>, one: &Value<'a>, other: &Value<'a>) -> Option<Value<'a>> {
    let (Value::Integer(first), Value::Integer(last)) = (one, other) else { return None };
    let length = last.checked_sub(*first).filter(|length| *length < MAX_RANGE)?;
    run.spend(usize::try_from(length).unwrap_or_default())?;
    Some(Value::List((*first..=*last).map(Value::Integer).collect()))
}
