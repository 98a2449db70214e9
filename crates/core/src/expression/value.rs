//! What expressions compute with.

use std::borrow::Cow;
use std::cmp::Ordering;

/// What an expression is worth.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `nil`
    Nil,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Values in order, of any kinds.
    List(Vec<Self>),
}

/// Octets of a text, and values in a list, that an expression may make: what is larger is a failure.
pub(super) const MAX_SIZE: usize = 1 << 16;

impl<'a> Value<'a> {
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A text that was made of others; `None` if it is too long.
    pub(super) fn bounded(text: String) -> Option<Self> {
        (text.len() <= MAX_SIZE).then(|| Self::Text(text.into()))
    }

    /// The value by itself; `None` if it is too large to be kept.
    pub(super) fn kept(self) -> Option<Value<'static>> {
        (self.size() <= MAX_SIZE).then(|| self.into_owned())
    }

    fn size(&self) -> usize {
        match self {
            Self::List(items) => items.iter().map(|item| 1 + item.size()).sum(),
            _ => 0,
        }
    }

    fn into_owned(self) -> Value<'static> {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Integer(number) => Value::Integer(number),
            Self::Float(number) => Value::Float(number),
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
        }
    }

    /// Numbers are equal across their kinds.
    pub(super) fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::Nil, Value::Nil) => true,
            (Self::Bool(one), Value::Bool(other)) => one == other,
            (Self::Text(one), Value::Text(other)) => one == other,
            (Self::List(one), Value::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.equals(b))
            }
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// Numbers with numbers, texts with texts; nothing else has an order.
    pub(super) fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(one), Value::Integer(other)) => Some(one.cmp(other)),
            (Self::Text(one), Value::Text(other)) => Some(one.cmp(other)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "as Go compares an integer with a float")]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }
}
