//! Where private keys live.
//!
//! Every key is a row of the [key store](crate::keystore). Its custody alone knows what the row
//! holds of the private half: an envelope, or the name of a pair that never leaves a device. The
//! rest of the signer sees a [`SigningKey`].
//!
//! The column `passphrase_alias` says whose a row is: rows of [encrypted keys](encrypted) have an
//! alias, as Notary's have; any other begins with [`MARK`] and the custody's name. A signer of
//! Notary 0.7 looks for a variable of that name, finds none and fails on that row alone.

pub mod encrypted;
pub mod registry;

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use time::OffsetDateTime;
use tuf::PublicKey;

use crate::keystore::{KeyStore, Purpose, StoreError, StoredKey};

/// What the alias of a row begins with that is not an encrypted key; the custody's name follows,
/// and behind another colon whatever that custody wants to note.
pub const MARK: &str = "custody:";

/// The name of the custody that a row with this `alias` belongs to; none for an encrypted key.
#[must_use]
pub fn custody_name(alias: &str) -> Option<&str> {
    let rest = alias.strip_prefix(MARK)?;
    Some(rest.split_once(':').map_or(rest, |(name, _)| name))
}

/// A place where private keys live.
///
/// A custody may be slow or away. It gives up in time, keeps slow work off the threads that serve
/// requests, and answers [`CustodyError::Unavailable`] for what may succeed later.
#[async_trait]
pub trait Custody: Send + Sync {
    /// Its name, as rows are marked with it and operators read it.
    fn name(&self) -> &'static str;

    /// Makes a key for `purpose` and stores it in `rows` as pending, unless one is pending there
    /// already: then that one is the answer, and nothing is left of a pair made in vain.
    async fn create(
        &self,
        purpose: &Purpose,
        rows: &dyn KeyStore,
        now: OffsetDateTime,
    ) -> Result<Created, CustodyError>;

    /// Gets a stored key ready to sign, having made sure that it is the key that its row names.
    async fn open(&self, key: StoredKey) -> Result<Arc<dyn SigningKey>, CustodyError>;

    /// Removes what is left of `key` outside of its row, which is deleted already.
    async fn delete(&self, key: &StoredKey) -> Result<(), CustodyError>;

    /// Tries whether the custody works and opens some of its keys in `rows`. What keeps new keys
    /// from being made is a fault only if it `takes_new_keys`.
    async fn check(&self, rows: &dyn KeyStore, takes_new_keys: bool) -> Result<Report, StoreError>;

    /// Fails if no key could be made now.
    async fn check_new_keys(&self, rows: &dyn KeyStore) -> Result<(), CustodyError>;

    /// Whether a backup of the rows, with the secrets of this signer, brings the keys back. Keys
    /// that never leave a device are lost with it.
    fn is_restored_from_rows(&self) -> bool;
}

/// A private key that can sign, wherever it is. Dropping it wipes what is in memory.
#[async_trait]
pub trait SigningKey: Send + Sync {
    /// Its public half; its type says by which algorithm it signs.
    fn public(&self) -> &PublicKey;

    /// Signs `message` by the public half's [`PublicKey::signature_method`].
    async fn sign(&self, message: Bytes) -> Result<Vec<u8>, CustodyError>;
}

/// The key that is pending for a purpose.
pub enum Created {
    /// This call made it. It is in its row, and ready to sign.
    Now(Arc<dyn SigningKey>),
    /// It was there already.
    Before(PublicKey),
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Why this signer cannot do its work: no new key can be made, or no stored key opens.
    pub faults: Vec<CustodyError>,
    /// What keeps some keys from signing, or from being made, while others go on.
    pub warnings: Vec<CustodyError>,
    /// Single keys that cannot be used although nothing is wrong with the others beside them.
    pub keys: Vec<CustodyError>,
    /// What works and still should not stay as it is, a sentence each; told at the start.
    pub advice: Vec<String>,
}

/// Why a custody cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The key database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not now; later, or after an operator's help, the same request may succeed.
    #[error("{0}")]
    Unavailable(Box<dyn Error + Send + Sync>),
    /// Not with this key.
    #[error("{0}")]
    Broken(Box<dyn Error + Send + Sync>),
    /// The row is marked as one of a custody that is not set up here.
    #[error("key {id} is kept in {custody}, which this signer is not set up for")]
    Unknown {
        /// The key.
        id: String,
        /// What its row says.
        custody: String,
    },
}
