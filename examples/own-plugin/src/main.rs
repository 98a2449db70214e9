//! A server with one plugin more. Copy this package, and put your plugin in the place of `greeter`.
#![forbid(unsafe_code)]

mod greeter;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let mut registry = dunlin_plugins::registry();
    // The list is the chain: greetings are not cached.
    registry.insert_before("cache", greeter::ENTRY)?;
    Ok(dunlin::run(registry))
}
