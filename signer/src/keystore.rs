//! Stored keys, and the trait of the store.

mod archived;
pub mod dialect;
pub mod schema;
pub mod sql;

use std::{fmt, sync::Arc};

pub use archived::ArchivedKey;
use async_trait::async_trait;
use database::{Condition, Fault};
use time::OffsetDateTime;
use tokio::sync::watch;
use tuf::{KeyAlgorithm, PublicKey};

/// Names a key: 64 hex digits. A request without this is refused before anything is looked up:
/// an empty id made Notary 0.7 sign with, or delete, keys that no request had named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// `text` if it is 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        hex.then(|| Self(text.into()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&tuf::KeyId> for KeyId {
    /// Only for ids that were computed from a key, which are digits by construction.
    fn from(id: &tuf::KeyId) -> Self {
        Self(id.as_str().into())
    }
}

/// What a key is made for. Two purposes are the same only if all three are, letter by letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Purpose {
    /// The kind of key.
    pub algorithm: KeyAlgorithm,
    /// The repository; free text, may be empty.
    pub gun: String,
    /// `timestamp` or `snapshot`; free text, may be empty.
    pub role: String,
}

/// How algorithms of new keys are spelled in requests and rows.
#[must_use]
pub fn algorithm_name(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::Ecdsa => "ecdsa",
        KeyAlgorithm::Ed25519 => "ed25519",
    }
}

/// The purpose of a stored key, as far as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The repository; empty on rows older than Notary 0.4.
    pub gun: String,
    /// The role; empty on rows older than Notary 0.4.
    pub role: String,
}

/// A key that is to be stored.
#[derive(Clone)]
pub struct NewKey {
    /// Its public half.
    pub public: PublicKey,
    /// What it is for.
    pub purpose: Purpose,
    /// What the row holds of its private half.
    pub holding: Holding,
}

/// What a row holds of a private half: the business of the key's [custody](crate::custody).
#[derive(Clone)]
pub struct Holding {
    /// Under whose passphrase it is encrypted, or a [mark](crate::custody::MARK).
    pub alias: String,
    /// How it is encrypted, for the column `encryption_alg`.
    pub encryption: &'static str,
    /// How the key that encrypts it is protected, for the column `keywrap_alg`.
    pub wrapping: &'static str,
    /// The private half, encrypted, or what leads to it.
    pub private: Vec<u8>,
    /// What must be so for this to be written.
    pub precondition: Precondition,
}

/// What must be so in the table for a holding to be written. It is looked at in the transaction
/// that writes: otherwise two passphrases could come to stand behind one alias, and keys of one of
/// them would not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// The key with this id is under the alias.
    KeyUnderAlias(String),
    /// No key is under the alias but those with these ids.
    NoKeyUnderAliasBut(Vec<String>),
}

/// A key as stored.
#[derive(Clone)]
pub struct StoredKey {
    /// Its id, as the row says.
    pub id: String,
    /// `ecdsa`, `ed25519`, `rsa`, or whatever was put there.
    pub algorithm: String,
    /// Under whose passphrase it is encrypted, or a [mark](crate::custody::MARK).
    pub alias: String,
    /// Its public half in the encoding of its algorithm.
    pub public: Vec<u8>,
    /// The private half, encrypted, or what leads to it.
    pub private: Vec<u8>,
    /// The repository that it was made for; empty on rows older than Notary 0.4.
    pub gun: String,
    /// The role that it was made for.
    pub role: String,
    /// Whether it ever signed; otherwise it is pending.
    pub used: bool,
}

/// What became of an attempt to replace a holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resealed {
    /// It is replaced.
    Done,
    /// The key is gone, or was put under another alias meanwhile.
    Stale,
    /// The precondition is no longer met; nothing was changed.
    PreconditionFailed,
}

/// A key in a listing: nothing that needs a passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The number of its row, by which listings go on.
    pub row: i64,
    /// Its id.
    pub id: String,
    /// The repository that it was made for.
    pub gun: String,
    /// The role that it was made for.
    pub role: String,
    /// The kind of key.
    pub algorithm: String,
    /// Under whose passphrase it is encrypted, or a [mark](crate::custody::MARK).
    pub alias: String,
    /// When it was made, if the row says so.
    pub created: Option<OffsetDateTime>,
    /// When it last signed; none for a pending key.
    pub last_used: Option<OffsetDateTime>,
}

/// The database failed; the cause is for the log, not for callers.
#[derive(Debug, thiserror::Error)]
#[error("the key database {fault}: {error}")]
pub struct StoreError {
    /// The kind of failure.
    pub fault: Fault,
    /// What the driver says.
    #[source]
    pub error: sqlx::Error,
}

/// Where keys are kept. Deleted keys are invisible to every method.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key for `purpose` that has not signed yet; of several, the one with the smallest id.
    async fn pending(&self, purpose: &Purpose) -> Result<Option<PublicKey>, StoreError>;

    /// The key called `id`, if it is for `purpose` and has not signed yet. Unlike
    /// [`pending`](Self::pending) it reads one key in any database.
    async fn still_pending(
        &self,
        id: &KeyId,
        purpose: &Purpose,
    ) -> Result<Option<PublicKey>, StoreError>;

    /// How many keys have not signed yet, up to `most`; may read each key.
    async fn count_pending(&self, most: u32) -> Result<u64, StoreError>;

    /// Stores `key` as pending, unless its purpose has a pending key already, perhaps from a
    /// request that won the race against this one. Answers the key that is pending now, or `None`
    /// if there is none and the precondition of `key` is not met: then nothing was stored.
    async fn insert_pending(
        &self,
        key: &NewKey,
        now: OffsetDateTime,
    ) -> Result<Option<PublicKey>, StoreError>;

    /// The key called `id`.
    async fn find(&self, id: &KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// What the key called `id` was made for; reads nothing that is secret.
    async fn origin(&self, id: &KeyId) -> Result<Option<Origin>, StoreError>;

    /// Notes when keys last signed; they are pending no more. Answers those that are gone. After an
    /// error, any of them may be noted.
    async fn mark_used(&self, uses: &[(KeyId, OffsetDateTime)]) -> Result<Vec<KeyId>, StoreError>;

    /// Deletes the key called `id`; answers whether there was one.
    async fn delete(&self, id: &KeyId, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// Replaces what is held of `key`, which must still be under the alias that `key` says.
    /// Nothing else about the key changes.
    async fn reseal(
        &self,
        key: &StoredKey,
        holding: &Holding,
        now: OffsetDateTime,
    ) -> Result<Resealed, StoreError>;

    /// Up to `limit` keys behind row `after`, in the order of their rows.
    async fn list(&self, after: i64, limit: u16) -> Result<Vec<ListedKey>, StoreError>;

    /// How many keys there are, to tell how far a command is; reads each of them.
    async fn count(&self) -> Result<u64, StoreError>;

    /// The aliases under which keys are encrypted.
    async fn aliases(&self) -> Result<Vec<String>, StoreError>;

    /// Up to `limit` of the oldest keys under `alias` and as many of the newest, which may be the
    /// same ones.
    async fn under_alias(&self, alias: &str, limit: u16) -> Result<Vec<StoredKey>, StoreError>;

    /// Fails if keys could not be read now, or if what is written now would be lost.
    async fn probe(&self) -> Result<(), StoreError>;

    /// How the database is doing, as the last requests saw it; tells of changes at once.
    fn condition(&self) -> watch::Receiver<Condition>;

    /// Whether keys are found by alias without reading every one of them.
    fn is_indexed(&self) -> bool;

    /// Sets the gauges that describe the connections.
    fn record_metrics(&self);

    /// Closes all connections, at the end of the program: see [`database::Pool::close`].
    async fn close(&self);
}
