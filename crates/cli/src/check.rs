//! `dunlin check`: all mistakes of a Corefile, without a socket.

use std::process::ExitCode;

use dunlin_core::Registry;
use dunlin_core::corefile::{Diagnostic, Severity};

use crate::arguments::Flags;
use crate::server::setup;

pub(crate) fn check(registry: Registry, flags: &Flags) -> ExitCode {
    let setup = match setup(registry, flags) {
        Ok(setup) => setup,
        Err(error) => {
            crate::to_stderr(&format!("{error:#}\n"));
            return ExitCode::FAILURE;
        }
    };
    let found = dunlin_engine::check(&setup);
    let print = if flags.json { json } else { text };
    crate::to_stdout(&found.iter().map(print).collect::<String>());
    let failed = found.iter().any(Diagnostic::is_error);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// `file:line:col: severity: message (plugin)`, and the hint behind a dash.
pub(crate) fn text(found: &Diagnostic) -> String {
    let place = &found.position;
    let (file, line, column) = (&place.file, place.line, place.column);
    let severity = severity(found);
    let plugin = plugin(found).map(|name| format!(" ({name})")).unwrap_or_default();
    let hint = found.hint.as_ref().map(|hint| format!(" - {hint}")).unwrap_or_default();
    format!("{file}:{line}:{column}: {severity}: {}{plugin}{hint}\n", found.message)
}

fn json(found: &Diagnostic) -> String {
    let value = serde_json::json!({
        "file": &*found.position.file,
        "line": found.position.line,
        "column": found.position.column,
        "severity": severity(found),
        "message": found.message,
        "plugin": plugin(found),
        "hint": found.hint,
    });
    format!("{value}\n")
}

fn severity(found: &Diagnostic) -> &'static str {
    if found.severity == Severity::Warning { "warning" } else { "error" }
}

/// The plugin that complained: its setup's errors begin with `plugin/NAME: `.
fn plugin(found: &Diagnostic) -> Option<&str> {
    let (name, _) = found.compatible.strip_prefix("plugin/")?.split_once(": ")?;
    Some(name)
}
