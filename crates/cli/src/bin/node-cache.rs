//! `node-cache`: the server of a Kubernetes node, in place of `k8s-dns-node-cache`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static HEAP: dunlin_engine::Heap = dunlin_engine::Heap;

fn main() -> ExitCode {
    dunlin::run_node_cache(dunlin_plugins::registry())
}
