//! The command line around the engine: arguments, banner, log form, exit status. Wiring only: it
//! hands a registry of directives to the engine and knows no plugin by name.
//!
//! A binary with plugins of its own is `dunlin::run` with a longer registry.
#![forbid(unsafe_code)]

mod arguments;
mod banner;
mod check;
mod explain;
mod format;
mod go_flags;
mod logging;
mod node_cache;
mod server;

use std::io::Write;
use std::process::ExitCode;

use dunlin_core::Registry;

use self::arguments::{Command, Parsed};
pub use self::node_cache::run_node_cache;

/// The embedded Corefile: what runs without one.
const DEFAULT_COREFILE: &str = include_str!("../../../Corefile.example");

/// Does what the arguments of this process say, with these directives. The result is the exit
/// status: 0 for success, 1 for a configuration or start error, 2 for wrong arguments or a forced
/// end.
#[must_use]
pub fn run(registry: Registry) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments::parse(&arguments) {
        Parsed::Run(command) => match command {
            Command::Serve(flags) => server::serve(registry, &flags),
            Command::Check(flags) => check::check(registry, &flags),
            Command::Explain(flags) => explain::explain(registry, &flags),
            Command::Format(flags) => format::format(&flags),
            Command::Plugins => to_stdout(&banner::plugins(&registry)),
            Command::Version => to_stdout(&banner::version()),
        },
        Parsed::Help(text) => {
            to_stderr(&text);
            ExitCode::SUCCESS
        }
        Parsed::Wrong(text, status) => {
            to_stderr(&text);
            ExitCode::from(status)
        }
    }
}

fn to_stdout(text: &str) -> ExitCode {
    // A reader that has gone is no failure of ours.
    let _closed = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn to_stderr(text: &str) {
    // There is nowhere left to complain.
    let _closed = std::io::stderr().write_all(text.as_bytes());
}
