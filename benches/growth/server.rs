//! The server under test, as a process of its own, and what the kernel knows of it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use dunlin_testkit::ports;
use tempfile::TempDir;
use tokio::time::Instant;

/// How a server is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// Alone on these processors; `None`: wherever the kernel wants.
    On(Option<&'static str>),
    /// Under callgrind, which counts instructions, on one processor.
    Callgrind {
        /// The function within which it counts; everywhere without.
        within: Option<&'static str>,
    },
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    port: u16,
    started_in: Duration,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Seconds in its own code.
    pub(crate) user: f64,
    /// Seconds in its own code and in the kernel.
    pub(crate) total: f64,
}

/// Longest wait for the first answer, under valgrind with 1,000 server blocks.
const PATIENCE: Duration = Duration::from_secs(120);

impl Server {
    /// Starts the binary of this build with a Corefile, in which `{{port}}` is the port it shall
    /// listen on, and waits for its first answer.
    pub(crate) fn start(corefile: &str, runner: Runner) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = ports::free();
        let path = directory.path().join("Corefile");
        fs::write(&path, corefile.replace("{{port}}", &port.to_string()))?;
        let mut command = runner.command(&directory);
        command.arg("-conf").arg(&path).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(fs::File::create(directory.path().join("errors"))?);
        let began = Instant::now();
        let child = command.spawn().context("the server cannot be started")?;
        let mut server = Self { child, directory, port, started_in: Duration::ZERO };
        server.wait_for_reply(began)?;
        server.started_in = began.elapsed();
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// From the start of the process to the first answer that a client got.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("no fields")?;
        let field = |number: usize| -> anyhow::Result<f64> {
            let field = fields.split(' ').nth(number).context("too few fields")?;
            Ok(field.parse::<f64>()? / 100.0)
        };
        let (user, system) = (field(11)?, field(12)?);
        Ok(Usage { user, total: user + system })
    }

    /// The ids of its worker threads, in order.
    pub(crate) fn workers(&self) -> anyhow::Result<Vec<String>> {
        let mut workers = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let entry = entry?;
            let name = fs::read_to_string(entry.path().join("comm"))?;
            if name.starts_with("worker-") {
                workers.push((name, entry.file_name().to_string_lossy().into_owned()));
            }
        }
        workers.sort();
        Ok(workers.into_iter().map(|(_, id)| id).collect())
    }

    /// Nanoseconds that a thread of it has run so far.
    pub(crate) fn ran(&self, thread: &str) -> anyhow::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/task/{thread}/schedstat", self.id()))?;
        Ok(text.split(' ').next().context("no schedstat")?.parse()?)
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim_end_matches("kB").trim().parse()?)
    }

    /// Sets callgrind's counters to 0.
    pub(crate) fn reset_count(&self) -> anyhow::Result<()> {
        self.callgrind_control("--zero").map(drop)
    }

    /// Instructions since the last reset.
    pub(crate) fn count(&self) -> anyhow::Result<u64> {
        self.callgrind_control("--dump")?;
        let mut latest = None;
        for entry in fs::read_dir(self.directory.path())? {
            let path = entry?.path();
            let Some(number) = path.extension().and_then(|text| text.to_str()?.parse::<u32>().ok())
            else {
                continue;
            };
            latest = latest.max(Some((number, path)));
        }
        let (_, path) = latest.context("callgrind wrote no counts")?;
        let text = fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| {
            line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:"))
        });
        Ok(line.context("callgrind wrote no total")?.trim().parse()?)
    }

    fn callgrind_control(&self, what: &str) -> anyhow::Result<String> {
        let output =
            Command::new("callgrind_control").arg(what).arg(self.id().to_string()).output()?;
        ensure!(output.status.success(), "callgrind_control {what}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Asks 5,000 times a second: a header without a question, which is refused with FORMERR before
    /// anything else sees it.
    fn wait_for_reply(&mut self, began: Instant) -> anyhow::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(self.address())?;
        socket.set_read_timeout(Some(Duration::from_micros(200)))?;
        loop {
            let _ = socket.send(&[0x74, 0x65, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            if socket.recv(&mut [0; 512]).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let errors = fs::read_to_string(self.directory.path().join("errors"))?;
                anyhow::bail!("the server ended with {status}: {errors}");
            }
            ensure!(began.elapsed() < PATIENCE, "the server does not answer");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Runner {
    fn command(self, directory: &TempDir) -> Command {
        let binary = binary();
        match self {
            Self::On(None) => Command::new(binary),
            Self::On(Some(processors)) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(processors).arg(binary);
                command
            }
            Self::Callgrind { within } => {
                let mut command = Command::new("taskset");
                let output = directory.path().join("count");
                command.args(["-c", "0", "valgrind"]);
                command
                    .arg("--tool=callgrind")
                    .arg(format!("--callgrind-out-file={}", output.display()));
                command.args(within.map(|function| format!("--toggle-collect={function}")));
                command.arg(binary);
                command
            }
        }
    }
}

/// The binary of this build, or another one.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("DUNLIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_dunlin").into()).into()
}

/// Binds this thread, or all threads of a process, to processors. Without `taskset`, or without
/// that processor, nothing happens.
pub(crate) fn pin(id: &str, processors: &str) {
    let _ = Command::new("taskset")
        .args(["-pc", processors, id])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Binds the calling thread.
pub(crate) fn pin_this_thread(processors: &str) {
    let Ok(path) = fs::read_link("/proc/thread-self") else { return };
    if let Some(id) = path.file_name() {
        pin(&id.to_string_lossy(), processors);
    }
}
