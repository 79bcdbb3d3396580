//! What can go wrong with a database, in sentences for the people who run it.

use std::{io, path::PathBuf};

use sqlx::{error::DatabaseError as _, mysql::MySqlDatabaseError};

use crate::Backend;

/// Why a database cannot be used. No text holds a password: URLs are never quoted.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL is not one of the forms that are understood.
    #[error(
        "the database URL is not usable: {0}; accepted: a path such as /var/lib/notary/server.db, \
         `sqlite://PATH`, `file:PATH` or `memory`"
    )]
    Url(String),
    /// The URL is not one of the forms in which a server is named.
    #[error("the database URL is not usable: {problem}; accepted: {}", describe_accepted(*.backend))]
    ServerUrl {
        /// The kind of database it should name.
        backend: Backend,
        /// What is wrong with it.
        problem: String,
    },
    /// The file is not there, and this command may not make it.
    #[error(
        "the database {} does not exist: correct storage.db_url, or create the database with \
         `serve`, `migrate` or `restore`",
        .file.display()
    )]
    NotThere {
        /// The file as configured.
        file: PathBuf,
    },
    /// There is no file where the path leads, but there is one where it would lead from the working
    /// directory.
    #[error(
        "relative paths start at the folder of the configuration file, and there is no database {}; \
         but there is one in the working directory: write its whole path, {}",
        .file.display(),
        .here.display()
    )]
    Elsewhere {
        /// The file as configured.
        file: PathBuf,
        /// The one in the working directory.
        here: PathBuf,
    },
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
    /// A file that the URL names cannot be read.
    #[error(
        "cannot read {}, which {parameter} in the database URL names: {error}; correct the path, \
         or give the user that the program runs as the right to read it",
        .file.display()
    )]
    Unreadable {
        /// The parameter of the URL.
        parameter: &'static str,
        /// The file.
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

/// How a database of this kind is named.
fn describe_accepted(backend: Backend) -> &'static str {
    match backend {
        Backend::MySql => {
            "`user:password@tcp(host:3306)/name?parseTime=True`, `user:password@unix(/path)/name` \
             or `mysql://user:password@host/name`"
        }
        Backend::Postgres => {
            "`postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=FILE` or \
             `host=… user=… dbname=… sslmode=…`"
        }
        Backend::Sqlite | Backend::Memory => "the path of a file",
    }
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
    /// It does not let this user in, or not do this.
    Denied,
    /// There is no database of this name.
    Missing,
    /// Its certificate is from an authority that this program was not told to trust.
    Untrusted,
    /// It has no TLS although the URL wants it, or its certificate is wrong.
    Encryption,
    /// The URL sets a parameter that it does not know, or that cannot have this value.
    Parameter,
    /// A pooler in between gives one session to several programs.
    Pooled,
    /// A text that its columns or its character set have no room for.
    Unstorable,
    /// Anything else: a statement that it refused, for instance.
    Other,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NotADatabase => "is not an SQLite database",
            Self::Damaged => "is damaged: restore it from a backup",
            Self::Full => "cannot grow: the disk is full",
            Self::ReadOnly => {
                "cannot be written: it is read-only, or the rights of its file or folder are"
            }
            Self::CannotOpen => "cannot be opened: check the rights of the file and of its folder",
            Self::Busy => "is busy: another program holds it, or all connections are in use",
            Self::Away => "does not answer",
            Self::Denied => "refuses: check user, password and rights",
            Self::Missing => "is not there: create it, empty, and a user for it",
            Self::Untrusted => "has a certificate from an authority that is not trusted",
            Self::Encryption => "cannot be reached by TLS",
            Self::Parameter => "refuses a parameter of storage.db_url",
            Self::Pooled => {
                "is behind a pooler that gives one session to several programs (PgBouncer in \
                 transaction mode)"
            }
            Self::Unstorable => {
                "cannot hold this text: its character set has no such characters, or it is too long"
            }
            Self::Other => "failed",
        })
    }
}

impl Fault {
    /// What an operator does about it.
    #[must_use]
    pub fn cure(self) -> &'static str {
        match self {
            Self::Away => "start the database, or correct storage.db_url",
            Self::Denied => {
                "correct user and password in storage.db_url, or give that user its rights"
            }
            Self::Missing => "create the database, or correct its name in storage.db_url",
            Self::NotADatabase => "correct storage.db_url: it names another kind of file",
            Self::Damaged => "restore the database from a backup",
            Self::Full => "make room on the disk",
            Self::ReadOnly => {
                "make storage.db_url name the primary, or give the user that the program runs as \
                 the right to write the file and its folder"
            }
            Self::CannotOpen => {
                "give the user that the program runs as the right to read and write the file and \
                 its folder"
            }
            Self::Busy => {
                "end the program that holds the database; if none does, allow more connections"
            }
            Self::Untrusted => {
                "name the file with the certificate of that authority in storage.db_url: \
                 sslrootcert=FILE for PostgreSQL, ssl-ca=FILE for MySQL and MariaDB"
            }
            Self::Encryption => {
                "switch on TLS in the database and give it a certificate for the name in \
                 storage.db_url, or correct sslmode (PostgreSQL) or tls (MySQL) there"
            }
            Self::Parameter => "correct or remove that parameter of storage.db_url",
            Self::Pooled => "add binary_parameters=yes to storage.db_url",
            Self::Unstorable | Self::Other => "put right what the database says is wrong",
        }
    }

    /// One word for it, for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotADatabase => "not_a_database",
            Self::Damaged => "damaged",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::CannotOpen => "cannot_open",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Untrusted => "untrusted",
            Self::Encryption => "encryption",
            Self::Parameter => "parameter",
            Self::Pooled => "pooled",
            Self::Unstorable => "unstorable",
            Self::Other => "other",
        }
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Away | Self::Busy | Self::ReadOnly | Self::Untrusted | Self::Encryption
        )
    }
}

/// What kind of failure `error` is.
#[must_use]
pub fn fault(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(error) => database_fault(error.as_ref()),
        sqlx::Error::PoolTimedOut => Fault::Busy,
        sqlx::Error::Tls(_) => tls_fault(&error.to_string()),
        sqlx::Error::Io(error) if is_tls(error) => tls_fault(&error.to_string()),
        sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Fault::Away,
        _ => Fault::Other,
    }
}

/// The failure behind what the TLS library says.
fn tls_fault(text: &str) -> Fault {
    // The third is what an authority of the same name with another key comes to.
    let untrusted = ["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"];
    if untrusted.iter().any(|words| text.contains(words)) {
        Fault::Untrusted
    } else {
        Fault::Encryption
    }
}

/// Whether a handshake failed on a certificate: reading and writing only tell of an error of IO.
fn is_tls(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// Whether `error` says that a unique key is taken: the answer that decides races.
#[must_use]
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether the database took back a transaction that may simply be begun again: rivals were in each
/// other's way (a deadlock, or serialisable isolation).
#[must_use]
pub fn is_transient(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    if let Some(error) = error.as_ref().try_downcast_ref::<MySqlDatabaseError>() {
        return matches!(error.number(), 1020 | 1213);
    }
    error
        .code()
        .is_some_and(|code| matches!(&*code, "40001" | "40P01"))
}

/// Whether the database refused a write because of the level of isolation: its binary log repeats
/// statements, which is exact only if nothing that they read changes meanwhile (`MySQL` and
/// `MariaDB` with `binlog_format = STATEMENT`).
#[must_use]
pub fn is_isolation_refused(error: &sqlx::Error) -> bool {
    const STATEMENT_LOG: u16 = 1665;
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let error = error.as_ref().try_downcast_ref::<MySqlDatabaseError>();
    error.is_some_and(|error| error.number() == STATEMENT_LOG)
}

/// The failure behind an answer of the database itself.
fn database_fault(error: &(dyn sqlx::error::DatabaseError + 'static)) -> Fault {
    if let Some(error) = error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        let code = error.code().and_then(|code| code.parse().ok());
        return sqlite_fault(code.unwrap_or_default());
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql_fault(error.number());
    }
    match error.code() {
        // PgBouncer does not let every parameter through.
        Some(state) if state == "08P01" && error.message().contains("startup parameter") => {
            Fault::Pooled
        }
        Some(state) => postgres_fault(&state),
        None => Fault::Other,
    }
}

/// The low byte is the primary code, the rest refines it (<https://sqlite.org/rescode.html>).
fn sqlite_fault(code: i32) -> Fault {
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

/// Numbers of `MySQL` and, from 1900 on, of `MariaDB`; 3988 is `MySQL`'s again.
fn mysql_fault(number: u16) -> Fault {
    match number {
        // Too many connections, lock waits, deadlocks, statements that took too long.
        1020 | 1040 | 1203 | 1205 | 1213 | 1226 | 1969 | 3024 => Fault::Busy,
        1021 | 1041 | 1114 => Fault::Full,
        // It shuts down, the connection was killed, a Galera node has no quorum, or a proxy has no
        // server.
        1047 | 1053 | 1077 | 1079 | 1080 | 1152..=1161 | 1184 | 1317 | 1927 | 9001 => Fault::Away,
        1034 | 1035 | 1194 | 1195 => Fault::Damaged,
        1290 | 1792 | 1836 => Fault::ReadOnly,
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1251 | 1698 => Fault::Denied,
        1049 => Fault::Missing,
        // Variables that do not exist, cannot have this value, or are not for a session.
        1193 | 1229 | 1231 | 1232 | 1238 => Fault::Parameter,
        1253 | 1267 | 1300 | 1366 | 1406 | 3854 | 3988 => Fault::Unstorable,
        _ => Fault::Other,
    }
}

/// `SQLSTATE`s of `PostgreSQL`: the first two characters are the class.
fn postgres_fault(state: &str) -> Fault {
    match state {
        "22001" | "22021" | "22P05" => Fault::Unstorable,
        "25006" => Fault::ReadOnly,
        // Names of prepared statements are those of a session.
        "26000" | "42P05" => Fault::Pooled,
        "3D000" => Fault::Missing,
        // Settings that do not exist, cannot have this value, or are fixed when the database
        // starts.
        "42704" | "22023" | "55P02" => Fault::Parameter,
        "42501" => Fault::Denied,
        "53200" | "53300" | "53400" | "55P03" | "57014" => Fault::Busy,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Fault::Away,
        "XX001" | "XX002" => Fault::Damaged,
        state => match state.get(..2) {
            Some("08") => Fault::Away,
            Some("28") => Fault::Denied,
            Some("40") => Fault::Busy,
            Some("53") => Fault::Full,
            _ => Fault::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_answers_is_told_apart_by_what_helps() {
        for (number, fault) in [
            // A Galera node without a quorum.
            (1047, Fault::Away),
            (1053, Fault::Away),
            (1205, Fault::Busy),
            (1213, Fault::Busy),
            (1040, Fault::Busy),
            (1290, Fault::ReadOnly),
            (1792, Fault::ReadOnly),
            (1836, Fault::ReadOnly),
            (1193, Fault::Parameter),
            (1114, Fault::Full),
            (1064, Fault::Other),
        ] {
            assert_eq!(mysql_fault(number), fault, "{number}");
        }
        for (state, fault) in [
            ("57P01", Fault::Away),
            ("57P03", Fault::Away),
            ("08006", Fault::Away),
            ("55P03", Fault::Busy),
            ("40P01", Fault::Busy),
            ("53200", Fault::Busy),
            ("53300", Fault::Busy),
            ("25006", Fault::ReadOnly),
            ("42P05", Fault::Pooled),
            ("26000", Fault::Pooled),
            ("42704", Fault::Parameter),
            ("53100", Fault::Full),
            ("42601", Fault::Other),
        ] {
            assert_eq!(postgres_fault(state), fault, "{state}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_trusted_is_told_from_a_database_that_is_away() {
        let handshake = |text: &str| {
            let error = io::Error::new(io::ErrorKind::InvalidData, text);
            fault(&sqlx::Error::Io(error))
        };
        let unknown = "invalid peer certificate: UnknownIssuer";
        assert_eq!(handshake(unknown), Fault::Untrusted);
        let named = "invalid peer certificate: NotValidForName";
        assert_eq!(handshake(named), Fault::Encryption);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(fault(&sqlx::Error::Io(refused)), Fault::Away);
    }
}
