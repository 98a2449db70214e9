//! The file as it is now: read when it changed, kept as it was when the new one is no good.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use dunlin_core::metrics::{Counter, Gauge, Metrics};
use dunlin_core::stamp::FileStamp;
use parking_lot::Mutex;

use super::table::Table;
use super::text::{BadText, MAX_LEN, Options};

/// A hosts file, what was read from it last, and what went wrong since.
#[derive(Debug)]
pub(super) struct HostsFile {
    path: PathBuf,
    options: Options,
    inline_len: usize,
    table: ArcSwap<Table>,
    state: Mutex<State>,
    numbers: Numbers,
}

#[derive(Debug, Default)]
struct State {
    /// Of the file that is served, or of one that turned out to be no good.
    stamp: Option<FileStamp>,
    /// Whether there was ever anything to serve.
    has_content: bool,
    /// What was complained about; said once.
    complaint: Option<String>,
}

#[derive(Debug)]
struct Numbers {
    entries: Gauge,
    read_at: Gauge,
    failures: Counter,
}

impl HostsFile {
    /// Nothing is read yet. `inline_len` is the number of entries in the Corefile.
    pub(super) fn new(
        path: PathBuf,
        options: Options,
        inline_len: usize,
        metrics: &Metrics,
    ) -> Self {
        let numbers = Numbers::of(metrics, &path);
        let (table, state) = (ArcSwap::default(), Mutex::default());
        Self { path, options, inline_len, table, state, numbers }
    }

    /// The entries to serve.
    pub(super) fn table(&self) -> arc_swap::Guard<Arc<Table>> {
        self.table.load()
    }

    /// Reads the file if it changed. This blocks.
    pub(super) fn refresh(&self) {
        let mut state = self.state.lock();
        match self.changed(state.stamp) {
            Ok(None) => state.complaint = None,
            Ok(Some((stamp, table))) => self.take(&mut state, stamp, table),
            Err(error) => self.complain(&mut state, &error),
        }
    }

    /// The file's stamp and content, unless it has the stamp `known`.
    fn changed(
        &self,
        known: Option<FileStamp>,
    ) -> Result<Option<(FileStamp, Read)>, std::io::Error> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        // The stamp is older than the content: if somebody writes meanwhile, it is read again.
        let stamp = FileStamp::from(&metadata);
        if known == Some(stamp) {
            return Ok(None);
        }
        if metadata.len() > MAX_LEN {
            return Ok(Some((stamp, Err(BadText::TooLarge))));
        }
        match Table::read(BufReader::with_capacity(1 << 16, file), &self.options) {
            Err(BadText::Unreadable(error)) => Err(error),
            read => Ok(Some((stamp, read))),
        }
    }

    fn take(&self, state: &mut State, stamp: FileStamp, read: Read) {
        match read {
            Ok(table) => {
                let entries = table.len();
                tracing::debug!(target: "plugin/hosts", "Parsed hosts file into {entries} entries");
                let total = i64::try_from(entries + self.inline_len).unwrap_or(i64::MAX);
                self.numbers.entries.set(total);
                self.numbers.read_at.set(stamp.modified());
                self.table.store(Arc::new(table));
                *state = State { stamp: Some(stamp), has_content: true, complaint: None };
            }
            Err(error) => {
                self.complain_of(state, &error.to_string());
                state.stamp = Some(stamp);
            }
        }
    }

    /// A file that never was there is no failure: its directive has warned of that.
    fn complain(&self, state: &mut State, error: &std::io::Error) {
        if state.has_content || error.kind() != ErrorKind::NotFound {
            self.complain_of(state, &error.to_string());
        }
    }

    fn complain_of(&self, state: &mut State, text: &str) {
        if state.complaint.as_deref() == Some(text) {
            return;
        }
        let (path, kept) = (self.path.display(), self.table.load().len());
        tracing::warn!(
            target: "plugin/hosts",
            "Hosts file {path} cannot be used, {kept} entries stay as they are: {text}"
        );
        self.numbers.failures.inc();
        state.complaint = Some(text.to_owned());
    }
}

type Read = Result<Table, BadText>;

impl Numbers {
    fn of(metrics: &Metrics, path: &Path) -> Self {
        let path = path.display().to_string();
        let entries = metrics.gauge(
            "coredns_hosts_entries",
            "The combined number of entries in hosts and Corefile.",
            &["hostsfile"],
        );
        let read_at = metrics.gauge(
            "coredns_hosts_reload_timestamp_seconds",
            "The timestamp of the last reload of hosts file.",
            &[],
        );
        let failures = metrics.counter(
            "dunlin_hosts_failed_reloads_total",
            "Hosts files that could not be used; the entries before them stay.",
            &["hostsfile"],
        );
        Self {
            entries: entries.with(&[&path]),
            read_at: read_at.with(&[]),
            failures: failures.with(&[&path]),
        }
    }
}
