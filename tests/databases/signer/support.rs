//! A database server for one test, and signers' stores on it.

use std::{ffi::OsString, sync::Arc, time::Duration};

use anyhow::Result;
use database::{Backend, DatabaseUrl, PoolLimits};
use harness::database::{Fresh, MariaDb, PASSWORD, Postgres, USER};
use signer::{
    config::Storage,
    custody::{
        encrypted::{EncryptedRows, envelope::DEFAULT_ROUNDS, passphrases::Passphrases},
        registry::Custodies,
    },
    keys::{Keys, cache::CacheLimits},
    keystore::KeyStore,
    open,
};
use time::{OffsetDateTime, macros::datetime};

/// The alias of new keys.
pub(crate) const ALIAS: &str = "first";
/// The variable of its passphrase, and the passphrase.
pub(crate) const PASSPHRASE: (&str, &str) = ("NOTARY_SIGNER_FIRST", "a passphrase for tests");

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

/// The time at which tests take place.
pub(crate) fn noon() -> OffsetDateTime {
    datetime!(2026-11-22 12:00 UTC)
}

/// A server of either kind.
pub(crate) enum Server {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Server {
    pub(crate) fn postgres() -> Result<Self> {
        Ok(Self::Postgres(Postgres::start()?))
    }

    pub(crate) fn mariadb() -> Result<Self> {
        Ok(Self::MariaDb(MariaDb::start()?))
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
        let schema = match self {
            Self::Postgres(_) => {
                format!(
                    "SET ROLE {USER};{}",
                    include_str!("../../harness/schema/postgres/signer.sql")
                )
            }
            Self::MariaDb(_) => include_str!("../../harness/schema/mysql/signer.sql").to_owned(),
        };
        self.sql(&fresh, &schema)?;
        Ok(fresh)
    }

    /// Runs statements as the administrator; answers rows as lines.
    pub(crate) fn sql(&self, fresh: &Fresh, statements: &str) -> Result<String> {
        match self {
            Self::Postgres(server) => server.sql(&fresh.name, statements),
            Self::MariaDb(server) => server.sql(&fresh.name, statements),
        }
    }

    /// Bytes as a literal.
    pub(crate) fn literal(&self, bytes: &[u8]) -> String {
        let hex = hex::encode(bytes);
        match self {
            Self::Postgres(_) => format!("'\\x{hex}'::bytea"),
            Self::MariaDb(_) => format!("X'{hex}'"),
        }
    }

    /// The same database for a user who may read and change rows and nothing else.
    pub(crate) fn restricted(&self, fresh: &Fresh) -> Result<Fresh> {
        const RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE";
        let user = format!("rows_{}", fresh.name);
        let grants = match self {
            Self::Postgres(_) => format!(
                "CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}';
                 GRANT {RIGHTS} ON ALL TABLES IN SCHEMA public TO {user};
                 GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user};"
            ),
            Self::MariaDb(_) => format!(
                "CREATE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
                 GRANT {RIGHTS} ON {}.* TO '{user}'@'127.0.0.1';",
                fresh.name
            ),
        };
        self.sql(fresh, &grants)?;
        Ok(Fresh {
            url: fresh.url.replacen(USER, &user, 1),
            plain_url: fresh.plain_url.replacen(USER, &user, 1),
            ..fresh.clone()
        })
    }

    /// Ends the server as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.stop(true),
            Self::MariaDb(server) => server.stop(true),
        }
    }

    /// Starts it on what it left.
    pub(crate) fn resume(&mut self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.resume(),
            Self::MariaDb(server) => server.resume(),
        }
    }
}

/// The configuration of a signer on `fresh`, impatient so that outages are noticed soon.
pub(crate) fn storage(fresh: &Fresh) -> Storage {
    let backend = Backend::from_name(fresh.backend).expect("the harness has Notary's names");
    Storage::Database {
        url: DatabaseUrl::parse(backend, &fresh.url).expect("the harness makes good URLs"),
        limits: PoolLimits {
            connections: 8,
            wait: Duration::from_secs(3),
        },
        default_alias: ALIAS.to_owned(),
        passphrase_files: Vec::new(),
    }
}

/// A signer's store on `fresh`, with connections of its own.
pub(crate) async fn store(fresh: &Fresh) -> Result<Arc<dyn KeyStore>> {
    open::open_store(&storage(fresh), database::OpenMode::MayCreate).await
}

/// A signer's keys on `fresh`, with a cache of its own and these passphrases.
pub(crate) async fn keys(fresh: &Fresh, passphrases: &[(&str, &str)]) -> Result<Keys> {
    let environment = passphrases
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let passphrases = Passphrases::new(environment, []);
    let encrypted = EncryptedRows::new(passphrases, ALIAS.to_owned(), DEFAULT_ROUNDS);
    Ok(Keys::new(
        store(fresh).await?,
        Custodies::new(encrypted),
        CacheLimits::default(),
        noon,
    ))
}
