//! The files of a service beside its databases: passphrases, configuration, certificates. In a set
//! they are one file, sealed to the escrow key, since a holder of both can sign.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, Read, Write},
    path::{Component, Path, PathBuf},
};

use archive::{
    Output,
    escrow::{PrivateKey, PublicKey},
    sealed::{Opener, Sealer},
};
use zeroize::Zeroizing;

use super::SetError;
use crate::{
    files::{self, Access, FileError},
    setup::Place,
};

/// The largest file that belongs to a service; logs and databases are larger.
const LARGEST: u64 = 1 << 20;
/// The most bytes that a set holds of a service.
const MOST: u64 = 64 << 20;

/// The files of a service by their paths in its folder, in hex.
type Files = BTreeMap<String, Zeroizing<String>>;

/// Seals the files of the service at `place` to `escrow`, in the new file `target`.
pub(super) fn seal(place: &Place, escrow: &Path, target: &Path) -> Result<(), SetError> {
    let escrow = PublicKey::read(escrow).map_err(|cause| SetError::Escrow {
        file: escrow.to_owned(),
        cause,
    })?;
    let mut found = Files::new();
    collect(&place.data, &place.data, &mut found)?;
    let text = found
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_str().into()));
    let text: serde_json::Map<String, serde_json::Value> = text
        .map(|(name, content)| (name.to_owned(), content))
        .collect();
    let text = Zeroizing::new(serde_json::to_vec(&text).map_err(io::Error::from)?);
    let write = || {
        let mut sealer = Sealer::new(Output::create(target)?, &escrow)?;
        sealer.write_all(&text)?;
        sealer.finish()?.commit()
    };
    write().map_err(|cause: io::Error| SetError::Sealed {
        file: target.to_owned(),
        cause,
    })
}

/// Puts the files that were sealed into `source` where they were, in the folder of `place`. What is
/// there already must be the same.
pub(super) fn unseal(place: &Place, key: &Path, source: &Path) -> Result<(), SetError> {
    let key = PrivateKey::read(key).map_err(|cause| SetError::Escrow {
        file: key.to_owned(),
        cause,
    })?;
    let failed = |cause| SetError::Sealed {
        file: source.to_owned(),
        cause,
    };
    let files = open(&key, source).map_err(failed)?;
    // Everything is looked at before anything is written.
    for (name, content) in &files {
        let path = place.file(name);
        if files::read(&path)?.is_some_and(|there| there != **content) {
            return Err(SetError::InTheWay(path));
        }
    }
    for (name, content) in &files {
        let path = place.file(name);
        if let Some(folder) = path.parent() {
            files::make_folder(folder)?;
        }
        files::write(&path, content, access(&path))?;
    }
    Ok(())
}

fn open(key: &PrivateKey, source: &Path) -> io::Result<BTreeMap<String, Zeroizing<Vec<u8>>>> {
    let input = BufReader::new(fs::File::open(source)?);
    let mut text = Zeroizing::new(Vec::new());
    Opener::new(input, key)?
        .take(4 * MOST)
        .read_to_end(&mut text)?;
    let files: BTreeMap<String, String> = serde_json::from_slice(&text)?;
    let files = files.into_iter().map(|(name, content)| {
        let content = Zeroizing::new(content);
        let is_inside = Path::new(&name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_inside || name.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it names a file outside of the data folder: {name:?}"),
            ));
        }
        let bytes = hex::decode(content.as_bytes()).map_err(io::Error::other)?;
        Ok((name, Zeroizing::new(bytes)))
    });
    files.collect()
}

/// Certificates are for everybody; all else may be secret.
fn access(path: &Path) -> Access {
    if path.extension().is_some_and(|extension| extension == "crt") {
        Access::All
    } else {
        Access::Owner
    }
}

/// Adds the files in `folder`, which is in `top`, and below.
fn collect(top: &Path, folder: &Path, found: &mut Files) -> Result<(), SetError> {
    let failed = |cause| FileError::Read {
        path: folder.to_owned(),
        cause,
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(top, &path, found)?;
        } else if kind.is_file() && belongs(&path) {
            let size = entry.metadata().map_err(failed)?.len();
            if size > LARGEST {
                eprintln!(
                    "not in the backup, since it is larger than 1 MiB: {}",
                    path.display()
                );
                continue;
            }
            let name = name(top, &path)?;
            let content = Zeroizing::new(files::read(&path)?.unwrap_or_default());
            found.insert(name, Zeroizing::new(hex::encode(&*content)));
        }
    }
    let total: usize = found.values().map(|content| content.len()).sum();
    if total as u64 > MOST {
        return Err(SetError::TooMuch(top.to_owned()));
    }
    Ok(())
}

/// Whether it is part of what a service starts from: neither its databases nor what it makes again.
fn belongs(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_database = [
        ".db",
        ".db-wal",
        ".db-shm",
        ".db-journal",
        ".backup",
        ".sealed",
    ]
    .iter()
    .any(|ending| name.ends_with(ending));
    !is_database && !["lock", "known", ".gitignore", "root-ca.crt"].contains(&&*name)
}

fn name(top: &Path, path: &Path) -> Result<String, SetError> {
    let inside = path.strip_prefix(top).unwrap_or(path);
    let name = inside.to_str().map(str::to_owned);
    name.ok_or_else(|| SetError::Name(PathBuf::from(path)))
}
