//! A stream to a collector that has been greeted, as a sink of records.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::endpoint::{Stream, timed_out};
use super::frames;
use super::pump::Sink;

/// A collector that listens to us.
pub(super) struct Greeted {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: BufWriter<WriteHalf<Box<dyn Stream>>>,
    /// For a record to be written, and for the end of the stream.
    patience: Duration,
}

/// Octets that are gathered before they are written.
const BUFFER: usize = 32 * 1024;

impl Greeted {
    pub(super) fn new(stream: Box<dyn Stream>, patience: Duration) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer: BufWriter::with_capacity(BUFFER, writer), patience }
    }
}

impl Sink for Greeted {
    async fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let written = timeout(self.patience, frames::write(&mut self.writer, record)).await;
        written.unwrap_or_else(|_elapsed| Err(timed_out()))
    }

    async fn flush(&mut self) -> io::Result<()> {
        let flushed = timeout(self.patience, self.writer.flush()).await;
        flushed.unwrap_or_else(|_elapsed| Err(timed_out()))
    }

    async fn hangup(&mut self) -> io::Error {
        let mut octet = [0];
        match self.reader.read(&mut octet).await {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            // Until we end the stream a collector has nothing to say.
            Ok(_) => io::ErrorKind::InvalidData.into(),
            Err(error) => error,
        }
    }

    /// A collector that takes no leave is not waited for.
    async fn part(&mut self) -> io::Result<()> {
        let parting = frames::part(&mut self.reader, &mut self.writer);
        timeout(self.patience, parting).await.unwrap_or(Ok(()))
    }
}
