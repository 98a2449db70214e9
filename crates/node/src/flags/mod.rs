//! The flags of `node-cache` beside those of every server: their names, defaults and checks. How a
//! command line is taken apart is `cli`'s concern; here a name meets its value.

mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use dunlin_core::corefile::go::{parse_duration, quote};

pub use self::table::{Flag, Kind, TABLE};

/// The values as given, each flag's default where it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    local_ip: String,
    port: String,
    health_port: String,
    /// `-setupinterface`: whether the link with the local addresses is made and kept.
    pub setup_interface: bool,
    /// `-setupiptables`: whether firewall rules are made and kept.
    pub setup_iptables: bool,
    /// `-skipteardown`: whether rules and link stay at the end.
    pub skip_teardown: bool,
    /// `-reloadwithsignal`: whether every new Corefile is loaded at once, whatever it says of `reload`.
    pub reload_with_signal: bool,
    /// `-interfacename`.
    pub interface: String,
    /// `-syncinterval`: how often rules and addresses are looked at if nobody tells of a change.
    pub interval: Duration,
    /// `-metrics-listen-address`.
    pub metrics_address: String,
    /// `-prometheus-listen-address`: what `__PROMETHEUS__ENDPOINT__` becomes.
    pub prometheus_address: String,
    /// `-basecorefile`: the template.
    pub base: PathBuf,
    /// `-conf`: where the Corefile is written; empty if it was not given.
    pub conf: PathBuf,
    /// `-kubednscm`: the mounted kube-dns ConfigMap, if given.
    pub kube_dns: Option<PathBuf>,
    /// `-upstreamsvc`.
    pub upstream_service: String,
    /// `-pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `-firewall`: who keeps the rules.
    pub firewall: FirewallChoice,
    /// `-dead-man`: rules end so long after the process, unless it renews them.
    pub dead_man: Option<Duration>,
    /// Something odd that was accepted.
    pub warning: Option<String>,
}

/// Who keeps the firewall rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirewallChoice {
    /// `iptables` if it works, else nftables.
    #[default]
    Auto,
    /// The programs `iptables` and `ip6tables`.
    Iptables,
    /// A table of our own, without a program.
    Nftables,
    /// Nobody.
    None,
}

impl FirewallChoice {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "auto" => Self::Auto,
            "iptables" => Self::Iptables,
            "nftables" => Self::Nftables,
            "none" => Self::None,
            _ => return None,
        })
    }
}

/// Flags that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The flags.
    pub flags: Flags,
    /// Where to listen.
    pub local_ips: Vec<IpAddr>,
    /// The same in the operator's spelling, with blanks between.
    pub bind: String,
    /// `-dns.port`.
    pub port: u16,
    /// `-health-port`.
    pub health_port: u16,
}

/// Flags that cannot be: the operator's mistake. The texts are node-cache's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlagError {
    /// Not an IP address.
    #[error("invalid localip specified - {}", quote(.0))]
    LocalIp(String),
    /// Not a port.
    #[error("invalid port specified - {}", quote(.0))]
    Port(String),
    /// Only nftables forgets by itself.
    #[error("-dead-man needs -firewall nftables")]
    DeadMan,
    /// Not a port either.
    #[error("invalid healthcheck port specified - {}", quote(.0))]
    HealthPort(String),
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            local_ip: String::new(),
            port: "53".into(),
            health_port: "8080".into(),
            setup_interface: true,
            setup_iptables: true,
            skip_teardown: false,
            reload_with_signal: false,
            interface: "nodelocaldns".into(),
            interval: Duration::from_secs(60),
            metrics_address: "0.0.0.0:9353".into(),
            prometheus_address: ":9253".into(),
            base: "/etc/coredns/Corefile.base".into(),
            conf: PathBuf::new(),
            kube_dns: None,
            upstream_service: "kube-dns".into(),
            pidfile: None,
            firewall: FirewallChoice::Auto,
            dead_man: None,
            warning: None,
        }
    }
}

impl Flags {
    /// Takes a switch.
    pub fn switch(&mut self, name: &str, on: bool) {
        match name {
            "setupinterface" => self.setup_interface = on,
            "setupiptables" => self.setup_iptables = on,
            "skipteardown" => self.skip_teardown = on,
            "reloadwithsignal" => self.reload_with_signal = on,
            _ => {}
        }
    }

    /// Takes a value; `None` if it is not of the flag's kind.
    pub fn value(&mut self, name: &str, value: &str) -> Option<()> {
        let text = value.to_owned();
        match name {
            "localip" => self.local_ip = text,
            "dns.port" | "p" => self.port = text,
            "health-port" => self.health_port = text,
            "interfacename" => self.interface = text,
            "syncinterval" => self.interval = self.interval_of(value)?,
            "metrics-listen-address" => self.metrics_address = text,
            "prometheus-listen-address" => self.prometheus_address = text,
            "basecorefile" => self.base = text.into(),
            "conf" => self.conf = text.into(),
            // Overwritten by `-conf` in the original, whatever it says.
            "corefile" => {}
            "kubednscm" => self.kube_dns = (!text.is_empty()).then(|| text.into()),
            "upstreamsvc" => self.upstream_service = text,
            "firewall" => self.firewall = FirewallChoice::parse(value)?,
            "dead-man" => self.dead_man = dead_man(value)?,
            "pidfile" => self.pidfile = (!text.is_empty()).then(|| text.into()),
            _ => return None,
        }
        Some(())
    }

    /// Checks what Go's flag package would not.
    ///
    /// # Errors
    /// The first mistake, in node-cache's order.
    pub fn check(self) -> Result<Config, FlagError> {
        let items: Vec<&str> =
            self.local_ip.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
        if items.is_empty() {
            return Err(FlagError::LocalIp(self.local_ip));
        }
        let parse = |item: &&str| item.parse().map_err(|_| FlagError::LocalIp((*item).to_owned()));
        let local_ips = items.iter().map(parse).collect::<Result<Vec<IpAddr>, _>>()?;
        let bind = items.join(" ");
        let port = self.port.parse().map_err(|_| FlagError::Port(self.port.clone()))?;
        let health_port = self
            .health_port
            .parse()
            .map_err(|_| FlagError::HealthPort(self.health_port.clone()))?;
        let forgets = matches!(self.firewall, FirewallChoice::Auto | FirewallChoice::Nftables);
        if self.dead_man.is_some() && !forgets {
            return Err(FlagError::DeadMan);
        }
        Ok(Config { local_ips, bind, port, health_port, flags: self })
    }

    /// `60`, `60s` and node-cache's own `60ns` are all a minute: there, the number of nanoseconds is
    /// taken for seconds.
    fn interval_of(&mut self, text: &str) -> Option<Duration> {
        if let Ok(seconds) = text.parse::<u64>() {
            return (seconds > 0).then(|| Duration::from_secs(seconds));
        }
        let given = parse_duration(text).ok()?.positive()?;
        if given.is_zero() {
            return None;
        }
        let seconds = u64::from(given.subsec_nanos());
        if given < Duration::from_micros(1) {
            return Some(Duration::from_secs(seconds));
        }
        if given < SHORTEST_INTERVAL {
            self.warning = Some(format!("-syncinterval {text} is taken as 1s"));
        }
        Some(given.max(SHORTEST_INTERVAL))
    }
}

/// `0` is none; less than half a second could not be kept up on a busy node.
fn dead_man(text: &str) -> Option<Option<Duration>> {
    let given = parse_duration(text).ok()?.positive()?;
    match given {
        Duration::ZERO => Some(None),
        given => (given >= SHORTEST_LIFE).then_some(Some(given)),
    }
}

const SHORTEST_LIFE: Duration = Duration::from_millis(500);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
