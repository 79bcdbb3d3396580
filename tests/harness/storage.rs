//! Databases as operators of Notary have them: the schema of Notary's own migrations, and a user
//! for each program who may read and change rows and do nothing else.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, bail};

use crate::database::{Fresh, MariaDb, PASSWORD, Postgres, USER};

/// What a scenario's programs keep their rows in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// What each make of programs brings along: `SQLite` for ours, memory for Go's.
    Own,
    /// A PostgreSQL of the scenario's own.
    Postgres,
    /// A MariaDB of the scenario's own, which stands for MySQL too.
    MariaDb,
}

/// Which of the two programs a database belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// `notary-server`, with the trust data and the changefeed.
    Server,
    /// `notary-signer`, with the keys.
    Signer,
}

impl Owner {
    /// The database user of this program.
    fn user(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Signer => "signer",
        }
    }
}

/// One database server with the databases of both programs.
#[derive(Debug)]
pub struct Database {
    server: Fresh,
    signer: Fresh,
    kind: Kind,
    instance: Arc<Mutex<Instance>>,
}

/// The database servers that Debian has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Postgres,
    MariaDb,
}

#[derive(Debug)]
enum Instance {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Database {
    /// Starts a server for `backend` with both databases, empty but for Notary's tables; nothing
    /// for [`Backend::Own`].
    ///
    /// # Errors
    ///
    /// If the server is not installed or does not come up.
    pub fn start(backend: Backend) -> Result<Option<Self>> {
        let (kind, instance) = match backend {
            Backend::Own => return Ok(None),
            Backend::Postgres => (Kind::Postgres, Instance::Postgres(Postgres::start()?)),
            Backend::MariaDb => (Kind::MariaDb, Instance::MariaDb(MariaDb::start()?)),
        };
        Self::create(kind, Arc::new(Mutex::new(instance))).map(Some)
    }

    /// Databases for two more programs on the same server, empty but for Notary's tables.
    ///
    /// # Errors
    ///
    /// If the server is down.
    pub fn beside(&self) -> Result<Self> {
        Self::create(self.kind, Arc::clone(&self.instance))
    }

    fn create(kind: Kind, instance: Arc<Mutex<Instance>>) -> Result<Self> {
        let (server, signer) = {
            let instance = lock(&instance);
            (instance.create()?, instance.create()?)
        };
        let database = Self {
            server,
            signer,
            kind,
            instance,
        };
        for owner in [Owner::Server, Owner::Signer] {
            database.administer(owner, database.schema(owner))?;
            database.administer(owner, &database.grants(owner))?;
        }
        Ok(database)
    }

    /// `storage.backend` for this database.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.server.backend
    }

    /// `storage.db_url` for a program, in the form that Notary's drivers read.
    #[must_use]
    pub fn url(&self, owner: Owner) -> String {
        // The user stands before everything else that could be spelled alike.
        self.of(owner).url.replacen(USER, owner.user(), 1)
    }

    /// As [`Database::url`], for a user who may alter the tables too.
    #[must_use]
    pub fn administrators_url(&self, owner: Owner) -> String {
        let user = match self.kind {
            Kind::Postgres => "postgres",
            Kind::MariaDb => USER,
        };
        self.of(owner).url.replacen(USER, user, 1)
    }

    /// Runs statements as the administrator and answers the rows they select, a line each, their
    /// columns separated by tabs.
    ///
    /// # Errors
    ///
    /// If one of them fails.
    pub fn administer(&self, owner: Owner, statements: &str) -> Result<String> {
        self.instance().sql(&self.of(owner).name, statements)
    }

    /// Gives the program its rights on tables that were made meanwhile.
    ///
    /// # Errors
    ///
    /// If the database refuses.
    pub fn grant(&self, owner: Owner) -> Result<()> {
        self.administer(owner, &self.grants(owner)).map(drop)
    }

    /// How `column`, which holds bytes, is written as hexadecimal digits.
    #[must_use]
    pub fn hex(&self, column: &str) -> String {
        match self.kind {
            Kind::Postgres => format!("encode({column}, 'hex')"),
            Kind::MariaDb => format!("LOWER(HEX({column}))"),
        }
    }

    /// Bytes as a literal of this database.
    #[must_use]
    pub fn literal(&self, bytes: &[u8]) -> String {
        let hex = hex::encode(bytes);
        match self.kind {
            Kind::Postgres => format!("'\\x{hex}'::bytea"),
            Kind::MariaDb => format!("X'{hex}'"),
        }
    }

    /// Where the database server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        match &*self.instance() {
            Instance::Postgres(postgres) => postgres.address(),
            Instance::MariaDb(mariadb) => mariadb.address(),
        }
    }

    /// The number of the server's main process, whose children may work for it.
    ///
    /// # Errors
    ///
    /// If it is not running.
    pub fn process(&self) -> Result<u32> {
        match &*self.instance() {
            Instance::Postgres(postgres) => postgres.process(),
            Instance::MariaDb(mariadb) => mariadb.process(),
        }
    }

    /// Starts the database server again with more `options`.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn restart_with(&self, options: Vec<String>) -> Result<()> {
        match &mut *self.instance() {
            Instance::Postgres(postgres) => postgres.restart_with(options),
            Instance::MariaDb(mariadb) => mariadb.restart_with(options),
        }
    }

    /// Starts a standby that confirms every commit.
    ///
    /// # Errors
    ///
    /// If it does not come up, or this is no `PostgreSQL`.
    pub fn start_standby(&self) -> Result<Postgres> {
        match &*self.instance() {
            Instance::Postgres(postgres) => postgres.start_standby(),
            Instance::MariaDb(_) => bail!("only PostgreSQL has standbys here"),
        }
    }

    /// What transactions are open that no statement works for, a line each.
    ///
    /// # Errors
    ///
    /// If the database server is down.
    pub fn open_transactions(&self) -> Result<String> {
        self.administer(
            Owner::Server,
            match self.kind {
                Kind::Postgres => {
                    "SELECT usename, state, query FROM pg_stat_activity \
                     WHERE state LIKE 'idle in transaction%'"
                }
                Kind::MariaDb => {
                    "SELECT trx_id, trx_started, trx_rows_locked \
                     FROM information_schema.innodb_trx WHERE trx_query IS NULL"
                }
            },
        )
    }

    /// Takes all rights but reading from the user of a program.
    ///
    /// # Errors
    ///
    /// If the database server is down.
    pub fn leave_only_reading(&self, owner: Owner) -> Result<()> {
        let (user, name) = (owner.user(), &self.of(owner).name);
        let revoke = match self.kind {
            Kind::Postgres => {
                format!("REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM {user};")
            }
            Kind::MariaDb => {
                format!("REVOKE INSERT, UPDATE, DELETE ON {name}.* FROM '{user}'@'127.0.0.1';")
            }
        };
        self.administer(owner, &revoke).map(drop)
    }

    /// Kills the database server, as a power cut would.
    ///
    /// # Errors
    ///
    /// If it had ended by itself.
    pub fn kill(&self) -> Result<()> {
        match &mut *self.instance() {
            Instance::Postgres(postgres) => postgres.stop(true),
            Instance::MariaDb(mariadb) => mariadb.stop(true),
        }
    }

    /// Starts the database server on what it left.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(&self) -> Result<()> {
        match &mut *self.instance() {
            Instance::Postgres(postgres) => postgres.resume(),
            Instance::MariaDb(mariadb) => mariadb.resume(),
        }
    }

    fn instance(&self) -> MutexGuard<'_, Instance> {
        lock(&self.instance)
    }

    fn of(&self, owner: Owner) -> &Fresh {
        match owner {
            Owner::Server => &self.server,
            Owner::Signer => &self.signer,
        }
    }

    fn schema(&self, owner: Owner) -> &'static str {
        match (self.kind, owner) {
            (Kind::Postgres, Owner::Server) => include_str!("schema/postgres/server.sql"),
            (Kind::Postgres, Owner::Signer) => include_str!("schema/postgres/signer.sql"),
            (Kind::MariaDb, Owner::Server) => include_str!("schema/mysql/server.sql"),
            (Kind::MariaDb, Owner::Signer) => include_str!("schema/mysql/signer.sql"),
        }
    }

    /// Statements that make the program's user, with the rights that Notary's documentation asks
    /// for.
    fn grants(&self, owner: Owner) -> String {
        const RIGHTS: &str = "SELECT, INSERT, UPDATE, DELETE";
        let (user, name) = (owner.user(), &self.of(owner).name);
        match self.kind {
            Kind::Postgres => format!(
                "DO $$ BEGIN CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}';
                 EXCEPTION WHEN duplicate_object THEN NULL; END $$;
                 GRANT {RIGHTS} ON ALL TABLES IN SCHEMA public TO {user};
                 GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user};"
            ),
            Kind::MariaDb => format!(
                "CREATE USER IF NOT EXISTS '{user}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
                 GRANT {RIGHTS} ON {name}.* TO '{user}'@'127.0.0.1';"
            ),
        }
    }
}

fn lock(instance: &Mutex<Instance>) -> MutexGuard<'_, Instance> {
    instance.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Instance {
    fn create(&self) -> Result<Fresh> {
        match self {
            Self::Postgres(postgres) => postgres.create(),
            Self::MariaDb(mariadb) => mariadb.create(),
        }
    }

    fn sql(&self, database: &str, statements: &str) -> Result<String> {
        match self {
            Self::Postgres(postgres) => postgres.sql(database, statements),
            Self::MariaDb(mariadb) => mariadb.sql(database, statements),
        }
    }
}
