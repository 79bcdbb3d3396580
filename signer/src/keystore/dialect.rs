//! What the databases do not agree on where keys are concerned, beyond [`Dialect`].

use std::future::Future;

use database::{Dialect, Transaction};
use ring::digest::{SHA256, digest};
use sqlx::{AssertSqlSafe, MySql, Postgres, Sqlite, query, query_scalar};

use super::{Purpose, algorithm_name};

/// How long a signer waits for a lock: longer than another needs to make a key.
const PATIENCE_SECONDS: u8 = 10;

/// A database that keeps keys.
///
/// A purpose must not get two pending keys, or the callers that asked for them would put different
/// keys into their roots; nor may an alias get first keys under two passphrases. No unique key of
/// Notary's table sees to that, so signers take a lock of the database.
pub trait KeyDialect: Dialect {
    /// Begins a transaction in which every statement sees what was committed before it.
    const BEGIN_LOCKED: &'static str;

    /// Takes `locks` in their order, each once no other signer has it, until the transaction ends.
    /// Comes first in a transaction that [`BEGIN_LOCKED`](Self::BEGIN_LOCKED) began. A transaction
    /// that needs two takes that for the purpose first.
    fn lock(
        transaction: &mut Transaction<Self>,
        locks: &[Lock],
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl KeyDialect for Sqlite {
    /// Takes the lock of all writers.
    const BEGIN_LOCKED: &'static str = Self::BEGIN;

    /// The transaction has the lock of all writers already.
    async fn lock(_: &mut Transaction<Self>, _: &[Lock]) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

impl KeyDialect for Postgres {
    /// Not a stricter level: its snapshot would be older than the lock. The time is that of
    /// `PATIENCE_SECONDS`, and also bounds the wait for a row.
    const BEGIN_LOCKED: &'static str =
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '10s'";

    /// An advisory lock: unlike one on rows it exists before there is a key, and needs no rights.
    async fn lock(transaction: &mut Transaction<Self>, locks: &[Lock]) -> Result<(), sqlx::Error> {
        let calls: Vec<_> = (1..=locks.len())
            .map(|number| format!("pg_advisory_xact_lock(${number})"))
            .collect();
        let mut query = query(AssertSqlSafe(format!("SELECT {}", calls.join(", "))));
        for lock in locks {
            let [number, ..] = lock.0.map(u64::from_be_bytes);
            query = query.bind(number.cast_signed());
        }
        query.execute(transaction.executor()).await?;
        Ok(())
    }
}

impl KeyDialect for MySql {
    /// The snapshot is taken by the first statement that reads a table, hence after the lock.
    const BEGIN_LOCKED: &'static str = "START TRANSACTION";

    /// Names of locks are those of the whole server: the database is part of this one, and the
    /// hash keeps it within 64 characters. On a Galera cluster such locks hold within one node.
    ///
    /// A lock of `GET_LOCK` survives transactions, and other locks of its connection (MySQL 5.7,
    /// MariaDB 10.0), so it is released behind the COMMIT or ROLLBACK; a connection that is closed
    /// instead releases it as well.
    async fn lock(transaction: &mut Transaction<Self>, locks: &[Lock]) -> Result<(), sqlx::Error> {
        let names: Vec<_> = locks
            .iter()
            .map(|lock| hex::encode(lock.0.concat()))
            .collect();
        let call = |function: &str, name: &str, rest: &str| {
            format!("{function}(SHA1(CONCAT('notary-signer ', DATABASE(), {name})){rest})")
        };
        let releases = names
            .iter()
            .map(|name| call("RELEASE_LOCK", &format!("'{name}'"), ""));
        let releases = releases.collect::<Vec<_>>().join(", ");
        transaction.run_at_end(&format!("DO {releases}"));
        let taking = call("GET_LOCK", "?", &format!(", {PATIENCE_SECONDS}"));
        let taking = vec![taking; locks.len()].join(" = 1 AND ");
        let mut query = query_scalar(AssertSqlSafe(format!("SELECT {taking} = 1")));
        for name in names {
            query = query.bind(name);
        }
        let taken: Option<i64> = query.fetch_one(transaction.executor()).await?;
        match taken {
            Some(1) => Ok(()),
            _ => Err(sqlx::Error::PoolTimedOut),
        }
    }
}

/// What one signer does at a time: the hash of its name, in words.
pub struct Lock([[u8; 8]; 4]);

impl Lock {
    /// Making a key for `purpose`.
    #[must_use]
    pub fn for_purpose(purpose: &Purpose) -> Self {
        Self::from_name(&[
            algorithm_name(purpose.algorithm),
            &purpose.role,
            &purpose.gun,
        ])
    }

    /// Putting the first key under `alias`.
    #[must_use]
    pub fn for_alias(alias: &str) -> Self {
        Self::from_name(&["alias", alias])
    }

    /// Lengths keep the parts of a name apart.
    fn from_name(parts: &[&str]) -> Self {
        let mut text = Vec::new();
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash = digest(&SHA256, &text);
        let (words, _) = hash.as_ref().as_chunks();
        Self(words.try_into().expect("SHA-256 has 32 bytes"))
    }
}
