//! The embedded database: one file, or memory.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    Sqlite,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{
    DatabaseError, Pool, PoolLimits,
    error::{Fault, fault},
    pool::{Reach, Source},
};

/// Opens or makes the database at `url` with the default [`PoolLimits`], for tests and benchmarks;
/// see [`SqliteUrl`].
pub async fn connect_sqlite(url: &str) -> Result<Pool<Sqlite>, DatabaseError> {
    SqliteUrl::parse(url)?
        .connect(PoolLimits::default(), OpenMode::MayCreate)
        .await
}

/// Whether the file of an embedded database may be made, if it is not there.
///
/// Every caller has to decide: a command that only reads would otherwise take a mistyped path for
/// an empty database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It is an error if there is no file.
    MustExist,
    /// A missing file is made.
    MayCreate,
}

/// Where an embedded database is: a file, or the memory of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteUrl(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Memory,
    File(PathBuf),
}

impl SqliteUrl {
    /// A database that lives as long as its pool.
    pub const MEMORY: Self = Self(Place::Memory);

    /// Understands a plain path, `sqlite:PATH`, `sqlite://PATH`, `file:PATH` (all but the plain
    /// path with `%XX`), `memory` and `:memory:`. Of the parameters that other programs put
    /// behind a `?`, only `mode=memory` has a meaning; how the file is opened is not left to them.
    pub fn parse(url: &str) -> Result<Self, DatabaseError> {
        let scheme = ["sqlite://", "sqlite:", "file://", "file:"]
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        let (path, parameters) = match scheme {
            Some(rest) => {
                let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
                (decode(path)?, parameters)
            }
            None if url.contains("://") => {
                return Err(DatabaseError::Url(
                    "it names another kind of database".to_owned(),
                ));
            }
            // Its path, which is a password in part, would be in every message, and a file of that
            // name be made.
            None if is_of_a_server(url) => {
                return Err(DatabaseError::Url(
                    "it looks like the URL of a server; a path like that is written `file:PATH`"
                        .to_owned(),
                ));
            }
            None => (url.to_owned(), ""),
        };
        let in_memory = parameters
            .split('&')
            .any(|parameter| parameter == "mode=memory");
        match path.as_str() {
            _ if in_memory => Ok(Self::MEMORY),
            "memory" | ":memory:" => Ok(Self::MEMORY),
            "" => Err(DatabaseError::Url("it names no file".to_owned())),
            path if path.contains('\0') => Err(DatabaseError::Url("it holds a NUL".to_owned())),
            path => Ok(Self(Place::File(PathBuf::from(path)))),
        }
    }

    /// The file, unless the database is in memory.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::Memory => None,
            Place::File(file) => Some(file),
        }
    }

    /// The same database, its file named from `folder` if its path is relative.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self.0 {
            Place::Memory => self,
            Place::File(file) => Self(Place::File(folder.join(file))),
        }
    }

    /// Opens the database. If `mode` allows it, a missing file is made, readable by its owner
    /// alone.
    ///
    /// In memory there is one connection that never closes, since the data would go with it.
    ///
    /// # Errors
    ///
    /// In a sentence that names the place and the kind of failure.
    pub async fn connect(
        &self,
        limits: PoolLimits,
        mode: OpenMode,
    ) -> Result<Pool<Sqlite>, DatabaseError> {
        let pool = match &self.0 {
            Place::Memory => memory_pool(limits).await,
            Place::File(file) => {
                match mode {
                    OpenMode::MayCreate => create(file)?,
                    OpenMode::MustExist => find(file)?,
                }
                file_pool(file, limits).await
            }
        };
        pool.map_err(|error| self.explain(error))
    }

    /// `error` as a sentence that names this database.
    #[must_use]
    pub fn explain(&self, error: sqlx::Error) -> DatabaseError {
        DatabaseError::Failed {
            place: self.to_string(),
            fault: fault(&error),
            error,
        }
    }
}

/// Whether `path` may be a DSN of Go's `MySQL` driver, words of libpq, or what is left of them.
fn is_of_a_server(path: &str) -> bool {
    let has_user = path.contains(':') && (path.contains('@') || !path.starts_with(['/', '.', ':']));
    has_user || path.to_ascii_lowercase().contains("password=")
}

impl std::fmt::Display for SqliteUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Place::Memory => formatter.write_str("in memory"),
            Place::File(file) => file.display().fmt(formatter),
        }
    }
}

/// Opens a file, once more if need be: while another program makes a new file a WAL database,
/// `SQLite` answers that it is busy without waiting, whatever the busy timeout says.
async fn file_pool(file: &Path, limits: PoolLimits) -> Result<Pool<Sqlite>, sqlx::Error> {
    const PAUSE: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        match try_file_pool(file, limits).await {
            Err(error) if fault(&error) == Fault::Busy && start.elapsed() < limits.wait => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn try_file_pool(file: &Path, limits: PoolLimits) -> Result<Pool<Sqlite>, sqlx::Error> {
    let source = Source {
        place: file.display().to_string(),
        options: file_options(file, limits),
        reach: Reach::File,
        // Opening reads nothing: only a statement finds out that the file is something else.
        session: Some("SELECT COUNT(*) FROM sqlite_schema".to_owned()),
        local: None,
    };
    let pool = Pool::new(source, limits);
    pool.try_out().await?;
    Ok(pool)
}

async fn memory_pool(limits: PoolLimits) -> Result<Pool<Sqlite>, sqlx::Error> {
    let source = Source {
        place: "in memory".to_owned(),
        options: SqliteConnectOptions::new()
            .in_memory(true)
            .foreign_keys(true),
        reach: Reach::Memory,
        session: None,
        local: None,
    };
    let pool = Pool::new(source, limits);
    pool.try_out().await?;
    Ok(pool)
}

/// How a file is opened: readers do not wait for the writer (WAL), and a commit that returned
/// survives a loss of power (FULL; WAL's usual NORMAL may forget the last commits). What a
/// statement may have to take back stays in memory: a file for that would be made and removed with
/// each publish.
fn file_options(file: &Path, limits: PoolLimits) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        // The file is there by now; one that vanished since must not come back empty.
        .create_if_missing(false)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("temp_store", "MEMORY")
        .busy_timeout(limits.wait)
}

/// Makes sure that there is a file: `SQLite` would make one, and everything would look empty.
fn find(file: &Path) -> Result<(), DatabaseError> {
    // What cannot be looked at is left to SQLite, which says why.
    match file.try_exists() {
        Ok(false) => Err(DatabaseError::NotThere { file: file.into() }),
        _ => Ok(()),
    }
}

/// Makes an empty file for the database before `SQLite` does, which would let everybody read it.
/// Its companions (`-wal`, `-shm`) take over the rights of this one.
fn create(file: &Path) -> Result<(), DatabaseError> {
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        && !folder.exists()
    {
        return Err(DatabaseError::NoFolder {
            file: file.into(),
            folder: folder.into(),
        });
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
    {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(DatabaseError::NotCreated {
            file: file.into(),
            error,
        }),
        _ => Ok(()),
    }
}

/// Undoes `%XX` in the path of a URL.
fn decode(text: &str) -> Result<String, DatabaseError> {
    crate::url::decode(text).map_err(|problem| DatabaseError::Url(problem.to_owned()))
}
