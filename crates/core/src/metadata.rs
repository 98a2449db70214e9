//! Values that plugins tell each other about one query (the `metadata` directive).

use std::borrow::Cow;

use parking_lot::Mutex;

/// Labels and values of one query. A label reads `plugin/name`; the last writer wins.
#[derive(Debug, Default)]
pub struct Metadata {
    values: Mutex<Vec<(Cow<'static, str>, String)>>,
    is_unread: bool,
}

impl Metadata {
    /// A store that looks empty to plugins, as if there were none: for whoever watches what they
    /// would tell each other in a server block without `metadata`.
    #[must_use]
    pub fn unread() -> Self {
        Self { is_unread: true, ..Self::default() }
    }

    /// An empty store that is read by the same.
    pub(crate) fn emptied(&self) -> Self {
        Self { is_unread: self.is_unread, ..Self::default() }
    }

    /// All labels with their values, in the order in which they were first set; those of an unread
    /// store too.
    #[must_use]
    pub fn all(&self) -> Vec<(String, String)> {
        let values = self.values.lock();
        values.iter().map(|(label, value)| (label.to_string(), value.clone())).collect()
    }

    /// Sets a value. A label without a `/` inside is a programming error and is ignored.
    pub fn set(&self, label: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        let label = label.into();
        if !is_label(&label) {
            return;
        }
        let mut values = self.values.lock();
        match values.iter_mut().find(|(known, _)| *known == label) {
            Some((_, slot)) => *slot = value.into(),
            None => values.push((label, value.into())),
        }
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, label: &str) -> Option<String> {
        if self.is_unread {
            return None;
        }
        let values = self.values.lock();
        values.iter().find(|(known, _)| known == label).map(|(_, value)| value.clone())
    }
}

/// Whether a label has the form `plugin/name`: a `/` that stands at neither end.
#[must_use]
pub fn is_label(label: &str) -> bool {
    label.contains('/') && !label.starts_with('/') && !label.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unread_store_keeps_what_nobody_gets() {
        let (open, unread) = (Metadata::default(), Metadata::unread());
        for store in [&open, &unread, &unread.emptied()] {
            for (label, value) in [("a/b", "1"), ("c/d", "2"), ("a/b", "3"), ("odd", "4")] {
                store.set(label, value);
            }
            assert_eq!(
                store.all(),
                [("a/b", "3"), ("c/d", "2")].map(|(a, b)| (a.into(), b.into()))
            );
            assert_eq!(store.get("a/b").is_some(), std::ptr::eq(store, &open));
        }
        assert!(open.emptied().all().is_empty());
    }
}
