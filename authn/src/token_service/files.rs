//! Files of a folder that several servers may share: they appear complete, and the first one stays.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
};

pub(super) use daemon::atomic::{UNFINISHED, create, remove};
use daemon::regular;
use rustix::{
    fs::{Access, access},
    process::{getegid, geteuid, getgroups},
};
use zeroize::Zeroizing;

/// Makes the folder, its owner's alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// History whether files can be made in the folder, or the folder itself, and makes nothing.
pub(super) fn could_write(folder: &Path) -> io::Result<()> {
    let Some(there) = folder.ancestors().find(|path| path.exists()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    if !there.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(there, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The content of a file, or `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match regular::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text of a file that other users must not be able to read; `None` if it does not exist.
pub(super) fn read_secret(path: &Path) -> io::Result<Option<Zeroizing<String>>> {
    let Some(bytes) = read(path)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    refuse_open(path)?;
    let text = str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not PEM"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// Refuses a private key that others can read, without reading it. That it is not there is fine.
pub(super) fn refuse_open(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if is_open_to_others(&metadata) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others can read this private key; chmod 600 it, and if another user may have read it, \
             remove the key and its certificate: a new one is made",
        )),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Refuses a folder into which other users can put files, with or without the sticky bit. A missing
/// folder is fine.
pub(super) fn refuse_writable_folder(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if is_writable_by_others(&metadata) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others can write to this folder, and keys that they put there could make tokens for \
             everything; chmod 700 it, and if another user may have written to it, empty it: the \
             server makes new keys",
        )),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether another user may write to it.
fn is_writable_by_others(metadata: &fs::Metadata) -> bool {
    const WRITE: u32 = 0o222;
    let is_ours = metadata.uid() == geteuid().as_raw();
    metadata.mode() & WRITE & closed_bits(is_ours, is_our_group(metadata.gid())) != 0
}

/// Whether another user may read it.
fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    let is_ours = metadata.uid() == geteuid().as_raw();
    metadata.mode() & closed_bits(is_ours, is_our_group(metadata.gid())) != 0
}

/// The bits that a private key must not have. A group of the process itself may do everything: that
/// is how orchestrators hand over volumes (Kubernetes gives files of a volume to the group
/// `fsGroup`, which may then read and write them). Another group may read where the file belongs to
/// another user, since the file could not be handed over otherwise. The world never may.
fn closed_bits(is_ours: bool, is_our_group: bool) -> u32 {
    match (is_ours, is_our_group) {
        (_, true) => 0o007,
        (true, false) => 0o077,
        (false, false) => 0o037,
    }
}

/// Whether this process is in the group `id`. Groups that cannot be had are not ours.
fn is_our_group(id: u32) -> bool {
    let supplementary = getgroups().unwrap_or_default();
    getegid().as_raw() == id || supplementary.iter().any(|group| group.as_raw() == id)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_that_our_own_group_may_read_and_write_is_let_through_and_one_for_the_world_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "PEM").unwrap();
        assert!(is_our_group(fs::metadata(&path).unwrap().gid()));
        for (mode, is_fine) in [
            (0o600, true),
            (0o640, true),
            (0o660, true),
            (0o604, false),
            (0o661, false),
            (0o666, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(refuse_open(&path).is_ok(), is_fine, "{mode:o}");
            assert_eq!(read_secret(&path).is_ok(), is_fine, "{mode:o}");
        }
    }

    #[test]
    fn a_group_that_is_not_ours_may_read_only_what_belongs_to_another_user() {
        let is_open =
            |mode: u32, is_ours, is_our_group| mode & closed_bits(is_ours, is_our_group) != 0;
        assert!(is_open(0o640, true, false));
        assert!(!is_open(0o440, false, false));
        assert!(is_open(0o460, false, false), "it could be replaced");
        assert!(!is_open(0o660, false, true), "a volume's own group");
        for (is_ours, is_our_group) in [(true, true), (true, false), (false, true), (false, false)]
        {
            for world in [0o604, 0o602, 0o601] {
                assert!(is_open(world, is_ours, is_our_group), "{world:o}");
            }
        }
        let nobodys = (70_000..90_000).find(|id| !is_our_group(*id)).unwrap();
        let (all, egid) = (getgroups().unwrap(), getegid());
        assert!(egid.as_raw() != nobodys && !all.iter().any(|group| group.as_raw() == nobodys));
        assert!(all.iter().all(|group| is_our_group(group.as_raw())));
    }
}
