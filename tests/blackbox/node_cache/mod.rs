//! The binary `node-cache` as an operator of Kubernetes sees it: flags, log lines, the Corefile that it
//! writes, ConfigMaps that change, metrics. Rows are those of node-cache.md §13.

mod config_maps;
mod image;
mod links;
mod manifests;
mod namespace;
mod ownership;
mod privileges;
mod rules;
mod start;
mod storms;
mod upgrade;

use std::path::PathBuf;

use dunlin_testkit::process::{ConfigMap, Server, Setup, Stream};

const BINARY: &str = env!("CARGO_BIN_EXE_node-cache");

/// A process with these local addresses, and with what is tested elsewhere switched off.
pub(crate) fn node_cache(local: &str) -> Setup {
    with_flags(Server::of(BINARY), local)
}

/// The same with a template, a kube-dns directory and a Corefile in the working directory.
pub(crate) fn with_template(local: &str, template: &str) -> Setup {
    with_files(node_cache(local), template)
}

fn with_flags(setup: Setup, local: &str) -> Setup {
    setup
        .argument("-localip")
        .argument(local)
        .argument("-setupinterface=false")
        .argument("-setupiptables=false")
        .argument("-p")
        .argument("{{port}}")
        .argument("-metrics-listen-address")
        .argument("127.0.0.1:{{own}}")
}

fn with_files(setup: Setup, template: &str) -> Setup {
    setup
        .argument("-basecorefile")
        .argument("{{dir}}/base/Corefile.base")
        .argument("-kubednscm")
        .argument("{{dir}}/kube-dns")
        .argument("-conf")
        .argument("{{dir}}/Corefile")
        .argument("-upstreamsvc")
        .argument("kube-dns-upstream")
        .environment("KUBE_DNS_UPSTREAM_SERVICE_HOST", "10.96.0.99")
        .file("base/Corefile.base", template)
        .file("kube-dns/.keep", "")
}

/// What the process wrote to standard error.
pub(crate) fn err(server: &Server) -> Vec<String> {
    let lines = server.output().into_iter().filter(|line| line.stream == Stream::Err);
    lines.map(|line| line.text).collect()
}

/// A directory of this server, as the kubelet would write it.
pub(crate) fn map(server: &Server, name: &str) -> ConfigMap {
    ConfigMap::new(server.directory().join(name))
}

pub(crate) fn corefile(server: &Server) -> PathBuf {
    server.directory().join("Corefile")
}
