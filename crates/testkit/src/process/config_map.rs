//! A directory that changes as the kubelet changes a mounted ConfigMap.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A directory whose files are links through `..data`, a link to the directory of the current version
/// that is replaced in one step: what the kubelet's atomic writer makes.
#[derive(Debug)]
pub struct ConfigMap {
    directory: PathBuf,
    version: u32,
}

impl ConfigMap {
    /// A map without files in this directory, which is made if need be.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        fs::create_dir_all(&directory).expect("a writable directory");
        Self { directory, version: 0 }
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Replaces all files at once, in the kubelet's order: the new version beside the old one, a new
    /// `..data`, links for new files, no links for files that are gone, and the old version removed.
    pub fn swap(&mut self, files: &[(&str, &str)]) {
        self.try_swap(files)
            .unwrap_or_else(|error| panic!("{}: {error}", self.directory.display()));
    }

    fn try_swap(&mut self, files: &[(&str, &str)]) -> io::Result<()> {
        let data = self.path("..data");
        let old = fs::read_link(&data).ok();
        self.version += 1;
        let version = format!("..2026_01_01_00_00_00.{:09}", self.version);
        fs::create_dir(self.path(&version))?;
        for (file, text) in files {
            fs::write(self.path(&version).join(file), text)?;
        }
        let new = self.path("..data_tmp");
        symlink(&version, &new)?;
        fs::rename(&new, &data)?;
        for (file, _) in files {
            if self.path(file).symlink_metadata().is_err() {
                symlink(Path::new("..data").join(file), self.path(file))?;
            }
        }
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let gone = !files.iter().any(|(file, _)| name == *file);
            if gone && !name.to_string_lossy().starts_with("..") {
                fs::remove_file(self.directory.join(name))?;
            }
        }
        match old {
            Some(old) => fs::remove_dir_all(self.directory.join(old)),
            None => Ok(()),
        }
    }
}
