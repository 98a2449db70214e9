//! The file of a tap on its disk: begun, grown, ended, and put aside. All of this blocks.
//!
//! A file is a stream of one direction: a start, data frames, a stop. It is locked while it grows, so
//! that nobody else puts it aside meanwhile.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::frames::Control;

/// The file at a path, and those that were there before it.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Octets of a file, at most; if there is such a limit.
    limit: Option<u64>,
    volume: Option<Volume>,
    /// Where writing broke off.
    broken: Option<Mark>,
}

/// A file that grows.
#[derive(Debug)]
struct Volume {
    file: File,
    mark: Mark,
}

/// A file, and the octets in it that are whole frames.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Device and inode.
    identity: (u64, u64),
    length: u64,
}

impl Disk {
    /// Nothing is touched before the first [`Disk::open`].
    pub(super) fn new(path: PathBuf, limit: Option<u64>) -> Self {
        Self { path, limit, volume: None, broken: None }
    }

    /// Begins a file, and puts aside what is there; or goes on where writing broke off.
    ///
    /// # Errors
    /// What the disk says; or something is there that is no file, or that somebody else writes to.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.volume.is_some() {
            return Ok(());
        }
        let volume = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.begin()?,
            Err(error) => return Err(error),
            Ok(known) if !known.is_file() => return Err(io::Error::other("not a regular file")),
            Ok(known) => self.take_over(&known)?,
        };
        (self.volume, self.broken) = (Some(volume), None);
        Ok(())
    }

    /// Writes whole frames; into a new file if the one before is full, or not at its path any more.
    ///
    /// # Errors
    /// What the disk says. Nothing of the frames is in a file then.
    pub(super) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        let added = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        if self.volume.as_ref().is_some_and(|volume| self.is_over(&volume.mark, added)) {
            self.finish()?;
        }
        self.open()?;
        self.write(frames)?;
        if let Some(volume) = &mut self.volume {
            volume.mark.length += added;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.write(&Control::Stop.to_bytes())?;
        self.volume = None;
        Ok(())
    }

    /// Whether the file can take no more of these octets: it would be too long, or it was moved.
    fn is_over(&self, mark: &Mark, added: u64) -> bool {
        let length = mark.length.saturating_add(added).saturating_add(STOP);
        let is_full = self.limit.is_some_and(|limit| length > limit) && mark.length > START;
        let there = fs::symlink_metadata(&self.path).map(|data| identity(&data));
        is_full || !there.is_ok_and(|there| there == mark.identity)
    }

    /// What is written in part only is taken back, as far as the disk lets us.
    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let Some(volume) = &mut self.volume else { return Ok(()) };
        let written = volume.file.write_all(octets);
        if written.is_err() {
            let _as_far_as_it_goes = volume.file.set_len(volume.mark.length);
            self.broken = self.volume.take().map(|volume| volume.mark);
        }
        written
    }

    /// A file is there: ours, in which writing broke off, or one of an earlier run.
    fn take_over(&self, known: &Metadata) -> io::Result<Volume> {
        let mut file = File::options().write(true).open(&self.path)?;
        lock(&file)?;
        if let Some(mark) = self.broken.filter(|mark| mark.identity == identity(known)) {
            file.set_len(mark.length)?;
            file.seek(SeekFrom::Start(mark.length))?;
            return Ok(Volume { file, mark });
        }
        // One without a record is not worth the place of one with records.
        if known.len() > START + STOP {
            fs::rename(&self.path, aside(&self.path))?;
        } else {
            fs::remove_file(&self.path)?;
        }
        self.begin()
    }

    fn begin(&self) -> io::Result<Volume> {
        let mut options = File::options();
        // What people ask is nobody else's business.
        let mut file = options.write(true).create_new(true).mode(0o640).open(&self.path)?;
        let begun = lock(&file).and_then(|()| file.write_all(&Control::Start.to_bytes()));
        if let Err(error) = begun {
            let _as_far_as_it_goes = fs::remove_file(&self.path);
            return Err(error);
        }
        let mark = Mark { identity: identity(&file.metadata()?), length: START };
        Ok(Volume { file, mark })
    }
}

/// Octets of the first frame, which names what the others hold.
pub(super) const START: u64 = 42;
/// Octets of the last frame.
pub(super) const STOP: u64 = 12;

/// A file system without locks is no reason not to write.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("somebody else writes to it")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn identity(data: &Metadata) -> (u64, u64) {
    (data.dev(), data.ino())
}

/// Where the file before goes: `PATH.1`.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of so many octets, which bears a number.
    fn frame(number: u8, length: u32) -> Vec<u8> {
        let mut frame = (length - 4).to_be_bytes().to_vec();
        frame.resize(length.try_into().unwrap(), number);
        frame
    }

    /// The numbers of the frames in a file, and `.` for its end.
    fn content(path: &Path) -> String {
        let content = fs::read(path).unwrap_or_default();
        let mut rest = content.strip_prefix(&*Control::Start.to_bytes()).unwrap_or_default();
        let mut found = String::new();
        while let Some((length, behind)) = rest.split_first_chunk() {
            if rest == Control::Stop.to_bytes() {
                return found + ".";
            }
            let (frame, behind) = behind.split_at(u32::from_be_bytes(*length).try_into().unwrap());
            assert!(frame.iter().all(|octet| octet == &frame[0]), "{frame:?}");
            found += &frame[0].to_string();
            rest = behind;
        }
        found
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tap");
        (folder, path)
    }

    #[test]
    fn a_file_is_a_start_frames_and_a_stop() {
        let (_folder, path) = place();
        let mut disk = Disk::new(path.clone(), None);
        disk.open().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), START);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o007, 0);
        disk.append(&[frame(1, 50), frame(2, 9)].concat()).unwrap();
        disk.append(&frame(3, 5)).unwrap();
        assert_eq!(content(&path), "123");
        disk.finish().unwrap();
        assert_eq!(content(&path), "123.");
        assert_eq!(fs::metadata(&path).unwrap().len(), START + 64 + STOP);
        assert!(!aside(&path).exists());
    }

    #[test]
    fn what_would_be_too_long_is_put_aside() {
        let (_folder, path) = place();
        // Two frames fit to the octet.
        let mut disk = Disk::new(path.clone(), Some(START + 100 + STOP));
        let table = [
            (50, "1", ""),
            (50, "12", ""),
            (50, "3", "12."),
            (51, "4", "3."),
            (49, "45", "3."),
            (5, "6", "45."),
            // One that never fits has a file of its own.
            (500, "7", "6."),
            (5, "8", "7."),
        ];
        for (number, (length, now, before)) in (1..).zip(table) {
            disk.append(&frame(number, length)).unwrap();
            let found = (content(&path), content(&aside(&path)));
            assert_eq!(found, (now.to_owned(), before.to_owned()), "{number}");
        }
        disk.finish().unwrap();
        assert_eq!(content(&path), "8.");
    }

    #[test]
    fn files_of_earlier_runs_are_put_aside_if_there_is_a_record_in_them() {
        let (_folder, path) = place();
        for (run, number, aside_holds) in [(1, Some(1), ""), (2, None, "1."), (3, Some(2), "1.")] {
            let mut disk = Disk::new(path.clone(), None);
            disk.open().unwrap();
            if let Some(number) = number {
                disk.append(&frame(number, 60)).unwrap();
            }
            disk.finish().unwrap();
            assert_eq!(content(&aside(&path)), aside_holds, "run {run}");
        }
        assert_eq!(content(&path), "2.");
    }

    #[test]
    fn a_file_that_was_moved_is_ended_and_another_begun() {
        let (folder, path) = place();
        let moved = folder.path().join("moved");
        let mut disk = Disk::new(path.clone(), None);
        disk.append(&frame(1, 60)).unwrap();
        fs::rename(&path, &moved).unwrap();
        disk.append(&frame(2, 60)).unwrap();
        assert_eq!((content(&moved), content(&path)), ("1.".into(), "2".into()));
        fs::remove_file(&path).unwrap();
        disk.append(&frame(3, 60)).unwrap();
        assert_eq!(content(&path), "3");
    }

    #[test]
    fn a_file_goes_on_where_writing_broke_off() {
        let (_folder, path) = place();
        let mut disk = Disk::new(path.clone(), Some(500));
        disk.append(&frame(1, 60)).unwrap();
        // A handle that cannot write stands for a disk that cannot; it had written half a frame.
        disk.volume.as_mut().unwrap().file = File::open(&path).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[9; 30]).unwrap();
        disk.append(&frame(2, 60)).unwrap_err();
        disk.append(&frame(3, 60)).unwrap();
        assert_eq!(content(&path), "13");
        disk.volume.as_mut().unwrap().file = File::open(&path).unwrap();
        disk.finish().unwrap_err();
        // What came to its place meanwhile is not ours, and is put aside.
        fs::rename(&path, path.with_extension("moved")).unwrap();
        fs::write(&path, [Control::Start.to_bytes(), frame(7, 60)].concat()).unwrap();
        disk.append(&frame(4, 60)).unwrap();
        assert_eq!((content(&path), content(&aside(&path))), ("4".into(), "7".into()));
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        let (folder, path) = place();
        let mut first = Disk::new(path.clone(), None);
        first.append(&frame(1, 60)).unwrap();
        let mut second = Disk::new(path.clone(), Some(1 << 20));
        let error = second.append(&frame(2, 60)).unwrap_err();
        assert_eq!(error.to_string(), "somebody else writes to it");
        assert_eq!(content(&path), "1");
        first.finish().unwrap();
        second.append(&frame(2, 60)).unwrap();
        assert_eq!((content(&path), content(&aside(&path))), ("2".into(), "1.".into()));
        let error = Disk::new(folder.path().to_owned(), None).open().unwrap_err();
        assert_eq!(error.to_string(), "not a regular file");
        let error = Disk::new(path.join("tap"), None).open().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
