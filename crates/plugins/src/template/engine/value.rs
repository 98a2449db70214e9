//! What templates compute with.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

/// A value; `'d` is the life of the data that a template is given.
#[derive(Debug, Clone)]
pub(in crate::template) enum Value<'d> {
    /// A key that a map lacks.
    Nothing,
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Text(Rc<str>),
    List(Rc<[Self]>),
    /// Sorted by key.
    Map(Rc<[(String, Self)]>),
    /// Something with fields and methods.
    Object(&'d dyn Object),
}

/// Data with fields and methods, looked up when a template asks.
pub(in crate::template) trait Object: fmt::Debug {
    /// What Go would call its type, for messages.
    fn type_name(&self) -> &'static str;

    /// A field.
    fn field(&self, name: &str) -> Option<Value<'_>>;

    /// Whether it has a method of this name, which takes one text.
    fn has_method(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Calls a method.
    fn call(&self, name: &str, argument: &str) -> String {
        let _ = (name, argument);
        String::new()
    }
}

impl<'d> Value<'d> {
    pub(in crate::template) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(in crate::template) fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    /// A map; of equal keys the last counts.
    pub(in crate::template) fn map(entries: impl IntoIterator<Item = (String, Self)>) -> Self {
        let sorted: std::collections::BTreeMap<String, Self> = entries.into_iter().collect();
        Self::Map(sorted.into_iter().collect())
    }

    /// What Go calls the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nothing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint64",
            Self::Text(_) => "string",
            Self::List(_) => "[]string",
            Self::Map(_) => "map[string]string",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Whether `if` takes it for true.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nothing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Text(text) => !text.is_empty(),
            Self::List(values) => !values.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// The number, whatever its sign and size.
    pub(super) fn number(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some((*value).into()),
            Self::Uint(value) => Some((*value).into()),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// An integer constant; those that only `uint64` holds are of that type.
    pub(super) fn of_number(number: i128) -> Self {
        match i64::try_from(number) {
            Ok(value) => Self::Int(value),
            Err(_) => Self::Uint(u64::try_from(number).unwrap_or(u64::MAX)),
        }
    }

    /// The entry of a map.
    pub(super) fn entry(entries: &[(String, Self)], key: &str) -> Option<Self> {
        let place = entries.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?;
        entries.get(place).map(|(_, value)| value.clone())
    }

    /// A field, or the entry of a map.
    pub(super) fn field(&self, name: &str) -> Result<Self, String> {
        let missing = || format!("can't evaluate field {name} in type {}", self.type_name());
        match self {
            Self::Map(entries) => Ok(Self::entry(entries, name).unwrap_or(Self::Nothing)),
            Self::Object(object) => object.field(name).ok_or_else(missing),
            Self::Nothing | Self::Nil => Err(format!("nil data; no entry for key \"{name}\"")),
            _ => Err(missing()),
        }
    }

    /// Order for `lt` and its kin; `None` for what has none.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            _ => Some(self.number()?.cmp(&other.number()?)),
        }
    }
}

/// As Go's `fmt.Sprint` prints it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("<no value>"),
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(entries) => {
                f.write_str("map[")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if index > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(object) => f.write_str(object.type_name()),
        }
    }
}
