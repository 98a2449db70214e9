//! Running `iptables` and its sister for IPv6: absolute path, fixed arguments, no environment, no
//! shell, and never longer than it may take.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// The program for one address family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    path: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(super) status: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// Whatever does what `iptables` does.
pub(crate) trait Run {
    /// Does it, in this time at most.
    fn run(&self, arguments: &[&str], limit: Duration) -> Result<Outcome, RunError>;
}

/// Why there was no run to its end: the image, or the node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RunError {
    #[error("executable file not found in $PATH")]
    Missing,
    #[error("it took longer than {0:?}")]
    TooLong(Duration),
    #[error("{0}")]
    Failed(String),
}

/// Where the tools are in images that set no PATH.
const USUAL: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// More than any chain's listing that we ask for.
const MOST_OUTPUT: u64 = 4 << 20;

impl Program {
    /// The program of this name in the directories of `$PATH`.
    pub(crate) fn find(name: &str, path: Option<&str>) -> Self {
        let path = path.filter(|path| !path.is_empty()).unwrap_or(USUAL);
        let found = path.split(':').map(|directory| Path::new(directory).join(name));
        Self { path: found.filter(|file| file.is_absolute()).find(|file| file.is_file()) }
    }

    /// Whether it runs at all.
    pub(crate) fn works(&self) -> bool {
        let outcome = self.run(&["--version"], Duration::from_secs(2));
        outcome.is_ok_and(|outcome| outcome.status == Some(0))
    }
}

impl Run for Program {
    fn run(&self, arguments: &[&str], limit: Duration) -> Result<Outcome, RunError> {
        let Some(path) = &self.path else { return Err(RunError::Missing) };
        let failed = |error: std::io::Error| RunError::Failed(error.to_string());
        let mut child = Command::new(path)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let read = read_both(&mut child, limit);
        if read.is_none() {
            // It may have ended just now.
            let _ended = child.kill();
        }
        let status = child.wait().map_err(failed)?.code();
        let (out, err) = read.ok_or(RunError::TooLong(limit))?;
        Ok(Outcome { status, out, err })
    }
}

/// All it writes until it closes both streams; `None` if it does not in time.
fn read_both(child: &mut Child, limit: Duration) -> Option<(String, String)> {
    let (mut out, mut err) = (child.stdout.take()?, child.stderr.take()?);
    let (sender, receiver) = sync_channel(1);
    // It ends with the child, which does not outlive us.
    thread::spawn(move || {
        let mut octets = [Vec::new(), Vec::new()];
        let _broken = (&mut out).take(MOST_OUTPUT).read_to_end(&mut octets[0]);
        let _broken = (&mut err).take(MOST_OUTPUT).read_to_end(&mut octets[1]);
        let [out, err] = octets.map(|octets| String::from_utf8_lossy(&octets).trim().to_owned());
        let _nobody_waits = sender.send((out, err));
    });
    receiver.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    const PLACES: Option<&str> = Some("relative:/bin:/usr/bin");

    #[test]
    fn a_program_gets_its_arguments_and_no_environment() {
        let echo = Program::find("echo", PLACES);
        assert_eq!(echo.run(&["-C", "a b"], LIMIT).unwrap().out, "-C a b");
        let shell = Program::find("sh", PLACES);
        let outcome = shell.run(&["-c", "echo $HOME$USER; echo no >&2; exit 4"], LIMIT).unwrap();
        let Outcome { status, out, err } = outcome;
        assert_eq!((status, &*out, &*err), (Some(4), "", "no"));
        assert!(Program::find("true", PLACES).works() && !Program::find("false", PLACES).works());
    }

    #[test]
    fn what_is_missing_or_hangs_is_an_error() {
        let missing = Program::find("no-such-tool", PLACES);
        assert_eq!(missing.run(&[], LIMIT), Err(RunError::Missing));
        assert!(!missing.works());
        let limit = Duration::from_millis(50);
        let hangs = Program::find("sh", PLACES).run(&["-c", "exec sleep 100"], limit);
        assert_eq!(hangs, Err(RunError::TooLong(limit)));
    }
}
