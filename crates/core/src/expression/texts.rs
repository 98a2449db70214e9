//! Functions that make texts of texts. What would be too long is a failure, before it is made.

use super::value::{MAX_SIZE, Value};

/// A text argument that may be left out; `None` if it is there and no text.
pub(super) fn or<'v>(arguments: &'v [Value<'_>], at: usize, other: &'v str) -> Option<&'v str> {
    arguments.get(at).map_or(Some(other), Value::as_text)
}

pub(super) fn join(list: &Value<'_>, glue: &str) -> Option<Value<'static>> {
    let Value::List(items) = list else { return None };
    let items: Vec<&str> = items.iter().map(Value::as_text).collect::<Option<_>>()?;
    let length: usize = items.iter().map(|item| item.len() + glue.len()).sum();
    if length > MAX_SIZE { None } else { Value::bounded(items.join(glue)) }
}

pub(super) fn repeat(text: &str, times: &Value<'_>) -> Option<Value<'static>> {
    let Value::Integer(times) = times else { return None };
    let times = usize::try_from(*times).ok()?;
    let fits = text.len().checked_mul(times).is_some_and(|length| length <= MAX_SIZE);
    if fits { Value::bounded(text.repeat(times)) } else { None }
}

/// All that is found, or the first `times` of them; a negative number means all, as in Go.
pub(super) fn replace(
    text: &str,
    from: &str,
    to: &str,
    times: Option<&Value<'_>>,
) -> Option<Value<'static>> {
    let times = match times {
        None => usize::MAX,
        Some(Value::Integer(times)) => usize::try_from(*times).unwrap_or(usize::MAX),
        Some(_) => return None,
    };
    let found = text.matches(from).take(times).count();
    let length = found.checked_mul(to.len())?.checked_add(text.len())?;
    if length > MAX_SIZE { None } else { Value::bounded(text.replacen(from, to, found)) }
}
