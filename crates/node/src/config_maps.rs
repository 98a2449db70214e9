//! Both ConfigMap directories, watched: that of kube-dns and that of the template. A change is acted
//! on at once where inotify works, and within a second otherwise. Bad data changes nothing; a
//! directory that could not be read is tried again for ever.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::corefile::Writer;
use crate::directory::{Snapshot, read};
use crate::flags::Config;
use crate::kube_dns::KubeDns;
use crate::setup_errors::{ErrorType, SetupErrors};
use crate::watch::Watch;

/// Keeps the Corefile up to date with both directories.
pub struct ConfigMaps {
    kube_dns_directory: Option<Source>,
    base_directory: Source,
    kube_dns: KubeDns,
    writer: Writer,
    errors: SetupErrors,
    /// When the last Corefile was refused, for a reason that may pass.
    refused: Option<Instant>,
}

/// A directory, and what was seen and said of it.
struct Source {
    name: &'static str,
    path: PathBuf,
    version: Option<String>,
    told: String,
}

/// A safety net below inotify, as often as the original polls.
const POLL: Duration = Duration::from_secs(10);
/// While inotify does not work, or something is wrong that may be put right without a change in the
/// directory: a file's permissions, the target of a link.
const URGENT_POLL: Duration = Duration::from_secs(1);
/// The manifest mounts it here.
const KUBE_DNS: &str = "/etc/kube-dns";

impl ConfigMaps {
    /// Writes the first Corefile, and the second one with what kube-dns says.
    pub(crate) fn start(config: &Config, errors: &SetupErrors, mut writer: Writer) -> Self {
        writer.first(&KubeDns::default());
        let usual = Path::new(KUBE_DNS);
        let kube_dns = config.flags.kube_dns.clone();
        let kube_dns = kube_dns.or_else(|| usual.exists().then(|| usual.to_path_buf()));
        if kube_dns.is_none() {
            tracing::info!("Skipping kube-dns configmap sync as no directory was specified");
        }
        let base = config.flags.base.parent().filter(|path| !path.as_os_str().is_empty());
        let mut maps = Self {
            kube_dns_directory: kube_dns.map(|path| Source::new("kube-dns", path)),
            base_directory: Source::new(
                "node-local-dns",
                base.unwrap_or_else(|| Path::new(".")).into(),
            ),
            kube_dns: KubeDns::default(),
            writer,
            errors: errors.clone(),
            refused: None,
        };
        if maps.look_at_kube_dns() {
            maps.writer.first(&maps.kube_dns);
        }
        maps.look_at_base();
        maps
    }

    /// Watches until it is dropped.
    pub async fn run(mut self) {
        let kube_dns = self.kube_dns_directory.as_ref().map(|source| source.path.clone());
        let base = self.base_directory.path.clone();
        let directories: Vec<&Path> = kube_dns.as_deref().into_iter().chain([&*base]).collect();
        let mut watch = Watch::new(&directories);
        loop {
            let is_calm = watch.is_complete() && !self.is_troubled();
            let poll = sleep(if is_calm { POLL } else { URGENT_POLL });
            // Both branches are cancel-safe: a change that is lost is seen by the poll.
            tokio::select! {
                () = watch.changed() => self.look(),
                () = poll => {
                    watch.renew();
                    self.look();
                }
            }
        }
    }

    /// Whether something cannot be read.
    fn is_troubled(&self) -> bool {
        let mut sources = self.kube_dns_directory.iter().chain([&self.base_directory]);
        sources.any(|source| !source.told.is_empty())
    }

    fn look(&mut self) {
        let kube_dns = self.look_at_kube_dns();
        let base = self.look_at_base();
        // To see whether a Corefile would start may be work: files are read for it.
        let is_due = self.refused.is_some_and(|then| then.elapsed() >= POLL);
        if kube_dns || base || is_due {
            let is_good = self.writer.update(&self.kube_dns);
            self.refused = (!is_good).then(Instant::now);
        }
    }

    /// True if there is news.
    fn look_at_kube_dns(&mut self) -> bool {
        let Some(source) = &mut self.kube_dns_directory else { return false };
        let Some(snapshot) = source.news(&self.errors) else { return false };
        match KubeDns::parse(&snapshot.files) {
            Ok(parsed) => {
                self.kube_dns = parsed;
                true
            }
            Err(invalid) => {
                self.errors.count(ErrorType::ConfigMap, 1);
                tracing::error!("{invalid}");
                false
            }
        }
    }

    fn look_at_base(&mut self) -> bool {
        self.base_directory.news(&self.errors).is_some()
    }
}

impl Source {
    fn new(name: &'static str, path: PathBuf) -> Self {
        Self { name, path, version: None, told: String::new() }
    }

    /// The files, if they are others than before.
    fn news(&mut self, errors: &SetupErrors) -> Option<Snapshot> {
        match read(&self.path) {
            Ok(snapshot) => {
                self.told.clear();
                let is_new = self.version.as_ref() != Some(&snapshot.version);
                is_new.then(|| {
                    self.version = Some(snapshot.version.clone());
                    snapshot
                })
            }
            Err(text) => {
                self.complain(text, errors);
                None
            }
        }
    }

    /// Once for each text: this comes every ten seconds.
    fn complain(&mut self, text: String, errors: &SetupErrors) {
        if self.told == text {
            return;
        }
        errors.count(ErrorType::ConfigMap, 1);
        let (name, path) = (self.name, self.path.display());
        if self.version.is_none() {
            tracing::error!("Failed to sync {name} config directory {path}, err: {text}");
        } else {
            tracing::error!("Error loading config from {path}: {text}");
        }
        self.told = text;
    }
}
