//! Passwords and passphrases: random, made once, and in the files of those who need them.

use std::path::{Path, PathBuf};

use daemon::secret::Reference;
use zeroize::Zeroizing;

use super::{Preparation, PrepareError};
use crate::files::{self, Access, FileError};

/// A service with a database of its own.
struct Owner {
    /// Its folder, and its user at the database.
    name: &'static str,
    /// Its database. Notary's names.
    database: &'static str,
    /// Where SQLite keeps it, in the volume of the service.
    file: &'static str,
}

const OWNERS: [Owner; 2] = [
    Owner {
        name: "server",
        database: "notaryserver",
        file: "/var/lib/notary/server.db",
    },
    Owner {
        name: "signer",
        database: "notarysigner",
        file: "/var/lib/notary/signer.db",
    },
];

/// Makes what is missing, and says so. What was lost is not made: this order, which is kept from
/// the first secret to the last, is how the one is told from the other.
pub(super) fn make(to: &Preparation) -> Result<Vec<String>, PrepareError> {
    let mut news = Vec::new();
    news.extend(check_references(to)?);
    if make_passphrase(to)? {
        news.push("made the signer's passphrase".to_owned());
    }
    let mut made = make_password(&root_password(to), &later_than_root(to))?;
    for owner in &OWNERS {
        made |= make_password(&password(to, owner), &urls_with_password(to, owner))?;
        make_urls(to, owner)?;
    }
    if made {
        news.push("made passwords for the databases".to_owned());
    }
    Ok(news)
}

/// Refuses files in which a reference of a vault stands where the secret should. A passphrase that
/// keys may be encrypted with already is left to the signer, which opens them and encrypts no more.
fn check_references(to: &Preparation) -> Result<Option<String>, PrepareError> {
    let mut later = later_than_root(to);
    later.push(root_password(to));
    let unresolved = |path: &Path| -> Result<Option<PrepareError>, FileError> {
        let reference = line(path)?.and_then(|secret| Reference::find(&secret));
        Ok(reference.map(|reference| PrepareError::Unresolved {
            path: path.to_owned(),
            reference,
        }))
    };
    for path in &later {
        if let Some(error) = unresolved(path)? {
            return Err(error);
        }
    }
    match unresolved(&to.file("signer", "passphrase"))? {
        Some(error) if first(&later)?.is_none() => Err(error),
        error => Ok(error.map(|error| error.to_string())),
    }
}

fn make_passphrase(to: &Preparation) -> Result<bool, PrepareError> {
    let path = to.file("signer", "passphrase");
    if is_there(&path)? {
        return Ok(false);
    }
    let mut later = later_than_root(to);
    later.push(root_password(to));
    match first(&later)? {
        Some(present) if !to.permitted.new_passphrase => Err(PrepareError::PassphraseLost {
            missing: path,
            present: present.to_owned(),
            again: to.again("--new-passphrase"),
        }),
        _ => Ok(write_new(&path, Access::Owner).map(|()| true)?),
    }
}

/// A new password would not be the one that a database knows, which there may be if any of `later`
/// is there.
fn make_password(path: &Path, later: &[PathBuf]) -> Result<bool, PrepareError> {
    if is_there(path)? {
        return Ok(false);
    }
    match first(later)? {
        Some(present) => Err(PrepareError::PasswordLost {
            missing: path.to_owned(),
            present: present.to_owned(),
        }),
        None => Ok(write_new(path, Access::Group).map(|()| true)?),
    }
}

/// What `owner` is told of its database.
fn make_urls(to: &Preparation, owner: &Owner) -> Result<(), PrepareError> {
    let Owner {
        name,
        database,
        file,
    } = owner;
    let path = password(to, owner);
    let secret = line(&path)?.ok_or_else(|| PrepareError::Missing(path.clone()))?;
    let secret = std::str::from_utf8(&secret)
        .ok()
        .filter(|text| !text.contains(char::is_control))
        .ok_or(PrepareError::NoPassword(path))?;
    let encoded = Zeroizing::new(percent_encoded(secret));
    let texts = [
        (
            "mysql-url",
            format!("{name}:{secret}@tcp(mysql:3306)/{database}?parseTime=True"),
        ),
        (
            "postgres-url",
            format!(
                "postgres://{name}:{}@postgres:5432/{database}?sslmode=disable",
                *encoded
            ),
        ),
        ("sqlite-url", (*file).to_owned()),
    ];
    for (url, text) in texts.map(|(url, text)| (url, Zeroizing::new(text))) {
        let path = to.file(name, url);
        if !is_there(&path)? {
            files::write(&path, text.as_bytes(), Access::Owner)?;
        }
    }
    Ok(())
}

fn root_password(to: &Preparation) -> PathBuf {
    to.file("database", "root-password")
}

fn password(to: &Preparation, owner: &Owner) -> PathBuf {
    to.file("database", &format!("{}-password", owner.name))
}

fn urls_with_password(to: &Preparation, owner: &Owner) -> [PathBuf; 2] {
    ["mysql-url", "postgres-url"].map(|url| to.file(owner.name, url))
}

fn later_than_root(to: &Preparation) -> Vec<PathBuf> {
    let of = |owner| {
        let password = std::iter::once(password(to, owner));
        password.chain(urls_with_password(to, owner))
    };
    OWNERS.iter().flat_map(of).collect()
}

fn first(paths: &[PathBuf]) -> Result<Option<&Path>, FileError> {
    for path in paths {
        if is_there(path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Whether there is a secret in `path`; one line end alone is none.
pub(super) fn is_there(path: &Path) -> Result<bool, FileError> {
    Ok(line(path)?.is_some())
}

/// What stands in `path`, if anything does. An editor's line end at its end is not part of it.
fn line(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let Some(mut bytes) = files::read(path)?.map(Zeroizing::new) else {
        return Ok(None);
    };
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok((!bytes.is_empty()).then_some(bytes))
}

/// `text` as it may stand in a URL.
fn percent_encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    // Room for all of it, so that no half of a secret is left behind in memory.
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}

fn write_new(path: &Path, access: Access) -> Result<(), FileError> {
    let secret = files::new_secret().map_err(|cause| FileError::Write {
        path: path.to_owned(),
        cause,
    })?;
    files::write(path, secret.as_bytes(), access)
}
