//! Who may read what: kept right, as copies that were brought back do not always say it.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use super::{FILES, FOLDERS, Preparation, PrepareError};
use crate::files::FileError;

/// What owners and services need, and what strangers must not have. The rest is the operator's.
struct Rights {
    needed: u32,
    forbidden: u32,
}

/// Gives files and folders the rights that they lack, and takes from strangers what they could
/// read.
pub(super) fn mend(to: &Preparation, problems: &mut Vec<PrepareError>) -> Vec<String> {
    let mut news = Vec::new();
    let mut mend = |name: &str, rights| {
        let path = to.folder.join(name);
        mend_one(&path, &rights).unwrap_or_else(|cause| {
            problems.push(FileError::Write { path, cause }.into());
            false
        })
    };
    for name in FOLDERS {
        // Nothing to speak of: new volumes are so.
        mend(name, rights_of_folder(name));
    }
    for name in FILES {
        if mend(name, rights_of_file(name)) {
            news.push(format!("set who may read {name}"));
        }
    }
    news
}

fn mend_one(path: &Path, rights: &Rights) -> io::Result<bool> {
    let mode = match fs::symlink_metadata(path) {
        // What a link leads to, or a device, belongs to others.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => return Ok(false),
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let right = (mode | rights.needed) & !rights.forbidden;
    if right == mode {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(right))?;
    Ok(true)
}

/// The database runs as a user of its own, and reads its passwords as a member of our group.
fn rights_of_folder(name: &str) -> Rights {
    let needed = if name == "database" { 0o750 } else { 0o700 };
    Rights {
        needed,
        forbidden: 0o002,
    }
}

fn rights_of_file(name: &str) -> Rights {
    let is_public = Path::new(name).extension().is_some_and(|it| it == "crt");
    let (needed, forbidden) = match name {
        _ if is_public => (0o644, 0o002),
        _ if name.starts_with("database/") => (0o640, 0o007),
        _ => (0o600, 0o007),
    };
    Rights { needed, forbidden }
}
