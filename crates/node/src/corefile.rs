//! The Corefile that the server runs: made from the template, checked, and put in its place in one
//! step. What is bad stays away from it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use dunlin_core::error::in_gos_words;

use crate::flags::Config;
use crate::kube_dns::KubeDns;
use crate::setup_errors::{ErrorType, SetupErrors};
use crate::template::render;

/// What the server around us does for us.
pub struct Server {
    /// Whether a Corefile would start; the first mistake if not.
    pub check: Check,
    /// Keeps a Corefile that could not be written, in place of the file; `None` when the file counts.
    pub hold: Box<dyn Fn(Option<Vec<u8>>) + Send>,
    /// Looks at the Corefile, and loads it if it changed. Called only while the server runs.
    pub look: Box<dyn Fn() + Send>,
    /// Loads the Corefile, changed or not.
    pub load: Box<dyn Fn() + Send>,
}

/// Whether a text would start.
pub type Check = Box<dyn Fn(&[u8]) -> Result<(), String> + Send>;

/// Makes Corefiles, and remembers what it said of them.
pub(crate) struct Writer {
    config: Config,
    cluster_dns: Option<IpAddr>,
    errors: SetupErrors,
    server: Server,
    /// What runs, or is about to.
    good: Option<Vec<u8>>,
    told: String,
    is_told_of_memory: bool,
}

impl Writer {
    pub(crate) fn new(
        config: Config,
        cluster_dns: Option<IpAddr>,
        errors: SetupErrors,
        server: Server,
    ) -> Self {
        Self {
            config,
            cluster_dns,
            errors,
            server,
            good: None,
            told: String::new(),
            is_told_of_memory: false,
        }
    }

    /// Writes the Corefile before the server starts. A bad one is written only if there is no other:
    /// then the start fails, and says why.
    pub(crate) fn first(&mut self, kube_dns: &KubeDns) {
        let Some(made) = self.make(kube_dns) else { return };
        if let Err(text) = (self.server.check)(&made.text)
            && self.is_last_good()
        {
            self.refuse(&text);
            return;
        }
        self.put(&made.text);
        tell(kube_dns, &made.upstreams);
        let shown = String::from_utf8_lossy(&made.text);
        if self.good.replace(made.text.clone()).is_none() {
            tracing::info!("Using config file:\n{shown}");
        } else {
            tracing::debug!("Using config file:\n{shown}");
        }
    }

    /// Writes the Corefile anew and has it loaded, if it is good and another one than before. False
    /// if it is not good, which may change without a change of ours.
    pub(crate) fn update(&mut self, kube_dns: &KubeDns) -> bool {
        let Some(made) = self.make(kube_dns) else { return false };
        if self.good.as_ref() == Some(&made.text) {
            self.told.clear();
            return true;
        }
        if let Err(text) = (self.server.check)(&made.text) {
            self.refuse(&text);
            return false;
        }
        self.put(&made.text);
        self.told.clear();
        tell(kube_dns, &made.upstreams);
        tracing::debug!("Using config file:\n{}", String::from_utf8_lossy(&made.text));
        self.good = Some(made.text);
        if self.config.flags.reload_with_signal {
            tracing::info!("Sending reload signal to PID {}", std::process::id());
            (self.server.load)();
        } else {
            (self.server.look)();
        }
        true
    }

    fn make(&mut self, kube_dns: &KubeDns) -> Option<crate::template::Rendered> {
        let base = &self.config.flags.base;
        let template = match fs::read(base) {
            Ok(template) => template,
            Err(error) => {
                let (path, cause) = (base.display(), in_gos_words(&error));
                let text =
                    format!("Failed to read node-cache coreFile {path} - open {path}: {cause}");
                self.complain(text);
                return None;
            }
        };
        match render(&template, &self.config, self.cluster_dns, kube_dns) {
            Ok(rendered) => {
                if rendered.is_odd {
                    tracing::warn!(
                        "Did not find TCP upstream block to replace, assuming upstreams already use UDP."
                    );
                }
                Some(rendered)
            }
            Err(error) => {
                let service = &self.config.flags.upstream_service;
                let text = format!(
                    "{error}: ${} is not set (-upstreamsvc {service})",
                    crate::service::variable(service)
                );
                self.complain(text);
                None
            }
        }
    }

    /// Whether an earlier run left a Corefile that would start.
    fn is_last_good(&self) -> bool {
        let text = match &self.good {
            Some(text) => Ok(text.clone()),
            None => fs::read(&self.config.flags.conf),
        };
        text.is_ok_and(|text| (self.server.check)(&text).is_ok())
    }

    /// Into the file, or into memory where there can be no file.
    fn put(&mut self, text: &[u8]) {
        let path = &self.config.flags.conf;
        let Err(error) = write(path, text) else { return (self.server.hold)(None) };
        // From here on the file does not count, so it may be written in place, for people to read.
        (self.server.hold)(Some(text.to_vec()));
        if fs::write(path, text).is_ok() {
            return;
        }
        let (path, cause) = (path.display(), in_gos_words(&error));
        let is_read_only = error.kind() == io::ErrorKind::ReadOnlyFilesystem;
        if is_read_only && !self.is_told_of_memory {
            self.is_told_of_memory = true;
            tracing::info!("{path} is on a {cause}: the Corefile stays in memory");
        } else if !is_read_only {
            self.complain(format!("Failed to write config file {path} - err open {path}: {cause}"));
        }
    }

    fn refuse(&mut self, text: &str) {
        let text = format!("Invalid Corefile, the last good one stays: {text}");
        if self.told != text {
            self.errors.refused();
            tracing::error!("{text}");
            self.told = text;
        }
    }

    fn complain(&mut self, text: String) {
        if self.told != text {
            self.errors.count(ErrorType::ConfigMap, 1);
            tracing::error!("{text}");
            self.told = text;
        }
    }
}

fn tell(kube_dns: &KubeDns, upstreams: &str) {
    tracing::info!(
        "Updated Corefile with {} custom stubdomains and upstream servers {upstreams}",
        kube_dns.stub_domains.len()
    );
}

/// In one step: whoever reads sees the old text or the new one.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::NotFound)?.to_owned();
    name.push(".new");
    let new: PathBuf = path.with_file_name(name);
    let renamed = fs::write(&new, text).and_then(|()| fs::rename(&new, path));
    if renamed.is_err() {
        // There may be nothing to remove.
        let _absent = fs::remove_file(&new);
    }
    renamed
}
