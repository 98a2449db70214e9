//! `dunlin`: a DNS server made of plugins.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[global_allocator]
static HEAP: dunlin_engine::Heap = dunlin_engine::Heap;

fn main() -> ExitCode {
    dunlin::run(dunlin_plugins::registry())
}
