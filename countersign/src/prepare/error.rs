//! What can be wrong, and what to do then: for people who see it at night, in the log of a
//! container.

use std::{fmt, path::PathBuf};

use daemon::secret::Reference;

use super::Database;
use crate::{files::FileError, pki::PkiError};

/// Why the services have nothing to start from, or not all: one sentence, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificates are not in order.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The CA is gone, and its certificate is not: a new one would be a stranger to all clients.
    #[error(
        "{} is missing although {} is there: the CA that clients trust is lost. Restore its copy (with \
         docker-compose: of the volume `authority`). Without a copy, make a new CA and give it to all clients: \
         run once {again}",
        missing.display(),
        present.display()
    )]
    AuthorityLost {
        /// The file that is gone.
        missing: PathBuf,
        /// What was made of it.
        present: PathBuf,
        /// How to go on without it.
        again: Again,
    },
    /// Another CA is in the place of the one that clients know.
    #[error(
        "{} is of another CA than {}, so no client would trust the server. Restore the copy of the CA that \
         belongs here (with docker-compose: of the volume `authority`). To use the other CA and give it to all \
         clients: run once {again}",
        copy.display(),
        authority.display()
    )]
    AuthorityChanged {
        /// The key of the CA that is there.
        authority: PathBuf,
        /// A certificate of another.
        copy: PathBuf,
        /// How to go on with the one that is there.
        again: Again,
    },
    /// A reference stands where a secret should.
    #[error("{}: {reference}", path.display())]
    Unresolved {
        /// The file.
        path: PathBuf,
        /// What it begins with, and what resolves it.
        reference: Reference,
    },
    /// The keys in the signer's database open with no other.
    #[error(
        "{} is missing although {} is there, which was made after it: the passphrase that opens the keys in the \
         signer's database is lost. Restore its copy (with docker-compose: of the volume `signer-secrets`). \
         Without a copy, those keys are lost: empty the signer's database, and make a new passphrase: run once \
         {again}. After that, each repository's owner must rotate the snapshot and timestamp keys",
        missing.display(),
        present.display()
    )]
    PassphraseLost {
        /// The file that is gone.
        missing: PathBuf,
        /// A secret that was made later.
        present: PathBuf,
        /// How to go on without it.
        again: Again,
    },
    /// A database was set up with a password that is gone.
    #[error(
        "{} is missing although {} is there, which was made after it: the database accepts no other password. \
         Restore its copy (with docker-compose: of the volume `database-secrets`). Without a copy: the \
         passwords of server and signer are also in the `mysql-url` of each. Set any other password in the \
         database first, and then write it into that file",
        missing.display(),
        present.display()
    )]
    PasswordLost {
        /// The file that is gone.
        missing: PathBuf,
        /// A file that was made later.
        present: PathBuf,
    },
    /// It would end up in a URL, which has one line.
    #[error("{} is not a password: write one line of text", .0.display())]
    NoPassword(PathBuf),
    /// The data of this set-up is in another database than the one it was started for.
    #[error(
        "this set-up uses {noted} (`{}`), as {} says, and was started for {asked} (`{}`). The data is still there, in \
         {noted}. To continue with it, put `COMPOSE_FILE={}` into `.env`, with your other override files. To move \
         it to {asked}, see docs/compose.md, \"From one database to another\"; then run once {again}",
        noted.word(),
        note.display(),
        asked.word(),
        noted.compose_files()
    )]
    DatabaseChanged {
        /// Where the data is.
        noted: Database,
        /// What says so.
        note: PathBuf,
        /// What the services were told to use.
        asked: Database,
        /// How to change it on purpose.
        again: Again,
    },
    /// The note is not what was written there.
    #[error(
        "{} is damaged: it must be one word, `mysql`, `postgres`, `sqlite` or `elsewhere`. Restore its copy, or remove \
         it: the database of the next start is then noted again",
        .0.display()
    )]
    DatabaseUnknown(PathBuf),
    /// There is nothing to change to.
    #[error(
        "--change-database needs --database (or COUNTERSIGN_DATABASE), which names no database"
    )]
    NoDatabase,
    /// Nothing was made there yet, or it was removed.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// A certificate ended, or is of a time to come.
    #[error("{} is not a currently valid certificate", .0.display())]
    NotValid(PathBuf),
    /// A program refuses to start with the two.
    #[error("{} does not belong to the key beside it, {}", certificate.display(), key.display())]
    NoPair {
        /// The certificate.
        certificate: PathBuf,
        /// The file that should hold its key.
        key: PathBuf,
    },
    /// Nothing is copied that might be a key.
    #[error("{} contains no certificate, or a damaged one", .0.display())]
    NoCertificate(PathBuf),
    /// Signals cannot be listened to.
    #[error("the operating system reported: {0}")]
    System(#[from] std::io::Error),
}

/// What to type to permit, this one time, what is refused otherwise.
#[derive(Clone, Debug)]
pub struct Again(pub(super) String);

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(arguments) = self;
        write!(
            f,
            "`countersign prepare {arguments}`, with docker-compose `docker-compose run --rm prepare prepare {arguments}`"
        )
    }
}
