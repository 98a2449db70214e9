//! The repository as the rules see it: paths relative to its root, and texts.

pub(crate) mod arrows;
pub(crate) mod manifest;
pub(crate) mod room;
pub(crate) mod rust;
pub(crate) mod source;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A place that breaks a rule. Lines count from 1; 0 stands for the file as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
}

impl Finding {
    pub(crate) fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file, self.what),
            line => write!(out, "{}:{line}: {}", self.file, self.what),
        }
    }
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// The texts of the repository. What is not UTF-8 is left out.
#[derive(Debug)]
pub(crate) struct Tree(Vec<File>);

impl Tree {
    pub(crate) fn read() -> io::Result<Self> {
        let root = root()?;
        let mut files = Vec::new();
        for path in paths(&root)? {
            match std::fs::read_to_string(root.join(&path)) {
                Ok(text) => files.push(File { path, text }),
                // Listed by git and removed since, a link to a folder, or not a text.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound
                            | io::ErrorKind::IsADirectory
                            | io::ErrorKind::InvalidData
                    ) => {}
                Err(error) => return Err(io::Error::other(format!("{path}: {error}"))),
            }
        }
        Ok(Self(files))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.0.iter()
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is_rust())
    }

    /// Empty for a file that is not there, which no rule over a text accepts.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.files().find(|file| file.path == path).map_or("", |file| file.text.as_str())
    }

    /// Plugin folders: name and files.
    pub(crate) fn rooms(&self) -> BTreeMap<&str, Vec<&File>> {
        let mut rooms: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
        for file in self.files() {
            if let Some((name, _)) = room::place(&file.path) {
                rooms.entry(name).or_default().push(file);
            }
        }
        rooms
    }
}

pub(crate) fn root() -> io::Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()
}

/// What git tracks or would track; in an unpacked archive all but hidden and built files.
fn paths(root: &Path) -> io::Result<Vec<String>> {
    let git = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    match git {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect()),
        _ => {
            let mut found = Vec::new();
            walk(root, "", &mut found)?;
            Ok(found)
        }
    }
}

fn walk(root: &Path, folder: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if !entry.file_type()?.is_dir() {
            found.push(path);
        } else if name == ".ci" || !(name == "target" || name.starts_with('.')) {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

#[test]
fn a_walk_finds_what_git_finds() -> io::Result<()> {
    let root = root()?;
    let mut walked = Vec::new();
    walk(&root, "", &mut walked)?;
    for path in ["Cargo.toml", ".ci/run", "tests/tidy.rs", "crates/cli/Cargo.toml"] {
        assert!(walked.iter().any(|found| found == path), "{path} was not walked");
        assert!(paths(&root)?.iter().any(|found| found == path), "{path} was not listed");
    }
    Ok(())
}
