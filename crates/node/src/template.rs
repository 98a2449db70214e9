//! From the template to the Corefile: plain replacement of placeholders, byte for byte what node-cache
//! makes of the same input, but for the order of the stub domains, which is theirs by name.

use std::net::IpAddr;

use crate::flags::Config;
use crate::kube_dns::KubeDns;

/// A Corefile, and what there is to tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) text: Vec<u8>,
    /// What the placeholder of the upstream servers became.
    pub(crate) upstreams: String,
    /// Own upstream servers, and no block with `force_tcp` in the indentation that is known.
    pub(crate) is_odd: bool,
}

/// The template wants the cluster DNS address, which nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the template has {CLUSTER_DNS}, but the address of the upstream service is not known")]
pub(crate) struct NoClusterDns;

/// Makes the Corefile.
pub(crate) fn render(
    template: &[u8],
    config: &Config,
    cluster_dns: Option<IpAddr>,
    kube_dns: &KubeDns,
) -> Result<Rendered, NoClusterDns> {
    let mut text = template.to_vec();
    replace(&mut text, PROMETHEUS, &config.flags.prometheus_address);
    let upstreams = if kube_dns.upstreams.is_empty() {
        "/etc/resolv.conf".to_owned()
    } else {
        kube_dns.upstreams.join(" ")
    };
    let mut is_odd = false;
    if !kube_dns.upstreams.is_empty() {
        // Servers of the operator's own are asked over UDP.
        replace(&mut text, TCP_BLOCK, &format!("\n    forward . {upstreams}\n"));
        is_odd = contains(&text, UPSTREAMS);
    }
    replace(&mut text, UPSTREAMS, &upstreams);
    match cluster_dns {
        Some(address) => replace(&mut text, CLUSTER_DNS, &address.to_string()),
        None if contains(&text, CLUSTER_DNS) => return Err(NoClusterDns),
        None => {}
    }
    replace(&mut text, LOCAL_DNS, &config.bind);
    replace(&mut text, DNS_SERVER, "");
    for (zone, servers) in &kube_dns.stub_domains {
        text.extend_from_slice(stub_block(zone, servers, config).as_bytes());
    }
    Ok(Rendered { text, upstreams, is_odd })
}

fn stub_block(zone: &str, servers: &[String], config: &Config) -> String {
    let (port, bind, servers) = (config.port, &config.bind, servers.join(" "));
    format!(
        "\n{zone}:{port} {{\n    errors\n    cache 30\n    bind {bind}\n    forward . {servers}\n}}\n"
    )
}

fn contains(text: &[u8], what: &str) -> bool {
    position(text, what).is_some()
}

fn position(text: &[u8], what: &str) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what.as_bytes())
}

fn replace(text: &mut Vec<u8>, from: &str, to: &str) {
    let mut done = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let Some((before, after)) = position(rest, from)
        .and_then(|at| Some((rest.get(..at)?, rest.get(at.checked_add(from.len())?..)?)))
    {
        done.extend_from_slice(before);
        done.extend_from_slice(to.as_bytes());
        rest = after;
    }
    done.extend_from_slice(rest);
    *text = done;
}

const UPSTREAMS: &str = "__PILLAR__UPSTREAM__SERVERS__";
const CLUSTER_DNS: &str = "__PILLAR__CLUSTER__DNS__";
const LOCAL_DNS: &str = "__PILLAR__LOCAL__DNS__";
const DNS_SERVER: &str = "__PILLAR__DNS__SERVER__";
const PROMETHEUS: &str = "__PROMETHEUS__ENDPOINT__";
/// In exactly this indentation, as in the manifest of Kubernetes.
const TCP_BLOCK: &str =
    "\n    forward . __PILLAR__UPSTREAM__SERVERS__ {\n            force_tcp\n    }\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Flags;

    fn config(local: &str) -> Config {
        let mut flags = Flags::default();
        flags.value("localip", local).unwrap();
        flags.check().unwrap()
    }

    fn kube_dns(stubs: &[(&str, &[&str])], upstreams: &[&str]) -> KubeDns {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        KubeDns {
            stub_domains: stubs.iter().map(|(zone, list)| ((*zone).into(), owned(list))).collect(),
            upstreams: owned(upstreams),
        }
    }

    fn check(template: &str, kube_dns: &KubeDns, expected: &str, is_odd: bool) {
        let cluster = Some("10.96.0.99".parse().unwrap());
        let config = config("169.254.20.10,10.96.0.10");
        let rendered = render(template.as_bytes(), &config, cluster, kube_dns).unwrap();
        assert_eq!(String::from_utf8(rendered.text).unwrap(), expected, "{template}");
        assert_eq!(rendered.is_odd, is_odd, "{template}");
    }

    #[test]
    fn placeholders_are_replaced_as_node_cache_does() {
        let none = KubeDns::default();
        let own = kube_dns(&[], &["1.1.1.1", "8.8.8.8:10053"]);
        let exact =
            "\n    forward . __PILLAR__UPSTREAM__SERVERS__ {\n            force_tcp\n    }\n";
        let other = "\n  forward . __PILLAR__UPSTREAM__SERVERS__ {\n    force_tcp\n  }\n";
        check("", &none, "", false);
        check(".:53 {\n}\n", &none, ".:53 {\n}\n", false);
        check(
            "bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__\n",
            &none,
            "bind 169.254.20.10 10.96.0.10 \n",
            false,
        );
        check("forward . __PILLAR__CLUSTER__DNS__", &none, "forward . 10.96.0.99", false);
        check("prometheus __PROMETHEUS__ENDPOINT__", &none, "prometheus :9253", false);
        check("__PILLAR__DNS__DOMAIN__", &none, "__PILLAR__DNS__DOMAIN__", false);
        check(
            exact,
            &none,
            "\n    forward . /etc/resolv.conf {\n            force_tcp\n    }\n",
            false,
        );
        check(exact, &own, "\n    forward . 1.1.1.1 8.8.8.8:10053\n", false);
        check(other, &own, "\n  forward . 1.1.1.1 8.8.8.8:10053 {\n    force_tcp\n  }\n", true);
    }

    #[test]
    fn stub_domains_follow_in_the_order_of_their_names() {
        let stubs = kube_dns(
            &[("z.test", &["1.1.1.1", "8.8.8.8:10053"]), ("acme.local", &["[fd00::1]:53"])],
            &[],
        );
        let expected = "T\n
acme.local:53 {
    errors
    cache 30
    bind 169.254.20.10 10.96.0.10
    forward . [fd00::1]:53
}

z.test:53 {
    errors
    cache 30
    bind 169.254.20.10 10.96.0.10
    forward . 1.1.1.1 8.8.8.8:10053
}
";
        check("T\n", &stubs, expected, false);
    }

    #[test]
    fn an_unknown_cluster_address_is_an_error_only_where_it_is_wanted() {
        let config = config("::1");
        let render = |template: &str| {
            render(template.as_bytes(), &config, None, &KubeDns::default()).map(|_| ())
        };
        assert_eq!(render(". {\n}\n"), Ok(()));
        assert_eq!(render("forward . __PILLAR__CLUSTER__DNS__"), Err(NoClusterDns));
    }
}
