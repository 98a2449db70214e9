//! `dunlin fmt`: a Corefile in canonical layout.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Flags;

/// Prints the Corefile laid out; with `-check`, its name if that would change it.
pub(crate) fn format(flags: &Flags) -> ExitCode {
    let (name, octets) = match read(flags.conf.as_deref()) {
        Ok(read) => read,
        Err(text) => {
            crate::to_stderr(&format!("{text}\n"));
            return ExitCode::FAILURE;
        }
    };
    match dunlin_core::corefile::format(&name, &octets) {
        Ok(text) if !flags.check => crate::to_stdout(&text),
        Ok(text) if text.as_bytes() == octets => ExitCode::SUCCESS,
        Ok(_) => {
            crate::to_stdout(&format!("{name}\n"));
            ExitCode::FAILURE
        }
        Err(mistake) => {
            crate::to_stderr(&crate::check::text(&mistake));
            ExitCode::FAILURE
        }
    }
}

/// The name of the file, as messages show it, and its octets.
fn read(conf: Option<&Path>) -> Result<(String, Vec<u8>), String> {
    if conf == Some(Path::new("stdin")) {
        let octets = crate::server::standard_input().map_err(|error| format!("{error:#}"))?;
        return Ok(("/dev/stdin".into(), octets));
    }
    let path = conf.map_or_else(|| PathBuf::from("Corefile"), Path::to_path_buf);
    let name = path.display().to_string();
    match std::fs::read(&path) {
        Ok(octets) => Ok((name, octets)),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
