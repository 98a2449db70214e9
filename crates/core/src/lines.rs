//! Log lines: formatted where they arise, written by one thread, bounded in between.
//!
//! A worker appends to a buffer of its own and takes no lock; full or old buffers travel to the
//! writer as chunks. When the reader of our output stalls, chunks are dropped and their lines
//! counted: logging never delays an answer.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use crate::metrics::Counter;
use crate::worker;

/// Where log lines go. Clones share the writer.
#[derive(Clone)]
pub struct Lines(Arc<Inner>, Style);

/// How the process writes its log; whoever formats a line keeps to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// The form of a line.
    pub format: Format,
    /// Whether a line tells its time; the lines of CoreDNS do not.
    pub time: bool,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `[LEVEL] text`, as CoreDNS.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

struct Inner {
    sender: SyncSender<Chunk>,
    dropped: Counter,
}

enum Chunk {
    Text(Vec<u8>),
    Close(SyncSender<()>),
}

/// Chunks that wait for the writer, at most.
const QUEUE: usize = 64;
/// A buffer of this many octets is handed over at once.
const CHUNK_LEN: usize = 32 * 1024;
/// A line waits no longer than this.
const MAX_AGE: Duration = Duration::from_millis(50);

thread_local! {
    static PENDING: RefCell<Option<(Lines, Vec<u8>)>> = const { RefCell::new(None) };
}

impl Lines {
    /// Starts the writer thread. `dropped` counts the lines that found the queue full.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn new(sink: impl Write + Send + 'static, dropped: Counter) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new().name("log-writer".into());
        writer.spawn(move || write_chunks(&receiver, sink))?;
        Ok(Self(Arc::new(Inner { sender, dropped }), Style::default()))
    }

    /// Lines that end up nowhere.
    #[must_use]
    pub fn discarded() -> Self {
        let (sender, _receiver) = sync_channel(1);
        let metrics = crate::metrics::Metrics::new(0);
        let dropped = metrics.counter("dunlin_discarded_total", "Lines.", &[]).with(&[]);
        Self(Arc::new(Inner { sender, dropped }), Style::default())
    }

    /// The same lines in another style.
    #[must_use]
    pub fn styled(self, style: Style) -> Self {
        Self(self.0, style)
    }

    /// The style to write in.
    #[must_use]
    pub fn style(&self) -> Style {
        self.1
    }

    /// Appends one line; `format` writes it, line feed included.
    pub fn write(&self, format: impl FnOnce(&mut Vec<u8>)) {
        if worker::current().is_none() {
            let mut text = Vec::with_capacity(160);
            format(&mut text);
            return self.hand_over(text);
        }
        PENDING.with_borrow_mut(|pending| {
            if let Some((other, text)) = pending.take_if(|(owner, _)| !self.is(owner)) {
                other.hand_over(text);
            }
            let (_, text) = pending.get_or_insert_with(|| (self.clone(), Vec::new()));
            let was_empty = text.is_empty();
            format(text);
            if text.len() >= CHUNK_LEN || (was_empty && !flush_later()) {
                self.hand_over(std::mem::take(text));
            }
        });
    }

    /// Hands over what this thread has pending.
    pub fn flush() {
        PENDING.with_borrow_mut(|pending| {
            if let Some((owner, text)) = pending
                && !text.is_empty()
            {
                let text = std::mem::take(text);
                owner.hand_over(text);
            }
        });
    }

    /// Waits until everything handed over so far is written, at most this long.
    pub fn close(&self, patience: Duration) {
        Self::flush();
        let (done, written) = sync_channel(1);
        let mut close = Chunk::Close(done);
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            match self.0.sender.try_send(close) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(again)) => close = again,
            }
            if tokio::time::Instant::now() >= deadline {
                return;
            }
            std::thread::yield_now();
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        // Out of patience or done: either way there is nothing more to do for the lines.
        let _written = written.recv_timeout(left);
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn hand_over(&self, text: Vec<u8>) {
        if let Err(TrySendError::Full(Chunk::Text(text))) =
            self.0.sender.try_send(Chunk::Text(text))
        {
            let lines = text.iter().filter(|octet| **octet == b'\n').count();
            self.0.dropped.add(u64::try_from(lines).unwrap_or(u64::MAX));
        }
    }
}

/// Sees to it that this thread's buffer is handed over soon; false if nobody can.
fn flush_later() -> bool {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
    runtime.spawn(async {
        tokio::time::sleep(MAX_AGE).await;
        Lines::flush();
    });
    true
}

fn write_chunks(receiver: &Receiver<Chunk>, mut sink: impl Write) {
    while let Ok(chunk) = receiver.recv() {
        // A closed stdout is the operator's wish; there is nobody to tell.
        match chunk {
            Chunk::Text(text) => _ = sink.write_all(&text).and_then(|()| sink.flush()),
            Chunk::Close(done) => _ = done.try_send(()),
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::metrics::Metrics;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn dropped() -> Counter {
        Metrics::new(1).counter("dunlin_test_total", "Test.", &[]).with(&[])
    }

    #[test]
    fn lines_of_workers_and_others_arrive_in_the_order_of_each_thread() {
        let sink = Sink::default();
        let lines = Lines::new(sink.clone(), dropped()).unwrap();
        let on_worker = lines.clone();
        std::thread::spawn(move || {
            worker::enter(0);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(async {
                for number in 0..1000 {
                    on_worker.write(|text| writeln!(text, "w{number}").unwrap());
                }
                Lines::flush();
            });
        })
        .join()
        .unwrap();
        lines.write(|text| text.extend_from_slice(b"other\n"));
        lines.close(Duration::from_secs(10));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let expected: Vec<String> =
            (0..1000).map(|number| format!("w{number}")).chain(["other".into()]).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _blocks = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_delays_nobody_and_the_lost_lines_are_counted() {
        let (_release, held) = sync_channel(1);
        let dropped = dropped();
        let lines = Lines::new(Stuck(held), dropped.clone()).unwrap();
        for _ in 0..QUEUE * 3 {
            lines.write(|text| text.extend_from_slice(b"one line\n"));
        }
        assert!(dropped.value() >= u64::try_from(QUEUE).unwrap());
    }
}
