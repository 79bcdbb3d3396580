//! Databases of either kind, and stores on them.

use std::sync::Arc;

use anyhow::Result;
use database::{Backend, Connected, DatabaseUrl, PoolLimits};
use harness::{Fresh, MariaDb, Postgres};
use trust::store::{self, Storage, TrustStore};

/// A server of either kind.
pub(crate) enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

/// Makes a test of each function on each database.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() -> anyhow::Result<()> {
                    super::$test($crate::support::Server::postgres()?).await
                }
            )*
        }
        mod mariadb {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() -> anyhow::Result<()> {
                    super::$test($crate::support::Server::mariadb()?).await
                }
            )*
        }
    };
}
pub(crate) use on_both;

impl Server {
    pub(crate) fn postgres() -> Result<Self> {
        Ok(Self::Postgres(Postgres::start()?))
    }

    pub(crate) fn mariadb() -> Result<Self> {
        Ok(Self::MariaDb(MariaDb::start()?))
    }

    /// One of two texts.
    pub(crate) fn pick<T>(&self, postgres: T, mariadb: T) -> T {
        match self {
            Self::Postgres(_) => postgres,
            Self::MariaDb(_) => mariadb,
        }
    }

    /// An empty database.
    pub(crate) fn empty(&self) -> Result<Fresh> {
        match self {
            Self::Postgres(server) => server.create(),
            Self::MariaDb(server) => server.create(),
        }
    }

    /// A database as Notary's migrations leave it, made by the user who also uses it.
    pub(crate) fn notarys(&self) -> Result<Fresh> {
        let fresh = self.empty()?;
        let schema = self.pick(
            include_str!("../../harness/schema/postgres/server.sql"),
            include_str!("../../harness/schema/mysql/server.sql"),
        );
        self.run(&fresh, schema)?;
        Ok(fresh)
    }

    /// Runs statements in a database; on `PostgreSQL`, as its owner.
    pub(crate) fn run(&self, fresh: &Fresh, statements: &str) -> Result<String> {
        match self {
            Self::Postgres(server) => server.sql(
                &fresh.name,
                &format!("SET ROLE {};\n{statements}", harness::database::USER),
            ),
            Self::MariaDb(server) => server.sql(&fresh.name, statements),
        }
    }

    /// Runs statements with all rights.
    pub(crate) fn rule(&self, fresh: &Fresh, statements: &str) -> Result<String> {
        match self {
            Self::Postgres(server) => server.sql(&fresh.name, statements),
            Self::MariaDb(server) => server.sql(&fresh.name, statements),
        }
    }

    pub(crate) fn stop(&mut self, at_once: bool) -> Result<()> {
        match self {
            Self::Postgres(server) => server.stop(at_once),
            Self::MariaDb(server) => server.stop(at_once),
        }
    }

    /// Starts it again with its data on a disk that can be filled.
    pub(crate) fn move_to_small_disk(&mut self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.move_to_small_disk("data"),
            Self::MariaDb(server) => server.move_to_small_disk(),
        }
    }

    pub(crate) fn fill_disk(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.fill_disk(),
            Self::MariaDb(server) => server.fill_disk(),
        }
    }

    pub(crate) fn make_room(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.make_room(),
            Self::MariaDb(server) => server.make_room(),
        }
    }

    pub(crate) fn resume(&mut self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.resume(),
            Self::MariaDb(server) => server.resume(),
        }
    }
}

/// What the configuration would say of `fresh`.
pub(crate) fn storage(fresh: &Fresh) -> Storage {
    let backend = Backend::from_name(fresh.backend).expect("the harness names it as Notary does");
    Storage {
        url: DatabaseUrl::parse(backend, &fresh.url).expect("the harness writes it as Notary does"),
        limits: PoolLimits::default(),
    }
}

pub(crate) async fn connect(fresh: &Fresh) -> Result<Connected> {
    Ok(store::connect(&storage(fresh), database::OpenMode::MayCreate).await?)
}

pub(crate) async fn open(fresh: &Fresh) -> Result<Arc<dyn TrustStore>> {
    Ok(store::open(&storage(fresh), database::OpenMode::MayCreate).await?)
}
