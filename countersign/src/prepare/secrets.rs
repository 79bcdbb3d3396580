//! Passwords and passphrases: random, made once, and in the files of those who need them.

use std::path::Path;

use zeroize::Zeroizing;

use super::{Preparation, PrepareError};
use crate::files::{self, Access, FileError, make_once};

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

/// Makes what is missing, and says so.
pub(super) fn make(to: &Preparation) -> Result<Vec<String>, PrepareError> {
    let mut news = Vec::new();
    if new(&to.file("signer", "passphrase"), Access::Owner)? {
        news.push("made the signer's passphrase".to_owned());
    }
    let mut made = new(&to.file("database", "root-password"), Access::Group)?;
    for owner in &OWNERS {
        made |= make_urls(to, owner)?;
    }
    if made {
        news.push("made passwords for the databases".to_owned());
    }
    Ok(news)
}

/// The password of `owner` at the database, and what it is told of its database. Whether the password is
/// new.
fn make_urls(to: &Preparation, owner: &Owner) -> Result<bool, PrepareError> {
    let password = to.file("database", &format!("{}-password", owner.name));
    let [mysql, postgres, sqlite] =
        ["mysql-url", "postgres-url", "sqlite-url"].map(|url| to.file(owner.name, url));
    if files::read_start::<1>(&password)?.is_none() {
        // A new password would not be the one that the database knows.
        for present in [&mysql, &postgres] {
            if files::read_start::<1>(present)?.is_some() {
                return Err(PrepareError::PasswordLost {
                    missing: password,
                    present: present.clone(),
                });
            }
        }
    }
    let made = new(&password, Access::Group)?;
    let secret = Zeroizing::new(files::read(&password)?.unwrap_or_default());
    let secret = Zeroizing::new(String::from_utf8_lossy(&secret).into_owned());
    let Owner {
        name,
        database,
        file,
    } = owner;
    make_secret(
        &mysql,
        format!(
            "{name}:{}@tcp(mysql:3306)/{database}?parseTime=True",
            *secret
        ),
    )?;
    make_secret(
        &postgres,
        format!(
            "postgres://{name}:{}@postgres:5432/{database}?sslmode=disable",
            *secret
        ),
    )?;
    make_once(&sqlite, Access::Owner, || file.as_bytes().to_vec())?;
    Ok(made)
}

fn make_secret(path: &Path, text: String) -> Result<(), FileError> {
    let text = Zeroizing::new(text);
    make_once(path, Access::Owner, || text.as_bytes().to_vec()).map(Zeroizing::new)?;
    Ok(())
}

/// Puts a new secret at `path` unless there is one; whether it did.
fn new(path: &Path, access: Access) -> Result<bool, FileError> {
    if files::read_start::<1>(path)?.is_some() {
        return Ok(false);
    }
    let secret = files::new_secret().map_err(|cause| FileError::Write {
        path: path.to_owned(),
        cause,
    })?;
    files::write(path, secret.as_bytes(), access)?;
    Ok(true)
}
