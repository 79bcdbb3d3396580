//! Files of a folder that several servers may share: they appear complete, and the first one stays.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use daemon::regular;
use rustix::fs::{Access, access};
use zeroize::Zeroizing;

use super::certificates::random_name;

/// Begins the names of files that are being written.
pub(super) const UNFINISHED: &str = ".new-";

/// Makes the folder, its owner's alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Looks whether files can be made in the folder, or the folder itself, and makes nothing.
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

/// The text of a file that nobody else may read, or `None` if there is none.
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
            "others can read this private key; chmod 600 it, and if somebody may have read it, remove \
             the key and its certificate: a new one is made",
        )),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether somebody beside the owner may read it. A group is let through where the file belongs to
/// somebody else: that is how orchestrators hand secrets to a process that is not root.
fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    let closed = if is_ours { 0o077 } else { 0o037 };
    metadata.mode() & closed != 0
}

/// Puts a file there in one step. Whoever is second changes nothing, and finds the first one's.
pub(super) fn place(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = random_name().map_err(io::Error::other)?;
    let unfinished = folder.join(format!("{UNFINISHED}{name}"));
    let placed = write(&unfinished, content, mode).and_then(|()| link(&unfinished, path));
    let removed = fs::remove_file(&unfinished);
    placed.and(removed)?;
    File::open(folder)?.sync_all()
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A link, other than a rename, replaces nothing.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}

/// Removes a file; that it is gone already is as good.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
