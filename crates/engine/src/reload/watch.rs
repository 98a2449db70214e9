//! Which directories to listen to, so that no change of a file is missed: that of the file itself
//! and those of every symbolic link on the way to it. A `ConfigMap` mount changes by renaming a
//! link in the directory, not by writing the file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Tells of changes; without inotify it never does, and the poll has to.
#[derive(Debug, Default)]
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    changes: Option<mpsc::Receiver<()>>,
}

/// Changes that come together are one.
const QUIET: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const MAX_LINKS: usize = 40;

impl Watch {
    /// Watches these files and nothing else.
    pub(super) fn set(&mut self, files: &[PathBuf]) {
        let (sender, changes) = mpsc::channel(1);
        let tell = move |event: notify::Result<notify::Event>| {
            let concerns = event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_)));
            if concerns {
                // One message is as good as many.
                let _full = sender.try_send(());
            }
        };
        let mut watcher = match notify::recommended_watcher(tell) {
            Ok(watcher) => watcher,
            Err(error) => {
                tracing::warn!(%error, "files cannot be watched: changes are seen by polling only");
                *self = Self::default();
                return;
            }
        };
        for directory in files.iter().flat_map(|file| directories_of(file)).collect::<BTreeSet<_>>()
        {
            if let Err(error) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                tracing::debug!(%error, "{} cannot be watched", directory.display());
            }
        }
        *self = Self { watcher: Some(watcher), changes: Some(changes) };
    }

    /// Waits for a change, and until changes have ceased for a moment. Cancel-safe up to the
    /// first change; one that is lost after it is seen by the poll.
    pub(super) async fn changed(&mut self) {
        let (Some(changes), Some(_)) = (&mut self.changes, &self.watcher) else {
            return std::future::pending().await;
        };
        if changes.recv().await.is_none() {
            return std::future::pending().await;
        }
        let settle =
            async { while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {} };
        // Whether they cease or go on for ever, it is time to look.
        let _settled = tokio::time::timeout(LONGEST_WAIT, settle).await;
    }
}

/// The directory of a file, of every link on the way, and a directory that is itself a source.
fn directories_of(file: &Path) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    let mut path = file.to_path_buf();
    for _ in 0..MAX_LINKS {
        if path.is_dir() {
            directories.insert(path.clone());
        }
        for ancestor in path.ancestors().skip(1) {
            let is_link = ancestor.read_link().is_ok();
            if let (true, Some(parent)) = (is_link, ancestor.parent()) {
                directories.insert(parent.to_path_buf());
            }
        }
        let Some(parent) = path.parent() else { break };
        directories.insert(parent.to_path_buf());
        match path.read_link() {
            Ok(target) => path = parent.join(target),
            Err(_) => break,
        }
    }
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_map_mount_is_watched_where_its_link_is_swapped() {
        let root = tempfile::tempdir().unwrap();
        let mount = root.path();
        std::fs::create_dir(mount.join("..2026")).unwrap();
        std::fs::write(mount.join("..2026/Corefile"), ".").unwrap();
        std::os::unix::fs::symlink("..2026", mount.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/Corefile", mount.join("Corefile")).unwrap();
        let directories = directories_of(&mount.join("Corefile"));
        assert!(directories.contains(mount), "{directories:?}");
        assert!(directories.contains(&mount.join("..data")), "{directories:?}");
    }

    #[test]
    fn a_file_that_is_not_there_is_watched_by_its_directory() {
        let directories = directories_of(Path::new("/nowhere/at/all"));
        assert!(directories.contains(Path::new("/nowhere/at")));
    }
}
