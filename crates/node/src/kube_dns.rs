//! The kube-dns ConfigMap: stub domains and upstream servers of the operator's own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use dunlin_core::corefile::go::quote;
use dunlin_core::directive::host_and_port;

/// What the ConfigMap says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KubeDns {
    /// Zone → servers.
    pub(crate) stub_domains: BTreeMap<String, Vec<String>>,
    pub(crate) upstreams: Vec<String>,
}

/// A ConfigMap that is not taken: its author's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("Invalid configuration for {key}, ignoring update: {cause}")]
    Json { key: &'static str, cause: String },
    #[error("Invalid configuration: {0}, ignoring update")]
    Value(String),
    /// Fit for kube-dns, not for *forward*.
    #[error("Invalid config: {0}")]
    Forward(String),
}

impl Invalid {
    fn json(key: &'static str, cause: &serde_json::Error) -> Self {
        Self::Json { key, cause: cause.to_string() }
    }
}

impl KubeDns {
    /// Reads the ConfigMap's files by name; keys that mean nothing here are passed over.
    pub(crate) fn parse(files: &BTreeMap<String, String>) -> Result<Self, Invalid> {
        let mut parsed = Self::default();
        if let Some(text) = files.get("stubDomains") {
            // A null is no list, as in Go.
            parsed.stub_domains = serde_json::from_str::<Option<_>>(text)
                .map_err(|error| Invalid::json("stubDomains", &error))?
                .unwrap_or_default();
        }
        if let Some(text) = files.get("upstreamNameservers") {
            parsed.upstreams = serde_json::from_str::<Option<_>>(text)
                .map_err(|error| Invalid::json("upstreamNameservers", &error))?
                .unwrap_or_default();
        }
        parsed.check().map_err(Invalid::Value)?;
        parsed.check_for_forward(&|path| path.is_file()).map_err(Invalid::Forward)?;
        Ok(parsed)
    }

    fn check(&self) -> Result<(), String> {
        for (zone, servers) in &self.stub_domains {
            if !is_subdomain(zone) {
                return Err(format!("invalid domain name: {}", quote(zone)));
            }
            // A host name passes here; *forward* refuses it.
            let bad = servers.iter().find(|server| !is_address(server) && !is_subdomain(server));
            if let Some(server) = bad {
                return Err(format!("invalid nameserver: {}", quote(server)));
            }
        }
        if self.upstreams.len() > MOST_UPSTREAMS {
            return Err("upstreamNameserver cannot have more than three entries".into());
        }
        self.upstreams.iter().try_for_each(|server| check_upstream(server))
    }

    /// What the setup of *forward* would say, before it can.
    fn check_for_forward(&self, is_file: &dyn Fn(&Path) -> bool) -> Result<(), String> {
        let bad = |servers: &[String]| {
            let not = |server: &&String| !is_address(server) && !is_file(Path::new(server));
            let server = servers.iter().find(not)?;
            let list = servers.join(" ");
            Some((list, format!("not an IP address or file: {}", quote(server))))
        };
        for (zone, servers) in &self.stub_domains {
            if let Some((list, cause)) = bad(servers) {
                return Err(format!(
                    "invalid nameservers [{list}] for the stub domain {zone}: {cause}"
                ));
            }
        }
        bad(&self.upstreams).map_or(Ok(()), |(list, cause)| {
            Err(format!("invalid upstream nameservers [{list}]: {cause}"))
        })
    }
}

/// As kube-dns has it: no names, and a port that could be.
fn check_upstream(server: &str) -> Result<(), String> {
    if server.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let (host, port) = host_and_port(server).map_err(|error| error.to_string())?;
    if host.parse::<IpAddr>().is_err() {
        return Err(format!("bad IP address: {}", quote(host)));
    }
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    if is_port { Ok(()) } else { Err(format!("bad port number: {}", quote(port))) }
}

/// `IP`, `IP:PORT` or `[IP]:PORT`.
fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok()
}

/// A name of RFC 1123 as Kubernetes has it: lower case, at most 253 octets.
fn is_subdomain(text: &str) -> bool {
    let is_edge = |octet: Option<&u8>| {
        octet.is_some_and(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit())
    };
    let is_label = |label: &str| {
        let octets = label.as_bytes();
        is_edge(octets.first())
            && is_edge(octets.last())
            && octets.iter().all(|octet| *octet == b'-' || is_edge(Some(octet)))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

const MOST_UPSTREAMS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, text: &str) -> Result<KubeDns, String> {
        let files = BTreeMap::from([(key.to_owned(), text.to_owned())]);
        KubeDns::parse(&files).map_err(|error| error.to_string())
    }

    #[test]
    fn good_data_is_taken() {
        let stubs = of("stubDomains", r#"{"b.test": ["1.1.1.1:5353", "::1"], "a.test": []}"#);
        let stubs = stubs.unwrap().stub_domains;
        assert_eq!(stubs.keys().collect::<Vec<_>>(), ["a.test", "b.test"]);
        assert_eq!(stubs["b.test"], ["1.1.1.1:5353", "::1"]);
        let upstreams = of("upstreamNameservers", r#"["8.8.8.8", "[fd00::1]:10053"]"#);
        assert_eq!(upstreams.unwrap().upstreams, ["8.8.8.8", "[fd00::1]:10053"]);
        for (key, text) in [("federations", "?"), ("x", "y"), ("stubDomains", "null")] {
            assert_eq!(of(key, text), Ok(KubeDns::default()), "{key}");
        }
    }

    #[test]
    fn bad_data_is_refused_with_its_reason() {
        let (stubs, upstreams) = ("stubDomains", "upstreamNameservers");
        let table = [
            (stubs, "{bad json", "Invalid configuration for stubDomains, ignoring update: "),
            (stubs, r#"{"UPPER": []}"#, "Invalid configuration: invalid domain name: \"UPPER\""),
            (
                stubs,
                r#"{"a": ["not a host!"]}"#,
                "Invalid configuration: invalid nameserver: \"not a host!\"",
            ),
            (stubs, r#"{"a": ["1.1.1.1:x"]}"#, "Invalid configuration: invalid nameserver: "),
            (stubs, r#"{"a": ["1.1.1.1:65536"]}"#, "Invalid configuration: invalid nameserver: "),
            (
                stubs,
                r#"{"acme.local": ["ns1.example.com"]}"#,
                "Invalid config: invalid nameservers [ns1.example.com] for the stub domain \
                 acme.local: not an IP address or file: \"ns1.example.com\"",
            ),
            (upstreams, "{}", "Invalid configuration for upstreamNameservers, ignoring update: "),
            (
                upstreams,
                r#"["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]"#,
                "Invalid configuration: upstreamNameserver cannot have more than three entries",
            ),
            (
                upstreams,
                r#"["ns.test"]"#,
                "Invalid configuration: address ns.test: missing port in address",
            ),
            (upstreams, r#"["a:53"]"#, "Invalid configuration: bad IP address: \"a\""),
            (upstreams, r#"["1.1.1.1:0"]"#, "Invalid configuration: bad port number: \"0\""),
        ];
        for (key, text, lead) in table {
            let found = of(key, text).unwrap_err();
            assert!(found.starts_with(lead), "{text}: {found}");
        }
    }
}
