//! A file that is only ever added to, and that others may take away.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// How many files that were rotated away are kept open until they are on the disk.
const MOST_ROTATED: usize = 8;

/// The file at a path, whichever that is at the moment.
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    /// Whether it ends inside of a line.
    is_torn: bool,
    /// Files that had the path before, and may not be on the disk yet.
    rotated: VecDeque<File>,
    /// How many bytes the disk has room for.
    #[cfg(test)]
    pub(super) room: Option<usize>,
}

/// Why a text is not in the file.
pub(super) struct Unwritten {
    /// How many bytes of it are.
    pub(super) written: usize,
    pub(super) error: io::Error,
}

impl AppendFile {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: open(path)?,
            is_torn: false,
            rotated: VecDeque::new(),
            #[cfg(test)]
            room: None,
        })
    }

    /// Takes the file for this process alone, if no other process has; says whether it did. Where
    /// the file system knows no locks, nothing speaks against it.
    pub(super) fn take(&self) -> bool {
        !matches!(self.file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
    }

    /// Notes that the file ends inside of a line.
    pub(super) fn mark_torn(&mut self) {
        self.is_torn = true;
    }

    /// Adds `text`, lines with their newlines, with one write, so that it stays whole among those of
    /// other processes.
    pub(super) fn append(&mut self, text: &str) -> Result<(), Unwritten> {
        let unwritten = |written, error| Unwritten { written, error };
        self.follow_path().map_err(|error| unwritten(0, error))?;
        let begin = if self.is_torn { "\n" } else { "" };
        let bytes = [begin, text].concat();
        let written = self
            .write(bytes.as_bytes())
            .map_err(|error| unwritten(0, error))?;
        if written > 0 {
            self.is_torn = bytes.as_bytes()[written - 1] != b'\n';
        }
        if written < bytes.len() {
            let written = written.saturating_sub(begin.len());
            return Err(unwritten(written, io::ErrorKind::WriteZero.into()));
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        let bytes = &bytes[..bytes.len().min(self.room.unwrap_or(bytes.len()))];
        self.file.write(bytes)
    }

    /// What has to be on the disk for all that was written to be there.
    pub(super) fn unsynced(&mut self) -> io::Result<Vec<File>> {
        let mut files = vec![self.file.try_clone()?];
        files.extend(self.rotated.drain(..));
        Ok(files)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the path again once it names another file than the one that is open, or none. Asked for
    /// each line: it costs less than the write.
    fn follow_path(&mut self) -> io::Result<()> {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let open = identity(self.file.metadata()?);
        if std::fs::metadata(&self.path).is_ok_and(|named| identity(named) == open) {
            return Ok(());
        }
        let next = Self::open(&self.path)?;
        // So that a second process notices that this one writes here.
        next.take();
        let rotated = std::mem::replace(&mut self.file, next.file);
        self.is_torn = false;
        if self.rotated.len() == MOST_ROTATED {
            self.rotated.pop_front();
        }
        self.rotated.push_back(rotated);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let is_else = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
    if is_else {
        return Err(io::Error::other("it is no regular file"));
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}
