//! The list of directives: that list is the chain.

use super::Directive;

/// What the directive list holds for a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The directive.
    pub name: &'static str,
    /// Reads the directive and makes what it asks for.
    pub setup: fn(&mut Directive<'_>) -> anyhow::Result<()>,
}

/// All directives that a binary knows, in chain order, outermost first. The order in a Corefile
/// means nothing.
#[derive(Debug, Clone, Default)]
pub struct Registry(Vec<Entry>);

/// The neighbor that a plugin was to stand beside is not in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no directive {0:?} in the list")]
pub struct UnknownNeighbor(pub String);

impl Registry {
    /// These entries, in this order.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Puts a plugin directly before a named one: outside of it.
    ///
    /// # Errors
    /// [`UnknownNeighbor`] if there is none of that name.
    pub fn insert_before(&mut self, neighbor: &str, entry: Entry) -> Result<(), UnknownNeighbor> {
        let at = self.position(neighbor)?;
        self.0.insert(at, entry);
        Ok(())
    }

    /// Puts a plugin directly behind a named one: inside of it.
    ///
    /// # Errors
    /// [`UnknownNeighbor`] if there is none of that name.
    pub fn insert_after(&mut self, neighbor: &str, entry: Entry) -> Result<(), UnknownNeighbor> {
        let at = self.position(neighbor)?;
        self.0.insert(at + 1, entry);
        Ok(())
    }

    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    /// The directive names in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|entry| entry.name).collect()
    }

    fn position(&self, name: &str) -> Result<usize, UnknownNeighbor> {
        let position = self.0.iter().position(|entry| entry.name == name);
        position.ok_or_else(|| UnknownNeighbor(name.to_owned()))
    }
}
