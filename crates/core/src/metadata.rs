//! Values that plugins tell each other about one query (the `metadata` directive).

use std::borrow::Cow;

use parking_lot::Mutex;

/// Labels and values of one query. A label reads `plugin/name`; the last writer wins.
#[derive(Debug, Default)]
pub struct Metadata {
    values: Mutex<Vec<(Cow<'static, str>, String)>>,
}

impl Metadata {
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
        let values = self.values.lock();
        values.iter().find(|(known, _)| known == label).map(|(_, value)| value.clone())
    }
}

/// Whether a label has the form `plugin/name`: a `/` that stands at neither end.
#[must_use]
pub fn is_label(label: &str) -> bool {
    label.contains('/') && !label.starts_with('/') && !label.ends_with('/')
}
