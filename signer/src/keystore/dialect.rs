//! What the databases do not agree on where keys are concerned, beyond [`Dialect`].

use std::future::Future;

use database::{Dialect, Transaction};
use ring::digest::{SHA256, digest};
use sqlx::{MySql, Postgres, Sqlite, query, query_scalar};

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

    /// Whether a lock ends with the connection instead of with the transaction.
    const LOCK_OUTLIVES_TRANSACTION: bool = false;

    /// Takes `lock`, once no other signer has it. Comes first in a transaction that
    /// [`BEGIN_LOCKED`](Self::BEGIN_LOCKED) began. A transaction that needs two takes that for the
    /// purpose first.
    fn lock(
        transaction: &mut Transaction<Self>,
        lock: &Lock,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl KeyDialect for Sqlite {
    /// Takes the lock of all writers.
    const BEGIN_LOCKED: &'static str = Self::BEGIN;

    /// The transaction has the lock of all writers already.
    async fn lock(_: &mut Transaction<Self>, _: &Lock) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

impl KeyDialect for Postgres {
    /// Not a stricter level: its snapshot would be older than the lock.
    const BEGIN_LOCKED: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    /// An advisory lock: unlike one on rows it exists before there is a key, and needs no rights.
    async fn lock(transaction: &mut Transaction<Self>, lock: &Lock) -> Result<(), sqlx::Error> {
        query("SELECT set_config('lock_timeout', $1, true)")
            .bind(format!("{PATIENCE_SECONDS}s"))
            .execute(transaction.executor())
            .await?;
        let [number, ..] = lock.0.map(u64::from_be_bytes);
        query("SELECT pg_advisory_xact_lock($1)")
            .bind(number.cast_signed())
            .execute(transaction.executor())
            .await?;
        Ok(())
    }
}

impl KeyDialect for MySql {
    /// The snapshot is taken by the first statement that reads a table, hence after the lock.
    const BEGIN_LOCKED: &'static str = "START TRANSACTION";

    /// A lock of `GET_LOCK` survives transactions, and other locks of its connection (MySQL 5.7,
    /// MariaDB 10.0).
    const LOCK_OUTLIVES_TRANSACTION: bool = true;

    /// Names of locks are those of the whole server: the database is part of this one, and the
    /// hash keeps it within 64 characters. On a Galera cluster such locks hold within one node.
    async fn lock(transaction: &mut Transaction<Self>, lock: &Lock) -> Result<(), sqlx::Error> {
        let name = hex::encode(lock.0.concat());
        let taken: Option<i64> =
            query_scalar("SELECT GET_LOCK(SHA1(CONCAT('notary-signer ', DATABASE(), ?)), ?)")
                .bind(name)
                .bind(PATIENCE_SECONDS)
                .fetch_one(transaction.executor())
                .await?;
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
