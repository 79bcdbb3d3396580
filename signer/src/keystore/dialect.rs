//! What the databases do not agree on where keys are concerned, beyond [`Dialect`].

use std::future::Future;

use database::{Dialect, Transaction};
use ring::digest::{SHA256, digest};
use sqlx::{MySql, Postgres, Sqlite, query, query_scalar};

use super::{Purpose, algorithm_name};

/// How long a signer waits for its turn at a purpose: longer than another needs to make a key.
const PATIENCE_SECONDS: u8 = 10;

/// A database that keeps keys.
///
/// A purpose must not get two pending keys, or the callers that asked for them would put
/// different keys into their roots; nor an alias first keys under two passphrases. No unique key of Notary's
/// table says so: signers take turns.
pub trait KeyDialect: Dialect {
    /// Begins a transaction in which every statement sees what was committed before it.
    const BEGIN_TURN: &'static str;

    /// Whether a turn ends with the connection instead of with the transaction.
    const TURN_IS_THE_CONNECTIONS: bool = false;

    /// Waits until no other signer has this `turn`, and keeps others waiting. Comes first in a
    /// transaction that [`BEGIN_TURN`](Self::BEGIN_TURN) began. Who takes two takes that at a purpose first.
    fn take_turn(
        transaction: &mut Transaction<Self>,
        turn: &Turn,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl KeyDialect for Sqlite {
    /// Takes the lock of all writers.
    const BEGIN_TURN: &'static str = Self::BEGIN;

    /// The turn was taken with the lock.
    async fn take_turn(_: &mut Transaction<Self>, _: &Turn) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

impl KeyDialect for Postgres {
    /// Not a stricter level: its snapshot would be older than the turn.
    const BEGIN_TURN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    /// An advisory lock: unlike one on rows it exists before there is a key, and needs no rights.
    async fn take_turn(
        transaction: &mut Transaction<Self>,
        turn: &Turn,
    ) -> Result<(), sqlx::Error> {
        query("SELECT set_config('lock_timeout', $1, true)")
            .bind(format!("{PATIENCE_SECONDS}s"))
            .execute(transaction.executor())
            .await?;
        let [number, ..] = turn.0.map(u64::from_be_bytes);
        query("SELECT pg_advisory_xact_lock($1)")
            .bind(number.cast_signed())
            .execute(transaction.executor())
            .await?;
        Ok(())
    }
}

impl KeyDialect for MySql {
    /// The snapshot is taken by the first statement that reads a table, hence after the turn.
    const BEGIN_TURN: &'static str = "START TRANSACTION";

    /// A lock of `GET_LOCK` survives transactions, and other locks of its connection (MySQL 5.7, MariaDB 10.0).
    const TURN_IS_THE_CONNECTIONS: bool = true;

    /// Names of locks are those of the whole server: the database is part of this one, and the
    /// hash keeps it within 64 characters. On a Galera cluster such locks hold within one node.
    async fn take_turn(
        transaction: &mut Transaction<Self>,
        turn: &Turn,
    ) -> Result<(), sqlx::Error> {
        let name = hex::encode(turn.0.concat());
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

/// What signers take turns at: the hash of its name, in words.
pub struct Turn([[u8; 8]; 4]);

impl Turn {
    /// Making a key for `purpose`.
    #[must_use]
    pub fn at_purpose(purpose: &Purpose) -> Self {
        Self::named(&[
            algorithm_name(purpose.algorithm),
            &purpose.role,
            &purpose.gun,
        ])
    }

    /// Putting the first key under `alias`.
    #[must_use]
    pub fn at_alias(alias: &str) -> Self {
        Self::named(&["alias", alias])
    }

    /// Lengths keep the parts of a name apart.
    fn named(parts: &[&str]) -> Self {
        let mut text = Vec::new();
        for part in parts {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash = digest(&SHA256, &text);
        let (words, _) = hash.as_ref().as_chunks();
        Self(words.try_into().expect("SHA-256 has 32 octets"))
    }
}
