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
        // Files may have changed after they were read, before anybody watched them: look once more.
        let _empty = sender.try_send(());
        let mut interest = Interest::default();
        files.iter().for_each(|file| interest.add(file));
        let directories = interest.directories();
        let tell = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| interest.concerns(&event)) {
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
        for directory in directories {
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

/// What a change has to be about: a directory of other people's files must not wake us all day.
#[derive(Debug, Default)]
struct Interest {
    /// Files, and links on the way to them.
    paths: BTreeSet<PathBuf>,
    /// Directories of which every entry counts: those that a wildcard lists.
    listed: BTreeSet<PathBuf>,
}

impl Interest {
    fn add(&mut self, file: &Path) {
        let mut path = file.to_path_buf();
        for _ in 0..MAX_LINKS {
            if path.is_dir() {
                self.listed.insert(path.clone());
            }
            let links = path.ancestors().skip(1).filter(|ancestor| ancestor.read_link().is_ok());
            self.paths.extend(links.map(Path::to_path_buf));
            self.paths.insert(path.clone());
            let Ok(target) = path.read_link() else { break };
            let Some(parent) = path.parent() else { break };
            path = parent.join(target);
        }
    }

    fn directories(&self) -> BTreeSet<PathBuf> {
        let parents = self.paths.iter().filter_map(|path| path.parent());
        parents.map(Path::to_path_buf).chain(self.listed.iter().cloned()).collect()
    }

    fn concerns(&self, event: &notify::Event) -> bool {
        let is_ours = |path: &PathBuf| {
            self.paths.contains(path)
                || path.parent().is_some_and(|parent| self.listed.contains(parent))
        };
        let is_change = !matches!(event.kind, EventKind::Access(_));
        // An event without a path says that events were lost.
        is_change && (event.paths.is_empty() || event.paths.iter().any(is_ours))
    }
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
        let mut interest = Interest::default();
        interest.add(&mount.join("Corefile"));
        let directories = interest.directories();
        assert!(directories.contains(mount), "{directories:?}");
        assert!(directories.contains(&mount.join("..data")), "{directories:?}");
        let of = |name: &str| {
            let kind = EventKind::Create(notify::event::CreateKind::Any);
            interest.concerns(&notify::Event::new(kind).add_path(mount.join(name)))
        };
        assert!(of("Corefile") && of("..data") && of("..data/Corefile"));
        assert!(!of("..data_tmp") && !of("somebody.log"));
    }

    #[test]
    fn a_file_that_is_not_there_is_watched_by_its_directory() {
        let mut interest = Interest::default();
        interest.add(Path::new("/nowhere/at/all"));
        assert!(interest.directories().contains(Path::new("/nowhere/at")));
    }
}
