//! The variables of a template at work.

use super::value::Value;

/// Variables, the innermost last.
#[derive(Debug)]
pub(super) struct Scope<'n, 'd>(Vec<(&'n str, Value<'d>)>);

impl<'n, 'd> Scope<'n, 'd> {
    /// Only `$`, the data.
    pub(super) fn new(root: Value<'d>) -> Self {
        Self(vec![("$", root)])
    }

    pub(super) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Forgets what came after the mark.
    pub(super) fn leave(&mut self, mark: usize) {
        self.0.truncate(mark);
    }

    pub(super) fn declare(&mut self, name: &'n str, value: Value<'d>) {
        self.0.push((name, value));
    }

    pub(super) fn assign(&mut self, name: &str, value: Value<'d>) {
        if let Some((_, slot)) = self.0.iter_mut().rev().find(|(known, _)| *known == name) {
            *slot = value;
        }
    }

    /// The parser has seen to it that the name is known.
    pub(super) fn get(&self, name: &str) -> Value<'d> {
        let found = self.0.iter().rev().find(|(known, _)| *known == name);
        found.map_or(Value::Nothing, |(_, value)| value.clone())
    }
}
