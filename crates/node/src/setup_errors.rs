//! The metric of what went wrong while the node was set up.

use dunlin_core::metrics::{Counter, CounterFamily, Metrics};

/// `coredns_nodecache_setup_errors_total`, all its series present from the start.
#[derive(Debug, Clone)]
pub struct SetupErrors {
    family: CounterFamily,
    refused: Counter,
}

/// What kind of set-up failed: the values of the label `errortype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    Iptables,
    IptablesLock,
    InterfaceAdd,
    InterfaceCheck,
    ConfigMap,
}

impl SetupErrors {
    /// The counters among these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let family = metrics.counter(
            "coredns_nodecache_setup_errors_total",
            "The number of errors during periodic network setup for node-cache",
            &["errortype"],
        );
        for kind in ErrorType::ALL {
            family.with(&[kind.label()]);
        }
        let refused = metrics.counter(
            "coredns_reload_failed_total",
            "Counter of the number of failed reload attempts.",
            &[],
        );
        Self { family, refused: refused.with(&[]) }
    }

    pub(crate) fn count(&self, kind: ErrorType, by: u64) {
        self.family.with(&[kind.label()]).add(by);
    }

    /// A Corefile that is not even written was a reload for the original, and failed.
    pub(crate) fn refused(&self) {
        self.refused.inc();
        self.count(ErrorType::ConfigMap, 1);
    }
}

impl ErrorType {
    const ALL: [Self; 5] = [
        Self::Iptables,
        Self::IptablesLock,
        Self::InterfaceAdd,
        Self::InterfaceCheck,
        Self::ConfigMap,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Iptables => "iptables",
            Self::IptablesLock => "iptables_lock",
            Self::InterfaceAdd => "interface_add",
            Self::InterfaceCheck => "interface_check",
            Self::ConfigMap => "configmap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_type_is_there_before_anything_failed() {
        let metrics = Metrics::new(1);
        let errors = SetupErrors::new(&metrics);
        errors.count(ErrorType::Iptables, 12);
        let page = metrics.page();
        let value = |label: &str| {
            let labels = [("errortype", label)];
            dunlin_testkit::metrics::value(&page, "coredns_nodecache_setup_errors_total", &labels)
        };
        assert_eq!(value("iptables"), Some(12.0));
        for label in ["iptables_lock", "interface_add", "interface_check", "configmap"] {
            assert_eq!(value(label), Some(0.0), "{label}");
        }
    }
}
