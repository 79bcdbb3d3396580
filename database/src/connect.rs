//! From `storage.backend` and `storage.db_url` to a pool.

use std::path::Path;

use sqlx::{MySql, Postgres, Sqlite};

use crate::{
    DatabaseError, Dialect, OpenMode, Pool, PoolLimits, SqliteUrl,
    error::fault,
    url::{MySqlUrl, NamedFile, PostgresUrl},
};

/// The kinds of databases, by what `storage.backend` calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `sqlite3`: a file.
    Sqlite,
    /// `memory`: the memory of this process.
    Memory,
    /// `postgres`: `PostgreSQL`.
    Postgres,
    /// `mysql`: `MySQL` or `MariaDB`.
    MySql,
}

impl Backend {
    /// The backend that Notary's configuration calls `name`, in just these letters; `mariadb` is
    /// the same as `mysql`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "mariadb" {
            return Some(Self::MySql);
        }
        [Self::Sqlite, Self::Memory, Self::Postgres, Self::MySql]
            .into_iter()
            .find(|backend| backend.name() == name)
    }

    /// What Notary's configuration calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite3",
            Self::Memory => "memory",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
        }
    }

    /// Whether the database lives inside the program, which then keeps its schema up to date
    /// itself.
    #[must_use]
    pub fn is_embedded(self) -> bool {
        matches!(self, Self::Sqlite | Self::Memory)
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A pool of connections to one of the databases.
#[derive(Clone, Debug)]
pub enum Connected {
    /// To a file, or to memory.
    Sqlite(Pool<Sqlite>),
    /// To `PostgreSQL`.
    Postgres(Pool<Postgres>),
    /// To `MySQL` or `MariaDB`.
    MySql(Pool<MySql>),
}

/// Evaluates `$use` with `$pool` as the pool of a [`Connected`], whichever it is: the expression is
/// compiled once for each database.
///
/// ```ignore
/// let store: Arc<dyn TrustStore> = with_pool!(connected, pool => Arc::new(SqlStore::new(pool)));
/// ```
#[macro_export]
macro_rules! with_pool {
    ($connected:expr, $pool:ident => $use:expr) => {
        match $connected {
            $crate::Connected::Sqlite($pool) => $use,
            $crate::Connected::Postgres($pool) => $use,
            $crate::Connected::MySql($pool) => $use,
        }
    };
}

impl Connected {
    /// Closes all connections; of an embedded database, one file is left that holds everything.
    pub async fn close(&self) {
        with_pool!(self, pool => pool.close().await);
    }
}

/// Where a database is, in any of the forms that are understood.
///
/// Shown, it names the place without credentials.
#[derive(Clone, Debug)]
pub struct DatabaseUrl(Place);

#[derive(Clone, Debug)]
enum Place {
    Sqlite(SqliteUrl),
    Postgres(Box<PostgresUrl>),
    MySql(Box<MySqlUrl>),
}

impl DatabaseUrl {
    /// The memory of this process.
    pub const MEMORY: Self = Self(Place::Sqlite(SqliteUrl::MEMORY));

    /// Understands `url` as `backend` reads it; for [`Backend::Memory`] it is without meaning.
    ///
    /// # Errors
    ///
    /// What is wrong with it, never with its password.
    pub fn parse(backend: Backend, url: &str) -> Result<Self, DatabaseError> {
        Ok(Self(match backend {
            Backend::Memory => Place::Sqlite(SqliteUrl::MEMORY),
            Backend::Sqlite => Place::Sqlite(SqliteUrl::parse(url)?),
            Backend::Postgres => Place::Postgres(Box::new(PostgresUrl::parse(url)?)),
            Backend::MySql => Place::MySql(Box::new(MySqlUrl::parse(url)?)),
        }))
    }

    /// The kind of database.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match &self.0 {
            Place::Sqlite(url) if url.file().is_none() => Backend::Memory,
            Place::Sqlite(_) => Backend::Sqlite,
            Place::Postgres(_) => Backend::Postgres,
            Place::MySql(_) => Backend::MySql,
        }
    }

    /// The same database; the relative path of an embedded one is taken from `folder`, that of the
    /// configuration file, as all relative paths are.
    ///
    /// # Errors
    ///
    /// If there is no such file there, but one in the working directory: a new, empty database in
    /// one place must not hide the one in the other.
    pub fn within(self, folder: &Path) -> Result<Self, DatabaseError> {
        let Place::Sqlite(url) = self.0 else {
            return Ok(self);
        };
        let here = url.file().map(Path::to_owned);
        let there = url.within(folder);
        match (here, there.file()) {
            (Some(here), Some(file)) if !file.exists() && here.exists() => {
                Err(DatabaseError::Elsewhere {
                    file: file.to_owned(),
                    here: std::path::absolute(&here).unwrap_or(here),
                })
            }
            _ => Ok(Self(Place::Sqlite(there))),
        }
    }

    /// The file of an embedded database.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(url) => url.file(),
            Place::Postgres(_) | Place::MySql(_) => None,
        }
    }

    /// Opens the database; of one across a network, a first connection is made, so that whatever is
    /// wrong is known now. `mode` is about the file of an embedded one.
    ///
    /// # Errors
    ///
    /// In a sentence that names the place and the kind of failure.
    pub async fn connect(
        &self,
        limits: PoolLimits,
        mode: OpenMode,
    ) -> Result<Connected, DatabaseError> {
        let files = match &self.0 {
            Place::Sqlite(_) => &[],
            Place::Postgres(url) => url.files(),
            Place::MySql(url) => url.files(),
        };
        files.iter().try_for_each(NamedFile::check)?;
        Ok(match &self.0 {
            Place::Sqlite(url) => Connected::Sqlite(url.connect(limits, mode).await?),
            Place::Postgres(url) => Connected::Postgres(self.try_out(url.pool(limits)).await?),
            Place::MySql(url) => Connected::MySql(self.try_out(url.pool(limits)).await?),
        })
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

    async fn try_out<DB: Dialect>(&self, pool: Pool<DB>) -> Result<Pool<DB>, DatabaseError> {
        let outcome = pool.try_out().await;
        outcome.map_err(|error| self.explain(error))?;
        Ok(pool)
    }
}

impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Place::Sqlite(url) => url.fmt(formatter),
            Place::Postgres(url) => url.fmt(formatter),
            Place::MySql(url) => url.fmt(formatter),
        }
    }
}

/// Opens the database at `url` with a pool of at most as many connections as `limits` say.
///
/// # Errors
///
/// See [`DatabaseUrl::parse`] and [`DatabaseUrl::connect`].
pub async fn connect(
    backend: Backend,
    url: &str,
    limits: PoolLimits,
    mode: OpenMode,
) -> Result<Connected, DatabaseError> {
    DatabaseUrl::parse(backend, url)?
        .connect(limits, mode)
        .await
}
