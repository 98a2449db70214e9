//! Looks after the file of a database: a new one is read aside, tried, and then takes the place of the
//! old one. What cannot be used changes nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dunlin_core::error::in_gos_words;
use dunlin_core::metrics::{Counter, Gauge};
use dunlin_core::stamp::FileStamp;
use tokio::time::{MissedTickBehavior, interval};

use super::database::{BadDatabase, Database};

/// Between two looks at the file.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// A database file and what was last seen of it.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    pub(super) stamp: Option<FileStamp>,
    pub(super) database: Arc<ArcSwap<Database>>,
    pub(super) build_epoch: Gauge,
    pub(super) failures: Counter,
}

/// Reads a database, with the stamp from before: a change while it is read is seen the next time.
pub(super) fn read(path: &Path) -> Result<(FileStamp, Database), BadDatabase> {
    let failed = |error: io::Error| BadDatabase::Open {
        path: path.display().to_string(),
        reason: in_gos_words(&error),
    };
    let stamp = FileStamp::from(&std::fs::metadata(path).map_err(failed)?);
    let content = std::fs::read(path).map_err(failed)?;
    Ok((stamp, Database::open(content, path)?))
}

impl DatabaseFile {
    pub(super) async fn watch(mut self) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await; // the first one comes at once
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    /// Disks block, and large files take long: all that is done aside.
    async fn look(&mut self) {
        let (path, known) = (self.path.clone(), self.stamp);
        let looked = tokio::task::spawn_blocking(move || {
            let stamp = std::fs::metadata(&path).ok().map(|data| FileStamp::from(&data));
            (stamp != known).then(|| (stamp, read(&path)))
        });
        let Ok(Some((stamp, result))) = looked.await else { return };
        match result {
            Ok((stamp, database)) => {
                self.stamp = Some(stamp);
                self.build_epoch.set(i64::try_from(database.build_epoch()).unwrap_or(i64::MAX));
                self.database.store(Arc::new(database));
                let path = self.path.display();
                tracing::info!(target: "plugin/geoip", "Successfully reloaded database {path}");
            }
            Err(error) => {
                // Told once for each state of the file.
                self.stamp = stamp;
                self.failures.inc();
                tracing::error!(target: "plugin/geoip", "{error}");
            }
        }
    }
}
