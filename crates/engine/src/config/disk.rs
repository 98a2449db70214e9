//! Files of a configuration, read so that they belong together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dunlin_core::corefile::{Diagnostic, LoadError, Loader, Position};
use dunlin_core::error::in_gos_words;

use super::Loaded;

/// Reads files and remembers what they were.
#[derive(Debug, Default)]
pub(super) struct DiskLoader {
    seen: RefCell<BTreeMap<PathBuf, Option<Stamp>>>,
}

/// Enough to tell whether a path still leads to the same content.
type Stamp = (u64, u64, u64, i64, i64);

/// More than a Corefile may have: the parser says so.
const MOST: u64 = (1 << 20) + 1;
/// How often files are read that change meanwhile.
const ATTEMPTS: usize = 10;
const RESTLESS: &str = "the configuration files change while they are read";

/// Reads until nothing changed under way: a `ConfigMap` mount swaps all files at once, and a
/// mixture of old and new must not be taken for either.
pub(super) fn consistently(mut read: impl FnMut(&DiskLoader) -> Loaded) -> Loaded {
    let mut sources = BTreeSet::new();
    for _ in 0..ATTEMPTS {
        let loader = DiskLoader::default();
        let loaded = read(&loader);
        if loader.is_unchanged() {
            return loaded;
        }
        sources = loaded.sources;
    }
    let position = Position { file: "Corefile".into(), line: 1, column: 1 };
    let restless = Diagnostic::bare(position, RESTLESS.into(), RESTLESS.into());
    Loaded { diagnostics: vec![restless], sources, ..Loaded::default() }
}

impl DiskLoader {
    fn is_unchanged(&self) -> bool {
        self.seen.borrow().iter().all(|(path, stamp)| stamp_of(path) == *stamp)
    }

    fn see(&self, path: &Path) {
        let stamp = stamp_of(path);
        self.seen.borrow_mut().entry(path.to_path_buf()).or_insert(stamp);
    }
}

/// A pipe, which can be read once only, has none.
fn stamp_of(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    (data.is_file() || data.is_dir())
        .then(|| (data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
}

impl Loader for DiskLoader {
    fn read(&self, path: &Path) -> Result<Vec<u8>, LoadError> {
        self.see(path);
        let mut content = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut content));
        match read {
            Ok(_) => Ok(content),
            Err(error) => Err(match error.kind() {
                io::ErrorKind::NotFound => LoadError::NotFound,
                io::ErrorKind::IsADirectory => LoadError::Directory,
                _ => LoadError::Other(in_gos_words(&error)),
            }),
        }
    }

    fn list(&self, directory: &Path) -> Vec<String> {
        self.see(directory);
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}
