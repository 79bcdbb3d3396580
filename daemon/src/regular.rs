//! Regular files: what a setting names is to hold something, not to keep a program waiting.
//!
//! Opening a FIFO waits until another process writes to it, which may be never, and reading a
//! device may have no end. Links are followed.

use std::{
    fs::{self, File, FileType, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// Opens the file at `path` for reading.
///
/// # Errors
///
/// Also if there is something else than a regular file; the text says what.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening some devices does something already.
    refuse_others(fs::metadata(path)?.file_type())?;
    let no_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(no_waiting)
        .open(path)?;
    // Something else may have been put there meanwhile.
    refuse_others(file.metadata()?.file_type())?;
    Ok(file)
}

/// The content of the file at `path`.
///
/// # Errors
///
/// As [`open`], or if reading fails.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut content = Vec::new();
    // Room for all: a buffer that grows leaves what it held behind, and that may be a key.
    content.try_reserve_exact(size.saturating_add(1))?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

fn refuse_others(kind: FileType) -> io::Result<()> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe (FIFO)"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}; only regular files are read"),
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{fs::symlink, net::UnixListener},
        process::Command,
    };

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_at_once_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(
            Command::new("mkfifo")
                .arg(path("fifo"))
                .status()
                .unwrap()
                .success()
        );
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for (to, link) in [("/dev/zero", "device"), ("fifo", "link")] {
            symlink(to, path(link)).unwrap();
        }
        for (name, what) in [
            ("fifo", "a pipe"),
            ("link", "a pipe"),
            ("socket", "a socket"),
            ("device", "a device"),
            (".", "a directory"),
        ] {
            for error in [open(&path(name)).map(drop), read(&path(name)).map(drop)] {
                let error = error.unwrap_err().to_string();
                assert!(
                    error.contains(what) && error.contains("regular files"),
                    "{name}: {error}"
                );
            }
        }
        assert_eq!(
            read(&path("absent")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_regular_file_is_read_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("data"), "content").unwrap();
        symlink("data", path("link")).unwrap();
        assert_eq!(read(&path("link")).unwrap(), b"content");
        fs::write(path("data"), "").unwrap();
        assert_eq!(read(&path("link")).unwrap(), b"");
    }
}
