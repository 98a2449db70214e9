//! By what a changed file is told from an unchanged one, for plugins that look after a file.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What changes when a file does. ConfigMaps change the inode and perhaps nothing else. Take it before the
/// content is read: then a change meanwhile is seen the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl FileStamp {
    /// When the content was written last, in seconds since 1970.
    #[must_use]
    pub fn modified(&self) -> i64 {
        self.seconds
    }
}

impl From<&Metadata> for FileStamp {
    fn from(data: &Metadata) -> Self {
        Self {
            device: data.dev(),
            inode: data.ino(),
            length: data.len(),
            seconds: data.mtime(),
            nanoseconds: data.mtime_nsec(),
        }
    }
}
