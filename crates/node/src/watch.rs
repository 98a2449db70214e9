//! Being told that something in a directory changed, as the kubelet changes it: by renaming a link.
//! Where the kernel does not tell, whoever asks has to look by itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Tells of changes in directories; without inotify it never does, and the poll has to.
#[derive(Debug)]
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<()>,
    directories: Vec<PathBuf>,
    /// Whether all of them are watched.
    is_complete: bool,
}

/// Changes that come together are one.
const QUIET: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

impl Watch {
    pub(crate) fn new(directories: &[&Path]) -> Self {
        let (sender, changes) = mpsc::channel(1);
        // Files may have changed after they were read, before anybody watched them: look once more.
        let _empty = sender.try_send(());
        let tell = move |event: notify::Result<notify::Event>| {
            let is_change =
                !matches!(event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
            if is_change {
                // One message is as good as many.
                let _full = sender.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(tell)
            .inspect_err(|error| {
                tracing::warn!(%error, "files cannot be watched: changes are seen by polling only");
            })
            .ok();
        let directories = directories.iter().map(|path| path.to_path_buf()).collect();
        let mut watch = Self { watcher, changes, directories, is_complete: false };
        watch.renew();
        watch
    }

    /// Watches again: a directory may be new, or another one under its old name.
    pub(crate) fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.is_complete = true;
        for directory in &self.directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::debug!(%error, "{} cannot be watched", directory.display());
                self.is_complete = false;
            }
        }
    }

    /// Whether all directories are watched, so that changes are told of.
    pub(crate) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Waits for a change, and until changes have ceased for a moment. Cancel-safe up to the
    /// first change; one that is lost after it is seen by the poll.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            return std::future::pending().await;
        }
        let settle = async {
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
        };
        // Whether they cease or go on for ever, it is time to look.
        let _settled = tokio::time::timeout(LONGEST_WAIT, settle).await;
    }
}
