//! What the usage tells of each flag.

/// A flag of node-cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Without dashes.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// As the usage shows it; empty for none.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or `=false`.
    Switch,
    /// A text.
    Text,
    /// A time.
    Duration,
}

const fn text(name: &'static str, default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, kind: Kind::Text, default, meaning }
}

const fn switch(name: &'static str, default: &'static str, meaning: &'static str) -> Flag {
    Flag { name, kind: Kind::Switch, default, meaning }
}

/// All flags, by name.
pub const TABLE: &[Flag] = &[
    text("basecorefile", "/etc/coredns/Corefile.base", "The template of the Corefile"),
    text("conf", "", "Where the Corefile is written, and read"),
    text("corefile", "/etc/Corefile", "Accepted, and replaced by the value of -conf"),
    Flag {
        name: "dead-man",
        kind: Kind::Duration,
        default: "0s",
        meaning: "How long rules outlive a process that does not renew them (nftables)",
    },
    text("dns.port", "53", "Default port"),
    text("firewall", "auto", "Who keeps firewall rules: auto, iptables, nftables or none"),
    text("health-port", "8080", "The port of the health plugin, for the firewall rules"),
    text("interfacename", "nodelocaldns", "The name of the interface with the local addresses"),
    text("kubednscm", "", "Where the kube-dns ConfigMap is mounted"),
    text("localip", "", "IP addresses to listen on, with commas between"),
    text("metrics-listen-address", "0.0.0.0:9353", "Where to serve metrics"),
    text("p", "53", "Default port"),
    text("pidfile", "", "Path to write pid file"),
    text("prometheus-listen-address", ":9253", "What __PROMETHEUS__ENDPOINT__ stands for"),
    switch("reloadwithsignal", "", "Load each new Corefile at once"),
    switch("setupinterface", "true", "Whether to set the network interface up"),
    switch("setupiptables", "true", "Whether to set firewall rules up"),
    switch("skipteardown", "", "Whether to leave interface and rules at the end"),
    Flag {
        name: "syncinterval",
        kind: Kind::Duration,
        default: "60s",
        meaning: "How often to check interface and rules",
    },
    text("upstreamsvc", "kube-dns", "The service whose cluster IP is the upstream"),
];
