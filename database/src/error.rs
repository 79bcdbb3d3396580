//! What can go wrong with a database, in sentences for the people who run it.

use std::{io, path::PathBuf};

use sqlx::error::DatabaseError as _;

/// Why a database cannot be used. No text holds a password: URLs are never quoted.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL is not one of the forms that are understood.
    #[error(
        "the database URL is not usable: {0}; accepted: a path such as /var/lib/notary/server.db, \
         `sqlite://PATH`, `file:PATH` or `memory`"
    )]
    Url(String),
    /// The folder that should hold the database file is not there.
    #[error("the database {} cannot be created: the folder {} does not exist", .file.display(), .folder.display())]
    NoFolder {
        /// The file as configured.
        file: PathBuf,
        /// The missing folder.
        folder: PathBuf,
    },
    /// The file is not there and cannot be made.
    #[error("the database {} cannot be created: {error}", .file.display())]
    NotCreated {
        /// The file as configured.
        file: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The database was reached, or should have been, and failed.
    #[error("the database {place} {fault}: {error}")]
    Failed {
        /// Where the database is, without credentials.
        place: String,
        /// The kind of failure.
        fault: Fault,
        /// The driver's own words.
        error: sqlx::Error,
    },
}

/// The kinds of failure that ask for different remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file holds something else.
    NotADatabase,
    /// The file was a database once.
    Damaged,
    /// No room left.
    Full,
    /// It, or its folder, may not be written.
    ReadOnly,
    /// It, or its folder, cannot be opened.
    CannotOpen,
    /// Another program held its lock for too long, or all connections were in use.
    Busy,
    /// It does not answer.
    Away,
    /// Anything else: a statement that it refused, for instance.
    Other,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NotADatabase => "is not an SQLite database",
            Self::Damaged => "is damaged: restore it from a backup",
            Self::Full => "cannot grow: the disk is full",
            Self::ReadOnly => "cannot be written: check the rights of the file and of its folder",
            Self::CannotOpen => "cannot be opened: check the rights of the file and of its folder",
            Self::Busy => "is busy: another program holds it, or all connections are in use",
            Self::Away => "does not answer",
            Self::Other => "failed",
        })
    }
}

/// What kind of failure `error` is.
#[must_use]
pub fn fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => database_fault(error.as_ref()),
        sqlx::Error::PoolTimedOut => Fault::Busy,
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Fault::Away,
        _ => Fault::Other,
    }
}

/// Whether `error` says that a unique key is taken: the answer that decides races.
#[must_use]
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// The failure behind an answer of the database itself.
fn database_fault(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Fault {
    let Some(error) = error.try_downcast_ref::<sqlx::sqlite::SqliteError>() else {
        return Fault::Other;
    };
    let code: i32 = error
        .code()
        .and_then(|code| code.parse().ok())
        .unwrap_or_default();
    // The low octet is the primary code, the rest refines it (https://sqlite.org/rescode.html).
    match code & 0xff {
        5 | 6 => Fault::Busy,
        8 => Fault::ReadOnly,
        10 => Fault::Away,
        11 => Fault::Damaged,
        13 => Fault::Full,
        14 => Fault::CannotOpen,
        26 => Fault::NotADatabase,
        _ => Fault::Other,
    }
}
