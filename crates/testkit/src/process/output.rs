//! What a process writes, collected line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStderr, ChildStdout};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::wait;

/// A line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which stream it was written to.
    pub stream: Stream,
    /// Its text, without the line feed.
    pub text: String,
}

/// Standard output or standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The lines so far; two threads add to them.
#[derive(Clone, Debug)]
pub(super) struct Output(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug)]
struct State {
    lines: Vec<Line>,
    open: usize,
}

impl Output {
    pub(super) fn collect(out: Option<ChildStdout>, err: Option<ChildStderr>) -> Self {
        let state = State { lines: Vec::new(), open: 2 };
        let output = Self(Arc::new((Mutex::new(state), Condvar::new())));
        output.read(Stream::Out, out.expect("a piped stdout"));
        output.read(Stream::Err, err.expect("a piped stderr"));
        output
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.0.0.lock().lines.clone()
    }

    /// Both streams were closed.
    pub(super) fn has_ended(&self) -> bool {
        self.0.0.lock().open == 0
    }

    /// Waits for the next line or end, at most this long.
    pub(super) fn wait_for_more(&self, time: Duration) {
        let mut state = self.0.0.lock();
        self.0.1.wait_for(&mut state, time);
    }

    /// Waits until both streams were closed. A grandchild may keep them open; that is not waited for
    /// beyond the deadline.
    pub(super) fn wait_for_end(&self) {
        let mut state = self.0.0.lock();
        self.0.1.wait_while_for(&mut state, |state| state.open > 0, wait::DEADLINE);
    }

    fn read(&self, stream: Stream, source: impl Read + Send + 'static) {
        let output = self.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            while source.read_until(b'\n', &mut bytes).is_ok_and(|length| length > 0) {
                let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
                output.0.0.lock().lines.push(Line { stream, text });
                output.0.1.notify_all();
                bytes.clear();
            }
            output.0.0.lock().open -= 1;
            output.0.1.notify_all();
        });
    }
}
