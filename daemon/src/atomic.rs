//! Files that are there completely or not at all.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use ring::rand::{SecureRandom as _, SystemRandom};

/// Begins the names of files that [`create`] has not finished. Those of a process that was killed
/// stay.
pub const UNFINISHED: &str = ".new-";

/// Puts `content` at `path` in one step: a reader finds what was there before, or all of this.
///
/// The file has `mode` from its first byte, whatever the umask. One process at a time may write a
/// path.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    // Left behind by a process that was killed.
    remove(&unfinished)?;
    let set_mode = |file: &File| file.set_permissions(Permissions::from_mode(mode));
    write(&unfinished, content, mode, set_mode, || {
        fs::rename(&unfinished, path)
    })
}

/// Puts `content` at `path` in one step, unless there is a file: that one stays. Several processes
/// may do so at once, and all find the file of the first. The umask applies to `mode`.
pub fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut random = [0; 8];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the random number generator failed"))?;
    let name = format!("{UNFINISHED}{:016x}", u64::from_ne_bytes(random));
    let unfinished = path.with_file_name(name);
    let link = || {
        // A link, unlike a rename, replaces nothing.
        match fs::hard_link(&unfinished, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        remove(&unfinished)
    };
    write(&unfinished, content, mode, |_| Ok(()), link)
}

/// Removes a file; that it is gone already is as good.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Writes the file `unfinished`, and has `publish` give it its name once all of it is on the disk.
/// From then on the old name is not looked at again: another file may have it.
fn write(
    unfinished: &Path,
    content: &[u8],
    mode: u32,
    prepare: impl FnOnce(&File) -> io::Result<()>,
    publish: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let written = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(unfinished)?;
        prepare(&file)?;
        file.write_all(content)?;
        file.sync_all()
    };
    if let Err(error) = written().and_then(|()| publish()) {
        // A disk that is full needs the room. The first error is the one to tell.
        let _ = remove(unfinished);
        return Err(error);
    }
    let folder = unfinished
        .parent()
        .filter(|path| !path.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn a_file_that_replaces_another_has_its_own_mode_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        fs::write(folder.path().join("file.new"), b"half").unwrap();
        replace(&path, b"new", 0o640).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!((mode(&path), names(folder.path())), (0o640, 1));
    }

    #[test]
    fn the_first_file_stays_and_the_second_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, b"first", 0o600).unwrap();
        create(&path, b"second", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!((mode(&path), names(folder.path())), (0o600, 1));
    }

    #[test]
    fn a_file_that_another_process_begins_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (path, unfinished) = (folder.path().join("file"), folder.path().join("file.new"));
        let publish = || {
            fs::rename(&unfinished, &path)?;
            fs::write(&unfinished, b"another's")
        };
        write(&unfinished, b"content", 0o600, |_| Ok(()), publish).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
        assert_eq!(fs::read(&unfinished).unwrap(), b"another's");
    }

    #[test]
    fn what_cannot_be_published_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folder");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"content", 0o600).is_err());
        assert_eq!(names(folder.path()), 1);
    }
}
