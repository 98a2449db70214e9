//! A mounted ConfigMap, read so that all its files are of one version.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use dunlin_core::corefile::go::quote;
use dunlin_core::error::in_gos_words;
use sha2::{Digest, Sha256};

/// The files of a directory at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    pub(crate) files: BTreeMap<String, String>,
    /// Differs whenever a name or a content differs.
    pub(crate) version: String,
}

/// Reads all files but hidden ones; directories are not entered.
///
/// # Errors
/// A text: what cannot be read, or is not UTF-8.
pub(crate) fn read(directory: &Path) -> Result<Snapshot, String> {
    // The kubelet swaps all files at once, by this link: a mixture of two versions is neither.
    let link = || std::fs::read_link(directory.join("..data")).ok();
    for _ in 0..ATTEMPTS {
        let before = link();
        let result = read_once(directory);
        if before == link() {
            return result;
        }
    }
    Err(RESTLESS.to_owned())
}

fn read_once(directory: &Path) -> Result<Snapshot, String> {
    let shown = directory.display();
    let data = std::fs::metadata(directory)
        .map_err(|error| format!("lstat {shown}: {}", in_gos_words(&error)))?;
    if !data.is_dir() {
        return Err(format!("config path {} is not a directory", quote(&shown.to_string())));
    }
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("open {shown}: {}", in_gos_words(&error)))?;
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry =
            entry.map_err(|error| format!("readdirent {shown}: {}", in_gos_words(&error)))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        // What is neither file nor directory, such as a pipe, may have no end. A link to nowhere is an error.
        let is_other = std::fs::metadata(&path).is_ok_and(|data| !data.is_file());
        if !name.starts_with('.') && !is_other {
            files.insert(name, content(&path)?);
        }
    }
    let version = version(&files);
    Ok(Snapshot { files, version })
}

fn content(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut octets = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut octets))
        .map_err(|error| format!("open {shown}: {}", in_gos_words(&error)))?;
    if octets.len() as u64 > LARGEST {
        return Err(format!("{shown} is larger than {LARGEST} octets"));
    }
    String::from_utf8(octets).map_err(|_| format!("non-utf8 data in {shown}"))
}

fn version(files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in files {
        for part in [name.as_bytes(), &[0], text.as_bytes(), &[0]] {
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A ConfigMap has no more in all.
const LARGEST: u64 = 1 << 20;
/// How often files are read that change meanwhile.
const ATTEMPTS: usize = 10;
const RESTLESS: &str = "the files change while they are read";

#[cfg(test)]
mod tests {
    use dunlin_testkit::process::ConfigMap;

    use super::*;

    #[test]
    fn a_config_map_is_its_visible_files() {
        let root = tempfile::tempdir().unwrap();
        let mut map = ConfigMap::new(root.path().join("map"));
        map.swap(&[("a", "1"), ("b", "2")]);
        std::fs::write(map.path(".hidden"), "x").unwrap();
        let first = read(map.directory()).unwrap();
        assert_eq!(first.files.keys().collect::<Vec<_>>(), ["a", "b"]);
        map.swap(&[("a", "1"), ("b", "2")]);
        assert_eq!(read(map.directory()).unwrap().version, first.version);
        map.swap(&[("a", "12")]);
        let second = read(map.directory()).unwrap();
        assert_eq!(second.files["a"], "12");
        assert_ne!(second.version, first.version);
    }

    #[test]
    fn what_cannot_be_read_is_told_in_known_words() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let of = |name: &str| read(&path(name)).unwrap_err();
        let shown = root.path().display();
        assert_eq!(of("none"), format!("lstat {shown}/none: no such file or directory"));
        std::fs::write(path("file"), [0xff]).unwrap();
        assert_eq!(of("file"), format!("config path \"{shown}/file\" is not a directory"));
        assert_eq!(read(root.path()).unwrap_err(), format!("non-utf8 data in {shown}/file"));
        std::fs::write(path("file"), vec![b'a'; 2 << 20]).unwrap();
        let text = read(root.path()).unwrap_err();
        assert_eq!(text, format!("{shown}/file is larger than 1048576 octets"));
    }
}
