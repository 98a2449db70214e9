//! What files say, in one comparable text; and what is told of reloads in numbers.

use std::path::PathBuf;

use dunlin_core::metrics::{Counter, Gauge, GaugeFamily, Metrics};
use sha2::{Digest, Sha512};

use crate::config::Loaded;

/// All that counts of the Corefile and of the files that generations depend on.
pub(super) fn fingerprint(loaded: &Loaded, watched: &[PathBuf]) -> String {
    let mut text = loaded.hash.clone();
    if loaded.is_fallback {
        text.push_str("\nfallback");
    }
    for diagnostic in loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()) {
        text.push('\n');
        text.push_str(&diagnostic.compatible);
    }
    for path in watched {
        let content = std::fs::read(path).map(Sha512::digest);
        text.push_str(&format!("\n{}: {:?}", path.display(), content.ok()));
    }
    text
}

/// The metrics of reloads.
#[derive(Debug)]
pub(super) struct ReloadMetrics {
    failed: Counter,
    version: GaugeFamily,
    hashes: GaugeFamily,
    last_success: Gauge,
    stale: Gauge,
}

impl ReloadMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            failed: metrics
                .counter(
                    "coredns_reload_failed_total",
                    "Counter of the number of failed reload attempts.",
                    &[],
                )
                .with(&[]),
            version: metrics.gauge(
                "coredns_reload_version_info",
                "A metric with a constant '1' value labeled by hash, and value which type of hash generated.",
                &["hash", "value"],
            ),
            hashes: metrics.gauge(
                "dunlin_config_hash_info",
                "The configuration that is running and the one that was seen last.",
                &["state", "sha512"],
            ),
            last_success: metrics
                .gauge(
                    "dunlin_config_last_reload_success_timestamp_seconds",
                    "When the running configuration was loaded, in seconds since 1970.",
                    &[],
                )
                .with(&[]),
            stale: metrics
                .gauge(
                    "dunlin_config_stale",
                    "1 while the files say something else than what is running.",
                    &[],
                )
                .with(&[]),
        }
    }

    /// A reload is tried with this content.
    pub(super) fn attempted(&self, hash: &str) {
        self.version.retain(|_| false);
        self.version.with(&["sha512", hash]).set(1);
        self.set("disk", hash);
        self.stale.set(1);
    }

    /// This content runs.
    pub(super) fn running(&self, hash: &str) {
        self.set("running", hash);
        self.set("disk", hash);
        self.stale.set(0);
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = since_1970.map_or(0, |since| since.as_secs());
        self.last_success.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// The files say again what runs.
    pub(super) fn settled(&self, hash: &str) {
        self.set("disk", hash);
        self.stale.set(0);
    }

    /// The files say nothing that could be tried.
    pub(super) fn refused(&self) {
        self.stale.set(1);
        self.failed.inc();
    }

    pub(super) fn failed(&self) {
        self.failed.inc();
    }

    fn set(&self, state: &str, hash: &str) {
        self.hashes.retain(|labels| labels.first().is_none_or(|known| known != state));
        self.hashes.with(&[state, hash]).set(1);
    }
}
