//! Every Corefile that we show or ship would start: core.md §25 row 36. Nothing is started here, and
//! no socket is opened.

use std::fs;
use std::path::{Path, PathBuf};

use dunlin_engine::{Origin, Setup, check};
use dunlin_plugins::registry;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Files below this folder whose name says that they may hold Corefiles. What stands in `examples`
/// has plugins of its own.
fn candidates(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.')
                && !["target", "fuzz", "tests", "examples"].contains(&name.as_str())
            {
                candidates(&path, found);
            }
        } else if name.ends_with(".md") || name.starts_with("Corefile") {
            found.push(path);
        }
    }
}

/// The Corefiles in a file: the fences of a page, or all of it. With the lines where they begin.
fn corefiles(path: &Path, text: &str) -> Vec<(usize, String)> {
    if path.extension().is_none_or(|ending| ending != "md") {
        return vec![(1, text.to_owned())];
    }
    let mut all: Vec<(usize, String)> = Vec::new();
    let mut is_inside = false;
    for (line, number) in text.lines().zip(1..) {
        let trimmed = line.trim();
        if trimmed == "```corefile" {
            is_inside = true;
            all.push((number, String::new()));
        } else if trimmed.starts_with("```") {
            is_inside = false;
        } else if let Some((_, corefile)) = all.last_mut().filter(|_| is_inside) {
            corefile.push_str(line);
            corefile.push('\n');
        }
    }
    all
}

/// Whether this is said of a plugin that was left out of the build; what else is wrong with its Corefile
/// is still told.
fn is_left_out(found: &str) -> bool {
    let optional = [
        ("dnstap", cfg!(feature = "dnstap")),
        ("geoip", cfg!(feature = "geoip")),
        ("trace", cfg!(feature = "trace")),
    ];
    let mut left_out = optional.into_iter().filter(|(_, is_there)| !is_there);
    left_out.any(|(name, _)| found.contains(&format!("no action found for directive '{name}'")))
}

#[test]
fn row_36_every_corefile_that_is_shown_would_start() {
    let mut paths = Vec::new();
    candidates(Path::new(REPOSITORY), &mut paths);
    let (mut count, mut wrong) = (0, Vec::new());
    for path in paths {
        for (line, text) in corefiles(&path, &fs::read_to_string(&path).unwrap()) {
            count += 1;
            let origin = Origin::Stdin(text.into_bytes());
            let setup = Setup { origin, port: 53, registry: registry(), fallback: String::new() };
            let found = check(&setup).into_iter().filter(|found| found.is_error());
            let found = found.map(|found| found.to_string()).filter(|found| !is_left_out(found));
            wrong.extend(found.map(|found| format!("{}:{line}: {found}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 15, "{count} Corefiles were found");
}
