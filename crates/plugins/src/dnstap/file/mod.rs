//! A file that records are written to, in place of a collector. Its disk has a thread at a time and
//! nobody waits for it: while it is busy the queue fills, and then records are dropped.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::disk::Disk;
use super::frames;
use super::outlet::{Outlet, Reason, Record};
use super::pump::{End, Sink, pump};

/// Where to write, and how much.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Recorder {
    pub(super) path: PathBuf,
    /// Octets of a file before the next one is begun.
    pub(super) limit: Option<u64>,
}

impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file://{}", self.path.display())
    }
}

/// Records that may wait.
pub(super) const QUEUE: usize = 10_000;
/// Octets that are gathered before they are written.
const BUFFER: usize = 32 * 1024;

/// Empties the queue until it is closed.
pub(super) async fn run(
    outlet: Arc<Outlet>,
    recorder: Recorder,
    mut records: mpsc::Receiver<Record>,
) {
    tokio::select! {
        () = work(&outlet, recorder, &mut records) => {}
        () = outlet.report() => {}
    }
}

async fn work(outlet: &Outlet, recorder: Recorder, records: &mut mpsc::Receiver<Record>) {
    let disk = Arc::new(Mutex::new(Disk::new(recorder.path.clone(), recorder.limit)));
    let mut is_told = false;
    loop {
        let mut file = OpenFile::on(Arc::clone(&disk));
        let error = match file.on_disk(Disk::open).await {
            Ok(()) => match pump(&mut file, records, outlet.pace, &outlet.numbers).await {
                End::Closed => return,
                End::Lost(error) => error,
            },
            Err(error) => error,
        };
        outlet.numbers.drop_some(file.gathered, Reason::WriteFailed);
        // Told again only if it was all right meanwhile.
        if !is_told || file.has_written {
            let path = recorder.path.display();
            tracing::error!(target: "plugin/dnstap", "Failed to write dnstap file {path}: {error}");
        }
        is_told = true;
        if outlet.discard(records).await {
            return;
        }
    }
}

/// A file, and the frames that are to be written to it next.
struct OpenFile {
    disk: Arc<Mutex<Disk>>,
    frames: Vec<u8>,
    /// Records in `frames`, or in those that could not be written.
    gathered: u64,
    has_written: bool,
}

impl OpenFile {
    fn on(disk: Arc<Mutex<Disk>>) -> Self {
        Self { disk, frames: Vec::new(), gathered: 0, has_written: false }
    }

    /// Does what blocks where it may. One at a time: a disk that hangs holds one thread.
    async fn on_disk(
        &self,
        work: impl FnOnce(&mut Disk) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let disk = Arc::clone(&self.disk);
        let worked = tokio::task::spawn_blocking(move || work(&mut disk.lock())).await;
        worked.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Sink for OpenFile {
    async fn write(&mut self, record: &[u8]) -> io::Result<()> {
        if self.frames.len() >= BUFFER {
            self.flush().await?;
        }
        frames::append(&mut self.frames, record);
        self.gathered += 1;
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.frames.is_empty() {
            return Ok(());
        }
        let frames = std::mem::take(&mut self.frames);
        self.on_disk(move |disk| disk.append(&frames)).await?;
        (self.gathered, self.has_written) = (0, true);
        Ok(())
    }

    async fn hangup(&mut self) -> io::Error {
        std::future::pending().await
    }

    async fn part(&mut self) -> io::Result<()> {
        self.on_disk(Disk::finish).await
    }
}
