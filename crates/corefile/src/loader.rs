//! Where imported files come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Nothing has that name.
    #[error("no such file or directory")]
    NotFound,
    /// It is a directory.
    #[error("is a directory")]
    Directory,
    /// What the operating system said, as it says it: `permission denied`.
    #[error("{0}")]
    Other(String),
}

/// Reads files for `import`. Paths are absolute if the [`Source`](crate::Source) has an absolute directory.
pub trait Loader {
    /// The whole content of a file. An implementation may stop reading after 1 MiB + 1 octet: longer files are refused.
    ///
    /// # Errors
    /// Nothing there, a directory, or the operating system refuses.
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError>;

    /// The names in a directory, in any order; none if it is no directory or cannot be read.
    fn list(&self, directory: &Path) -> Vec<String>;
}

/// Files in memory, for tests. Directories exist by being the start of a file's path.
#[derive(Clone, Debug, Default)]
pub struct MemoryLoader {
    files: BTreeMap<PathBuf, Result<Vec<u8>, LoadError>>,
}

impl MemoryLoader {
    /// One without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), Ok(content.into()));
        self
    }

    /// Adds a file that is there but cannot be read.
    #[must_use]
    pub fn failing(mut self, path: impl Into<PathBuf>, error: LoadError) -> Self {
        self.files.insert(path.into(), Err(error));
        self
    }
}

impl Loader for MemoryLoader {
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        if let Some(content) = self.files.get(path) {
            return content.clone();
        }
        let inside = self.files.keys().any(|file| file.starts_with(path));
        Err(if inside { LoadError::Directory } else { LoadError::NotFound })
    }

    fn list(&self, directory: &Path) -> Vec<String> {
        let below = self.files.keys().filter_map(|file| file.strip_prefix(directory).ok());
        let mut names: Vec<String> = below
            .filter_map(|path| path.components().next())
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect();
        names.dedup();
        names
    }
}
