//! From a queue into a stream that has been greeted, until one of them ends.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::endpoint::{Stream, timed_out};
use super::frames;
use super::outlet::{Numbers, Pace, Reason, Record};

/// Why it is over.
#[derive(Debug)]
pub(super) enum End {
    /// The queue was closed; all that was in it is written, and the stream is ended.
    Closed,
    /// The collector is gone.
    Lost(io::Error),
}

/// A stream that records are written to.
struct Outflow<'a> {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: BufWriter<WriteHalf<Box<dyn Stream>>>,
    /// When the buffer has to be written out; `None` if it is empty.
    flush_at: Option<Instant>,
    pace: Pace,
    numbers: &'a Numbers,
}

enum Event {
    Records(usize),
    Flush,
    Hangup(io::Error),
}

/// Records that are taken from the queue at a time.
const BATCH: usize = 64;
/// Octets that are gathered before they are written.
const BUFFER: usize = 32 * 1024;

/// Empties the queue into the stream.
pub(super) async fn pump(
    stream: Box<dyn Stream>,
    records: &mut mpsc::Receiver<Record>,
    pace: Pace,
    numbers: &Numbers,
) -> End {
    let _one = numbers.connected();
    let (reader, writer) = tokio::io::split(stream);
    let writer = BufWriter::with_capacity(BUFFER, writer);
    let mut outflow = Outflow { reader, writer, flush_at: None, pace, numbers };
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let result = match outflow.event(records, &mut batch).await {
            Event::Records(0) => return outflow.end().await,
            Event::Records(_) => outflow.write(&mut batch).await,
            Event::Flush => outflow.flush().await,
            Event::Hangup(error) => Err(error),
        };
        if let Err(error) = result {
            return End::Lost(error);
        }
    }
}

impl Outflow<'_> {
    async fn event(
        &mut self,
        records: &mut mpsc::Receiver<Record>,
        batch: &mut Vec<Record>,
    ) -> Event {
        let flush_at = self.flush_at;
        let flush = async move {
            match flush_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let mut octet = [0];
        // All three are cancel-safe: each takes something only when it is ready.
        tokio::select! {
            count = records.recv_many(batch, BATCH) => Event::Records(count),
            () = flush => Event::Flush,
            read = self.reader.read(&mut octet) => Event::Hangup(match read {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                // Until we end the stream a collector has nothing to say.
                Ok(_) => io::ErrorKind::InvalidData.into(),
                Err(error) => error,
            }),
        }
    }

    async fn write(&mut self, batch: &mut Vec<Record>) -> io::Result<()> {
        let count = batch.len();
        for (number, record) in batch.drain(..).enumerate() {
            let writing = frames::write(&mut self.writer, &record);
            let written = timeout(self.pace.patience, writing).await;
            if let Err(error) = written.unwrap_or_else(|_elapsed| Err(timed_out())) {
                let left = u64::try_from(count - number).unwrap_or(u64::MAX);
                self.numbers.drop_some(left, Reason::WriteFailed);
                return Err(error);
            }
        }
        self.flush_at.get_or_insert_with(|| Instant::now() + self.pace.flush);
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.flush_at = None;
        let flushed = timeout(self.pace.patience, self.writer.flush()).await;
        flushed.unwrap_or_else(|_elapsed| Err(timed_out()))
    }

    async fn end(mut self) -> End {
        if let Err(error) = self.flush().await {
            return End::Lost(error);
        }
        let patience = self.pace.patience;
        let mut stream = self.reader.unsplit(self.writer.into_inner());
        match timeout(patience, frames::part(&mut stream)).await {
            Ok(Err(error)) => End::Lost(error),
            Ok(Ok(())) | Err(_) => End::Closed,
        }
    }
}
