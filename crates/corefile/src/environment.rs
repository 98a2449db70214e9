//! `{$NAME}` and `{%NAME%}`: values of the environment inside any word.

use crate::limits::{EXPANDED_OCTETS, REFERENCES};

/// Looks up an environment variable; `None` counts as empty.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A value that refers to itself, or grows without end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endless {
    /// The variable whose value was due next.
    pub(crate) variable: String,
}

/// `text` with all references resolved, or `None` if it holds none.
///
/// As in CoreDNS the `{%…%}` come first, values are searched for references again, and an empty name ends the search.
pub(crate) fn expand(text: &str, environment: &Environment<'_>) -> Result<Option<String>, Endless> {
    if !text.contains("{$") && !text.contains("{%") {
        return Ok(None);
    }
    let percent = resolve(text.to_owned(), "{%", "%}", environment)?;
    resolve(percent, "{$", "}", environment).map(Some)
}

fn resolve(
    mut text: String,
    open: &str,
    close: &str,
    environment: &Environment<'_>,
) -> Result<String, Endless> {
    let room = text.len().saturating_add(EXPANDED_OCTETS);
    for _ in 0..REFERENCES {
        let Some(reference) = first_reference(&text, open, close) else { return Ok(text) };
        let variable = variable(reference, open, close);
        let value = environment(variable).unwrap_or_default();
        let uses = text.matches(reference).count();
        if text.len().saturating_add(value.len().saturating_mul(uses)) > room {
            return Err(Endless { variable: variable.to_owned() });
        }
        text = text.replace(reference, &value);
    }
    match first_reference(&text, open, close) {
        Some(reference) => Err(Endless { variable: variable(reference, open, close).to_owned() }),
        None => Ok(text),
    }
}

fn first_reference<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let tail = text.get(text.find(open)?..)?;
    let end = tail.find(close)?;
    // The search for the end starts at the opening, so `{%}` has its end inside of its start.
    (end > open.len()).then(|| tail.get(..end + close.len())).flatten()
}

fn variable<'a>(reference: &'a str, open: &str, close: &str) -> &'a str {
    reference.get(open.len()..reference.len() - close.len()).unwrap_or_default()
}
