//! The server under test as a process of its own, and the files it reads.

mod config_map;
mod output;
mod setup;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use std::{fs, io};

use parking_lot::Mutex;
use tempfile::TempDir;

pub use self::config_map::ConfigMap;
use self::output::Output;
pub use self::output::{Line, Stream};
pub use self::setup::Setup;
use crate::wait;

/// A running server with a directory of its own; killed when dropped.
///
/// ```no_run
/// use dunlin_testkit::process::Server;
///
/// let server = Server::of("target/debug/dunlin")
///     .corefile(".:{{port}} {\n whoami\n prometheus 127.0.0.1:{{metrics}}\n}\n")
///     .start();
/// let (status, page) = dunlin_testkit::http::get(server.address_of("metrics"), "/metrics");
/// server.signal("TERM");
/// assert!(server.wait_exit().success());
/// ```
#[derive(Debug)]
pub struct Server {
    child: Mutex<Child>,
    output: Output,
    words: Mutex<HashMap<String, String>>,
    directory: TempDir,
}

impl Server {
    /// A server of this binary, to be told more.
    pub fn of(binary: impl AsRef<Path>) -> Setup {
        Setup::new(binary.as_ref())
    }

    /// `{{port}}` on 127.0.0.1: where it serves DNS.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address_of("port")
    }

    /// The port that this placeholder became, on 127.0.0.1.
    #[track_caller]
    pub fn address_of(&self, placeholder: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port(placeholder)).into()
    }

    /// The port that this placeholder became.
    #[track_caller]
    pub fn port(&self, placeholder: &str) -> u16 {
        let words = self.words.lock();
        let word = words
            .get(placeholder)
            .unwrap_or_else(|| panic!("no placeholder {{{{{placeholder}}}}} was used"));
        word.parse().unwrap_or_else(|_| panic!("{{{{{placeholder}}}}} is no port: {word}"))
    }

    /// Its working directory, `{{dir}}`, with `Corefile` in it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its Corefile.
    pub fn corefile_path(&self) -> PathBuf {
        self.directory.path().join("Corefile")
    }

    /// Puts another Corefile in place, in one step; placeholders are as in the first one.
    pub fn rewrite_corefile(&self, text: &str) {
        self.rewrite("Corefile", text);
    }

    /// Puts another file in place in its directory, in one step; placeholders are filled in.
    pub fn rewrite(&self, file: &str, text: &str) {
        let text = setup::fill(text, &mut self.words.lock());
        let path = self.directory.path().join(file);
        let new = self.directory.path().join(format!(".{file}.new"));
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).expect("a writable directory");
    }

    /// What it wrote so far, lines of both streams in the order of their arrival.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines().into_iter().map(|line| line.text).collect()
    }

    /// As [`lines`](Self::lines), each with its stream.
    pub fn output(&self) -> Vec<Line> {
        self.output.lines()
    }

    /// Waits for a line with this text, and returns the first one.
    ///
    /// # Panics
    ///
    /// With all output if there is none within the deadline, or once the process has ended without.
    #[track_caller]
    pub fn wait_for_line(&self, text: &str) -> String {
        self.wait_for_lines(text, 1).swap_remove(0)
    }

    /// Waits for `count` lines with this text, and returns all there are.
    ///
    /// # Panics
    ///
    /// As [`wait_for_line`](Self::wait_for_line).
    #[track_caller]
    pub fn wait_for_lines(&self, text: &str, count: usize) -> Vec<String> {
        let start = wait::now();
        loop {
            let ended = self.output.has_ended();
            let found: Vec<_> =
                self.lines().into_iter().filter(|line| line.contains(text)).collect();
            if found.len() >= count {
                return found;
            }
            let in_vain = ended || start.elapsed() > wait::DEADLINE;
            assert!(!in_vain, "no {count} lines with {text:?} in:\n{}", self.lines().join("\n"));
            self.output.wait_for_more(Duration::from_millis(100));
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.lock().id()
    }

    /// Sends a signal by its name: `TERM`, `INT`, `QUIT`, `USR1`, `HUP`, `STOP`, `KILL`.
    ///
    /// # Panics
    ///
    /// If the process has ended.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        // Held, so that nobody collects the child, whose id might then be another process's.
        let mut child = self.child.lock();
        assert!(matches!(child.try_wait(), Ok(None)), "SIG{name}: the server has ended already");
        let name = name.trim_start_matches("SIG");
        let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits for its end and for the end of its output.
    ///
    /// # Panics
    ///
    /// With all output if it does not end within the deadline.
    #[track_caller]
    pub fn wait_exit(&self) -> ExitStatus {
        let start = wait::now();
        loop {
            let status = self.exit_status();
            if let Some(status) = status {
                self.output.wait_for_end();
                return status;
            }
            assert!(
                start.elapsed() < wait::DEADLINE,
                "still runs, having said:\n{}",
                self.lines().join("\n")
            );
            self.output.wait_for_more(Duration::from_millis(5));
        }
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().try_wait().expect("a child process")
    }

    /// Waits until it replies over UDP at this address. The probe is a header without a question, which
    /// every server refuses by itself with FORMERR: no plugin, log or metric sees it.
    ///
    /// # Panics
    ///
    /// With all output if it does not reply within the deadline, or ends.
    #[track_caller]
    pub fn wait_for_reply(&self, address: SocketAddr) {
        let probe = || -> io::Result<()> {
            let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(address)?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            socket.send(&PROBE)?;
            socket.recv(&mut [0; 512]).map(drop)
        };
        let start = wait::now();
        while probe().is_err() {
            if let Some(status) = self.exit_status() {
                self.output.wait_for_end();
                panic!("the server ended with {status}, having said:\n{}", self.lines().join("\n"));
            }
            let in_vain = start.elapsed() > wait::DEADLINE;
            assert!(
                !in_vain,
                "no reply from {address}; the server said:\n{}",
                self.lines().join("\n")
            );
            self.output.wait_for_more(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A query with id 0x7465 and nothing in it.
const PROBE: [u8; 12] = [0x74, 0x65, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
