//! State that a plugin keeps over a reload when what it depends on did not change.

use std::any::{Any, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

type Kept = HashMap<String, Arc<dyn Any + Send + Sync>>;

/// What one generation keeps for the next.
#[derive(Clone, Default)]
pub struct Retain {
    before: Arc<Kept>,
    now: Arc<Mutex<Kept>>,
}

impl Retain {
    /// What the generation after `self` may take over.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { before: Arc::new(self.now.lock().clone()), now: Arc::default() }
    }

    pub(super) fn get_or_make<T: Send + Sync + 'static>(
        &self,
        key: &str,
        make: impl FnOnce() -> T,
    ) -> Arc<T> {
        let key = format!("{}\n{key}", type_name::<T>());
        let mut now = self.now.lock();
        let known = now.get(&key).or_else(|| self.before.get(&key)).cloned();
        let state =
            known.and_then(|known| known.downcast().ok()).unwrap_or_else(|| Arc::new(make()));
        now.insert(key, Arc::clone(&state) as Arc<dyn Any + Send + Sync>);
        state
    }
}

impl fmt::Debug for Retain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retain({} before, {} now)", self.before.len(), self.now.lock().len())
    }
}
