//! Looks at the weight file again and again. What cannot be used changes nothing: the weights of the
//! last good content stay.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dunlin_core::corefile::go::GoDuration;
use dunlin_core::metrics::Counter;
use tokio::time::{MissedTickBehavior, interval};

use super::weights::{BadFile, Weights};

/// A weight file and what was last seen of it.
#[derive(Debug)]
pub(super) struct WeightFile {
    pub(super) path: PathBuf,
    /// Between two looks; none after the first if it is zero.
    pub(super) reload: Duration,
    pub(super) weights: Arc<ArcSwap<Weights>>,
    pub(super) failures: Counter,
    pub(super) seen: Option<Seen>,
}

/// A content, or that there was none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Content(Vec<u8>),
    Unreadable,
}

/// Why new weights could not be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("weight file open error")]
    Open,
    #[error(transparent)]
    Content(#[from] BadFile),
}

impl WeightFile {
    /// The look at start.
    ///
    /// # Errors
    /// A content that makes no sense; no content, if there will not be a second look.
    pub(super) async fn first_look(&mut self) -> anyhow::Result<()> {
        let content = read(&self.path).await;
        match self.look(content) {
            Err(error @ Failure::Open) if !self.reload.is_zero() => {
                let reload = GoDuration::from(self.reload);
                tracing::warn!(
                    target: "plugin/loadbalance",
                    "Failed to open weight file:{error}. Will try again in {reload}"
                );
                Ok(())
            }
            result => result.map_err(|error| anyhow::anyhow!("plugin/loadbalance: {error}")),
        }
    }

    /// The looks after that.
    pub(super) async fn watch(mut self) {
        let mut ticks = interval(self.reload);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await; // the first one comes at once
        loop {
            ticks.tick().await;
            let content = read(&self.path).await;
            if let Err(error) = self.look(content) {
                tracing::error!(target: "plugin/loadbalance", "{error}");
            }
        }
    }

    /// Takes a content over, unless it is the one that was seen last. A failure is told once for
    /// each content.
    pub(super) fn look(&mut self, content: io::Result<Vec<u8>>) -> Result<(), Failure> {
        let seen = content.map_or(Seen::Unreadable, Seen::Content);
        if self.seen.as_ref() == Some(&seen) {
            return Ok(());
        }
        let result = match self.seen.insert(seen) {
            Seen::Unreadable => Err(Failure::Open),
            Seen::Content(content) => {
                let text = String::from_utf8_lossy(content);
                Weights::parse(&text, &self.path).map_err(Failure::from)
            }
        };
        let weights = result.inspect_err(|_| self.failures.inc())?;
        self.weights.store(Arc::new(weights));
        let path = self.path.display();
        tracing::info!(target: "plugin/loadbalance", "Successfully reloaded weight file {path}");
        Ok(())
    }
}

/// Reads a file aside: disks block.
async fn read(path: &Path) -> io::Result<Vec<u8>> {
    let path = path.to_path_buf();
    tokio::task::spawn_blocking(move || read_bounded(&path)).await?
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut content)?;
    let fits = u64::try_from(content.len()).is_ok_and(|length| length <= MAX_FILE);
    if fits { Ok(content) } else { Err(io::ErrorKind::FileTooLarge.into()) }
}

/// Larger files count as unreadable, in octets.
const MAX_FILE: u64 = 16 << 20;
