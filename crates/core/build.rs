//! Tells the crate which compiler made it and from which commit.
#![forbid(unsafe_code)]

use std::process::Command;

fn main() {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let version = text.split(' ').nth(1).unwrap_or("unknown").trim();
    println!("cargo::rustc-env=DUNLIN_COMPILER=rustc{version}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DUNLIN_REVISION");
}
