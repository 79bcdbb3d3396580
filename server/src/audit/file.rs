//! A file that is only ever added to, and that others may take away.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The file at a path, whichever that is at the moment.
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    /// Whether the last line may have been written in part only.
    is_torn: bool,
}

impl AppendFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: open(path)?,
            is_torn: false,
        })
    }

    /// Adds `line`, which ends in a newline, with one write, so that it stays whole among those of
    /// other processes.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        self.follow_path()?;
        let begin = if self.is_torn { "\n" } else { "" };
        let text = format!("{begin}{line}");
        self.is_torn = true;
        let written = self.file.write(text.as_bytes())?;
        if written < text.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.is_torn = false;
        Ok(())
    }

    /// Opens the path again once it names another file than the one that is open, or none. Asked for
    /// each line: it costs less than the write.
    fn follow_path(&mut self) -> io::Result<()> {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let open = identity(self.file.metadata()?);
        if std::fs::metadata(&self.path).is_ok_and(|named| identity(named) == open) {
            return Ok(());
        }
        *self = Self::open(&self.path)?;
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
