//! From a queue into a sink, until one of them ends.

use std::io;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::outlet::{Numbers, Pace, Reason, Record};

/// What records are written to, in the end: a collector, or a file.
pub(super) trait Sink: Send {
    /// Takes a record; it may keep it until it is flushed.
    fn write(&mut self, record: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Lets go of what it keeps.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Resolved when nobody takes records any more. Cancel-safe.
    fn hangup(&mut self) -> impl Future<Output = io::Error> + Send;

    /// Ends the stream, after the last flush.
    fn part(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// Why it is over.
#[derive(Debug)]
pub(super) enum End {
    /// The queue was closed; all that was in it is written, and the stream is ended.
    Closed,
    /// The sink takes no more.
    Lost(io::Error),
}

/// A sink with records on their way into it.
struct Outflow<'a, S> {
    sink: &'a mut S,
    /// When the sink has to be flushed; `None` if it keeps nothing.
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

/// Empties the queue into the sink.
pub(super) async fn pump(
    sink: &mut impl Sink,
    records: &mut mpsc::Receiver<Record>,
    pace: Pace,
    numbers: &Numbers,
) -> End {
    let _one = numbers.connected();
    let mut outflow = Outflow { sink, flush_at: None, pace, numbers };
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

impl<S: Sink> Outflow<'_, S> {
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
        // All three are cancel-safe: each takes something only when it is ready.
        tokio::select! {
            count = records.recv_many(batch, BATCH) => Event::Records(count),
            () = flush => Event::Flush,
            error = self.sink.hangup() => Event::Hangup(error),
        }
    }

    async fn write(&mut self, batch: &mut Vec<Record>) -> io::Result<()> {
        let count = batch.len();
        for (number, record) in batch.drain(..).enumerate() {
            if let Err(error) = self.sink.write(&record).await {
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
        self.sink.flush().await
    }

    async fn end(mut self) -> End {
        let flushed = self.flush().await;
        match if flushed.is_ok() { self.sink.part().await } else { flushed } {
            Ok(()) => End::Closed,
            Err(error) => End::Lost(error),
        }
    }
}
