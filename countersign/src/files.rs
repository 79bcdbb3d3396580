//! Files that are there completely or not at all, and say who may read them from their first byte.

use std::{
    fs::DirBuilder,
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use daemon::{atomic, regular};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// A file or folder that could not be made or read, in a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder, file or disk does not take it.
    #[error("{} cannot be written: {cause}. {}", path.display(), cure(cause.kind(), "writable"))]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is there but cannot be read.
    #[error("{} cannot be read: {cause}. {}", path.display(), cure(cause.kind(), "readable"))]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A folder, a pipe or a device is in the place of a file; reading some of them never ends.
    #[error("{} is not a regular file. Move it away, and put the right file in its place.", .0.display())]
    NotAFile(PathBuf),
}

fn cure(kind: io::ErrorKind, what: &str) -> String {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "Make room on its disk. Existing files are kept, and the next run continues from them."
                .to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "Its disk is mounted read-only: mount it for writing (in docker-compose.yml, without `:ro`)."
                .to_owned()
        }
        _ => format!(
            "Make it {what} (in a volume of docker-compose.yml, for user 65532, who owns all files there), or \
             choose another folder with --data (`prepare`: --folder)."
        ),
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The owner alone (0600): keys and passphrases.
    Owner,
    /// The owner and its group (0640): secrets that another user of the same set-up needs too.
    Group,
    /// Everybody who gets to the folder (0644).
    All,
}

/// Makes `path` and its parents; a folder that is made here is its owner's alone (0700).
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| FileError::Write {
            path: path.to_owned(),
            cause,
        })
}

/// Puts `bytes` at `path` in one step: a reader finds what was there before, or all of this.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), FileError> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Group => 0o640,
        Access::All => 0o644,
    };
    atomic::replace(path, bytes, mode).map_err(|cause| FileError::Write {
        path: path.to_owned(),
        cause,
    })
}

/// The content of `path`, which is written first if there is no such file.
pub fn make_once(
    path: &Path,
    access: Access,
    content: impl FnOnce() -> Vec<u8>,
) -> Result<Vec<u8>, FileError> {
    if let Some(found) = read(path)? {
        return Ok(found);
    }
    let made = content();
    write(path, &made, access)?;
    Ok(made)
}

/// A secret that cannot be guessed, as text that needs no quoting anywhere: 256 bits in hex.
pub fn new_secret() -> io::Result<Zeroizing<String>> {
    let mut random = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(&mut *random)
        .map_err(|_| io::Error::other("the system's random number generator failed"))?;
    Ok(Zeroizing::new(hex::encode(*random)))
}

/// The bytes of `path`, or `None` if there is no such file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    read_up_to(path, u64::MAX)
}

/// As [`read`]; an empty file is as good as none. Some systems leave one behind when the power
/// fails.
pub fn read_filled(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    Ok(read(path)?.filter(|bytes| !bytes.is_empty()))
}

/// The first `N` bytes of `path`, or as many as it has; `None` if there is no such file.
pub fn read_start<const N: usize>(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    read_up_to(path, N as u64)
}

fn read_up_to(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    let failed = |cause| FileError::Read {
        path: path.to_owned(),
        cause,
    };
    let file = match regular::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(FileError::NotAFile(path.to_owned()));
        }
        Err(cause) => return Err(failed(cause)),
    };
    // With room for all of it: a secret is not moved about, and left behind, while it is read.
    let room = file
        .metadata()
        .map_err(failed)?
        .len()
        .saturating_add(1)
        .min(limit)
        .min(ROOM);
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// More than certificates and secrets need.
const ROOM: u64 = 1 << 20;

/// Removes `path`, if it is there.
pub fn remove(path: &Path) -> Result<(), FileError> {
    atomic::remove(path).map_err(|cause| FileError::Write {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::{Access, make_folder, read, write};

    #[test]
    fn a_secret_is_readable_by_its_owner_alone_even_where_it_replaces_an_open_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, b"old").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("opened up");

        write(&path, b"new", Access::Owner).expect("written");

        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(read(&path).expect("readable").as_deref(), Some(&b"new"[..]));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_leftover_of_a_killed_run_is_no_hindrance() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(folder.path().join("file.new"), b"half").expect("written");
        write(&path, b"whole", Access::All).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"whole");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_one_sentence_with_the_cure() {
        let folder = tempfile::tempdir().expect("a folder");
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, b"").expect("written");
        let error = make_folder(&in_the_way.join("data")).expect_err("a file is in the way");
        let text = error.to_string();
        assert!(text.contains("file/data cannot be written"), "{text}");
        assert!(text.contains("--data"), "{text}");
    }
}
