//! Where a Corefile comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use dunlin_core::corefile::{Diagnostic, LoadError, Loader, Position};

/// The source of the main text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file that the operator named (`-conf`): it must be there.
    Named(PathBuf),
    /// `./Corefile`: without it, the built-in default.
    Usual(PathBuf),
    /// Standard input, read once; it never changes.
    Stdin(Vec<u8>),
    /// A file that this process writes itself, or the text that it could not write.
    Made(PathBuf, Held),
}

/// A Corefile in memory; while it holds none, the file counts. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<ArcSwapOption<Vec<u8>>>);

impl Held {
    /// Puts a text in place of the file, or takes it away.
    pub fn hold(&self, text: Option<Vec<u8>>) {
        self.0.store(text.map(Arc::new));
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Held {}

impl Origin {
    /// How messages name it.
    pub(crate) fn name(&self) -> &str {
        match self {
            // A text in memory may have no file at all.
            Self::Made(path, _) if path.as_os_str().is_empty() => "Corefile",
            Self::Named(path) | Self::Usual(path) | Self::Made(path, _) => {
                path.to_str().unwrap_or("Corefile")
            }
            Self::Stdin(_) => "/dev/stdin",
        }
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Named(path) | Self::Usual(path) | Self::Made(path, _) => {
                std::path::absolute(path).ok()
            }
            Self::Stdin(_) => None,
        }
    }

    /// Whether it can change while we run.
    pub(crate) fn may_change(&self) -> bool {
        !matches!(self, Self::Stdin(_))
    }

    /// What relative imports start from.
    pub(crate) fn directory(&self) -> PathBuf {
        let file = self.path();
        let parent = file.as_deref().and_then(Path::parent).map(Path::to_path_buf);
        parent.or_else(|| std::env::current_dir().ok()).unwrap_or_else(|| "/".into())
    }

    /// The main text; `None` for a usual file that is not there.
    pub(super) fn read(&self, loader: &impl Loader) -> Result<Option<Vec<u8>>, Diagnostic> {
        let (path, lead) = match self {
            Self::Stdin(text) => return Ok(Some(text.clone())),
            Self::Made(path, held) => {
                if let Some(text) = &*held.0.load() {
                    return Ok(Some(text.to_vec()));
                }
                (path, "loading Caddyfile via flag: ")
            }
            Self::Named(path) => (path, "loading Caddyfile via flag: "),
            Self::Usual(path) => (path, "loading Caddyfile via default: "),
        };
        match loader.read(path) {
            Ok(text) => Ok(Some(text)),
            Err(LoadError::NotFound) if matches!(self, Self::Usual(_)) => Ok(None),
            Err(error) => {
                let message = go_error(path, &error);
                let position = Position { file: self.name().into(), line: 1, column: 1 };
                Err(Diagnostic::bare(position, message.clone(), format!("{lead}{message}")))
            }
        }
    }
}

/// The words that operators know: `open X: no such file or directory`, `read X: is a directory`.
fn go_error(path: &Path, error: &LoadError) -> String {
    let call = if matches!(error, LoadError::Directory) { "read" } else { "open" };
    format!("{call} {}: {error}", path.display())
}
